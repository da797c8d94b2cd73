"""Xray's API of scan statuses, summaries and violations, and the admin API that feeds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items
from artifactory_sandbox.config import Action, first_problem
from artifactory_sandbox.docker_call import read_limited
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.service import Call, call_of, require_admin
from artifactory_sandbox.xray import Finding

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from artifactory_sandbox.items import Item

_LARGEST_BODY = 1024 * 1024
_UNKNOWN = "Artifact doesn't exist or not indexed/cached in Xray"


class _Artifact(BaseModel):
    repo: str
    path: str


class _Summary(BaseModel):
    checksums: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class _Filters(BaseModel):
    watch_name: str | None = None


class _Violations(BaseModel):
    filters: _Filters = _Filters()


Value = TypeVar("Value")
_FINDINGS: TypeAdapter[tuple[Finding, ...]] = TypeAdapter(tuple[Finding, ...])


async def artifact_status(request: Request) -> Response:
    """Tell how far the scan of an artifact has come."""
    call, wanted = call_of(request), await _body(request, TypeAdapter(_Artifact))
    item = await call.service.database.read(lambda tx: items.find(tx, wanted.repo, wanted.path.strip("/")))
    if item is None or not _may_read(call, item):
        raise Refusal(404, _UNKNOWN)
    status = {"status": call.service.xray.look_up(item).status, "time": item.updated}
    unsupported = {"status": "NOT_SUPPORTED", "time": ""}
    details = {"sca": status, "contextual_analysis": unsupported, "exposures": unsupported, "violations": status}
    return JSONResponse({"overall": status, "details": details})


async def artifact_summary(request: Request) -> Response:
    """Tell what was found in artifacts, by their SHA-256 or their paths (`default/<repository>/<path>`)."""
    call, wanted = call_of(request), await _body(request, TypeAdapter(_Summary))

    def look(tx: sqlite3.Connection) -> dict[str, Item | None]:
        found = {one: next(iter(items.select(tx, "digest = ?", (f"sha256:{one}",))), None) for one in wanted.checksums}
        for path in wanted.paths:
            repository, _, rest = path.removeprefix("default/").partition("/")
            found[path] = items.find(tx, repository, rest.strip("/"))
        return found

    answer: dict[str, list[dict[str, Any]]] = {"artifacts": [], "errors": []}
    for identifier, item in (await call.service.database.read(look)).items():
        if item is None or not _may_read(call, item):
            answer["errors"].append({"identifier": identifier, "error": _UNKNOWN})
        else:
            answer["artifacts"].append(_summary(item, call.service.xray.look_up(item)))
    return JSONResponse(answer)


async def list_violations(request: Request) -> Response:
    """List the violations of policies, of one watch if asked."""
    findings, wanted = require_admin(request).xray.findings, await _body(request, TypeAdapter(_Violations))
    watch = wanted.filters.watch_name
    found = [
        {"impacted_artifacts": [finding.artifact], **violation}
        for finding in findings
        for violation in finding.violations
        if watch in {None, violation.get("watch_name")}
    ]
    return JSONResponse({"total_violations": len(found), "violations": found})


async def list_findings(request: Request) -> Response:
    """List what Xray was told."""
    return JSONResponse(_FINDINGS.dump_python(tuple(require_admin(request).xray.findings), mode="json", by_alias=True))


async def add_findings(request: Request) -> Response:
    """Tell Xray more findings; where several cover an artifact, the last one counts."""
    xray = require_admin(request).xray
    await asyncio.to_thread(xray.add, await _body(request, _FINDINGS))
    return Response(status_code=204)


async def reset_findings(request: Request) -> Response:
    """Let Xray forget what the configuration does not say."""
    await asyncio.to_thread(require_admin(request).xray.reset)
    return Response(status_code=204)


async def _body(request: Request, adapter: TypeAdapter[Value]) -> Value:
    try:
        return adapter.validate_json(await read_limited(request.stream(), _LARGEST_BODY))
    except ValidationError as error:
        raise Refusal(400, f"The request body is not valid: {first_problem(error)}") from None


def _may_read(call: Call, item: Item) -> bool:
    return call.service.access.allows(call.user, Action.READ, item.repository, item.full_path)


def _summary(item: Item, finding: Finding) -> dict[str, Any]:
    name = f"{item.image}:{item.path.rpartition('/')[2]}" if item.image else item.full_path
    general = {
        "component_id": f"docker://{name}",
        "name": name,
        "path": f"default/{item.repository}/{item.full_path}",
        "pkg_type": "Docker",
        "sha256": (item.digest or "").removeprefix("sha256:"),
    }
    return {"general": general, "issues": list(finding.issues), "licenses": list(finding.licenses)}


ROUTES = [
    Route("/xray/api/v1/artifact/status", artifact_status, methods=["POST"]),
    Route("/xray/api/{version:str}/summary/artifact", artifact_summary, methods=["POST"]),
    Route("/xray/api/v1/violations", list_violations, methods=["POST"]),
    Route("/sandbox/xray", list_findings, methods=["GET"]),
    Route("/sandbox/xray", add_findings, methods=["POST"]),
    Route("/sandbox/xray", reset_findings, methods=["DELETE"]),
]
