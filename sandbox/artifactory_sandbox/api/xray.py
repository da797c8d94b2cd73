"""Xray's API, and the sandbox's own that tells it what scans have found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items
from artifactory_sandbox.api.calls import Call, call_of, read_as, require_admin
from artifactory_sandbox.config import Action, XrayFinding
from artifactory_sandbox.errors import Refusal

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from artifactory_sandbox.items import Item

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


async def artifact_status(request: Request) -> Response:
    """Tell how far the scan of an artifact has come."""
    call, wanted = call_of(request), await read_as(_Artifact, request)
    item = await call.service.database.read(lambda tx: items.find(tx, wanted.repo, wanted.path.strip("/")))
    if item is None or not _may_read(call, item):
        raise Refusal(404, _UNKNOWN)
    status = {"status": call.service.xray.look_up(item).status, "time": item.updated}
    unsupported = {"status": "NOT_SUPPORTED", "time": ""}
    details = {"sca": status, "contextual_analysis": unsupported, "exposures": unsupported, "violations": status}
    return JSONResponse({"overall": status, "details": details})


async def artifact_summary(request: Request) -> Response:
    """Tell what was found in artifacts, by their SHA-256 or their paths (`default/<repository>/<path>`)."""
    call, wanted = call_of(request), await read_as(_Summary, request)

    def look(tx: sqlite3.Connection) -> dict[str, list[Item]]:
        found = {one: items.select(tx, "digest = ?", (f"sha256:{one}",)) for one in wanted.checksums}
        for path in wanted.paths:
            repository, _, rest = path.removeprefix("default/").partition("/")
            item = items.find(tx, repository, rest.strip("/"))
            found[path] = [item] if item else []
        return found

    artifacts, errors = [], []
    for identifier, found in (await call.service.database.read(look)).items():
        item = next((one for one in found if _may_read(call, one)), None)
        if item is None:
            errors.append({"identifier": identifier, "error": _UNKNOWN})
        else:
            artifacts.append(_summary(item, call.service.xray.look_up(item)))
    return JSONResponse({"artifacts": artifacts, "errors": errors})


async def list_violations(request: Request) -> Response:
    """List the violations of policies, of one watch if asked."""
    findings, wanted = require_admin(request).xray.findings, await read_as(_Violations, request)
    watch = wanted.filters.watch_name
    found = [
        {"impacted_artifacts": [finding.artifact], **violation}
        for finding in findings
        for violation in finding.violations
        if watch is None or violation.get("watch_name") == watch
    ]
    return JSONResponse({"total_violations": len(found), "violations": found})


async def list_findings(request: Request) -> Response:
    """List what Xray was told."""
    return JSONResponse([one.model_dump(mode="json", by_alias=True) for one in require_admin(request).xray.findings])


async def add_findings(request: Request) -> Response:
    """Tell Xray more findings; where several cover an artifact, the last one counts."""
    xray = require_admin(request).xray
    await asyncio.to_thread(xray.add, await read_as(tuple[XrayFinding, ...], request))
    return Response(status_code=204)


async def reset_findings(request: Request) -> Response:
    """Let Xray forget what the configuration does not say."""
    await asyncio.to_thread(require_admin(request).xray.reset)
    return Response(status_code=204)


def _may_read(call: Call, item: Item) -> bool:
    return call.service.access.allows(call.user, Action.READ, item.repository, item.full_path)


def _summary(item: Item, finding: XrayFinding) -> dict[str, Any]:
    name = f"{item.image}:{item.path.rpartition('/')[2]}" if item.image else item.full_path
    general = {
        "component_id": f"docker://{name}",
        "name": name,
        "path": f"default/{item.repository}/{item.full_path}",
        "pkg_type": "Docker",
        "sha256": item.digest.removeprefix("sha256:"),
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
