"""Artifactory's system and repository API, and what no Artifactory has, for administrators only: faults and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.calls import Call, call_of, read_as, require_admin
from artifactory_sandbox.errors import Forbidden, Refusal, json_response
from artifactory_sandbox.faults import Fault

if TYPE_CHECKING:
    from starlette.requests import Request

    from artifactory_sandbox.config import RepositoryConfig

OPENAPI = Path(__file__).with_name("openapi.yaml")
# What answers without credentials, as load balancers need it.
OPEN_PATHS = frozenset({"/api/system/ping", "/access/api/v1/system/ping", "/xray/api/v1/system/ping"})


def revision(version: str) -> str:
    """Return the revision that belongs to a version: 7.46.11 has 74611900 (renovate#15080)."""
    major, minor, patch = version.split(".")
    return f"{int(major)}{int(minor):02}{int(patch):02}900"


async def ping(request: Request) -> Response:
    """Tell that the sandbox is up."""
    return PlainTextResponse("OK")


async def version(request: Request) -> Response:
    """Tell which Artifactory this is like."""
    number = call_of(request).service.config.version
    return json_response({"version": number, "revision": revision(number), "addons": [], "license": "sandbox"})


async def description(request: Request) -> Response:
    """Describe the sandbox's own HTTP interface, by the OpenAPI specification."""
    return FileResponse(OPENAPI, media_type="application/yaml")


async def list_repositories(request: Request) -> Response:
    """List the repositories that the user can read, of one class and package type if asked."""
    call = call_of(request)
    wanted_class = request.query_params.get("type", "").lower()
    wanted_package = request.query_params.get("packageType", "").lower()
    return json_response(
        [
            _summary(call, key, repository)
            for key, repository in call.service.config.repositories.items()
            if wanted_class in {"", repository.repository_class}
            and wanted_package in {"", repository.package_type}
            and call.service.access.sees(call.user, key)
        ]
    )


async def get_repository(request: Request) -> Response:
    """Describe one repository."""
    call = call_of(request)
    key = request.path_params["repository"]
    repository = call.service.config.repositories.get(key)
    if repository is None:
        raise Refusal(400, "Bad Request")
    if not call.service.access.sees(call.user, key):
        raise Forbidden
    return json_response(
        {
            "key": key,
            "rclass": repository.repository_class,
            "packageType": repository.package_type,
            "description": repository.description,
        }
    )


async def list_faults(request: Request) -> Response:
    """List the faults that are set, with how many requests each has seen and hit."""
    return JSONResponse(require_admin(request).faults.describe())


async def add_fault(request: Request) -> Response:
    """Set a fault."""
    service = require_admin(request)
    fault = await read_as(Fault, request, "The fault")
    return JSONResponse({"id": service.faults.add(fault)}, 201)


async def clear_faults(request: Request) -> Response:
    """Take one fault back, or all of them with what they have left behind."""
    faults, number = require_admin(request).faults, request.path_params.get("number")
    if number is None:
        faults.clear()
    elif not faults.remove(number):
        raise Refusal(404, f"There is no fault {number}.")
    return Response(status_code=204)


async def metrics(request: Request) -> Response:
    """Tell how many requests were answered how, in Prometheus' text format."""
    return PlainTextResponse(require_admin(request).journal.metrics(), media_type="text/plain; version=0.0.4")


def _summary(call: Call, key: str, repository: RepositoryConfig) -> dict[str, str]:
    return {
        "key": key,
        "description": repository.description,
        "type": repository.repository_class.upper(),
        "url": f"{call.address.base}/{key}",
        "packageType": repository.package_type.capitalize(),
    }


ROUTES = [
    *(Route(path, ping) for path in sorted(OPEN_PATHS)),
    Route("/api/system/version", version),
    Route("/sandbox/openapi.yaml", description),
    Route("/api/repositories", list_repositories),
    Route("/api/repositories/{repository}", get_repository),
    Route("/sandbox/metrics", metrics),
    Route("/sandbox/faults", list_faults, methods=["GET"]),
    Route("/sandbox/faults", add_fault, methods=["POST"]),
    Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
    Route("/sandbox/faults/{number:int}", clear_faults, methods=["DELETE"]),
]
