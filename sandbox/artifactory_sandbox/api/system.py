"""Artifactory's system and repository API, and the description of the sandbox's own interface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.api.calls import call_of
from artifactory_sandbox.api.responses import json_response
from artifactory_sandbox.errors import Forbidden, Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

OPENAPI = Path(__file__).with_name("openapi.yaml")
# What answers without credentials, as load balancers need it.
OPEN_PATHS = frozenset({"/api/system/ping", "/access/api/v1/system/ping", "/xray/api/v1/system/ping"})


def revision(version: str) -> str:
    """Return the revision that belongs to a version: 7.46.11 has 74611900 (renovate#15080)."""
    major, minor, patch = map(int, version.split("."))
    return f"{major}{minor:02}{patch:02}900"


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
    found = [
        {
            "key": key,
            "description": repository.description,
            "type": repository.repository_class.upper(),
            "url": f"{call.address.base}/{key}",
            "packageType": repository.package_type.capitalize(),
        }
        for key, repository in call.service.config.repositories.items()
        if wanted_class in {"", repository.repository_class}
        and wanted_package in {"", repository.package_type}
        and call.service.access.sees(call.user, key)
    ]
    return json_response(found)


async def get_repository(request: Request) -> Response:
    """Describe one repository."""
    call, key = call_of(request), request.path_params["repository"]
    repository = call.service.config.repositories.get(key)
    if repository is None:
        raise Refusal(400, "Bad Request")
    if not call.service.access.sees(call.user, key):
        raise Forbidden
    kind = {"rclass": repository.repository_class, "packageType": repository.package_type}
    return json_response({"key": key, **kind, "description": repository.description})


ROUTES = [
    *(Route(path, ping) for path in sorted(OPEN_PATHS)),
    Route("/api/system/version", version),
    Route("/sandbox/openapi.yaml", description),
    Route("/api/repositories", list_repositories),
    Route("/api/repositories/{repository}", get_repository),
]
