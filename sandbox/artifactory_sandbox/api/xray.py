"""Xray's API, and the sandbox's own that tells it what scans have found."""

from __future__ import annotations

import asyncio
from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items
from artifactory_sandbox.api.calls import Call, call_of, read_as, require_admin
from artifactory_sandbox.config import Action, ScanStatus, XrayFinding, XrayWatch
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.xray import Wanted, place_of, severity_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from starlette.requests import Request

    from artifactory_sandbox.items import Item

_UNKNOWN = "Artifact doesn't exist or not indexed/cached in Xray"
_LAST_PAGE = 100_000


def _in_reach(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:
        raise ValueError("it is too far away")
    return moment


_Moment = Annotated[AwareDatetime, AfterValidator(_in_reach)]


class _Artifact(BaseModel, frozen=True):
    repo: str
    path: str


class _Summary(BaseModel):
    checksums: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class _Resources(BaseModel):
    artifacts: tuple[_Artifact, ...] | None = None


class _Filters(BaseModel):
    watch_name: str | None = None
    violation_type: Literal["Security", "License", "Operational_Risk"] | None = None
    min_severity: Literal["Critical", "High", "Medium", "Low", "Information", "Unknown"] | None = None
    created_from: _Moment | None = None
    created_until: _Moment | None = None
    issue_id: str | None = None
    cve_id: str | None = None
    include_details: bool = False
    resources: _Resources = _Resources()


class _Pagination(BaseModel):
    limit: int = Field(default=25, ge=1)
    offset: int = Field(default=1, ge=0, le=_LAST_PAGE)
    order_by: Literal["created", "updated", "summary", "severity", "type", "watcher_name", "issue_id"] = "created"
    direction: Literal["asc", "desc"] | None = None


class _Violations(BaseModel):
    filters: _Filters = _Filters()
    pagination: _Pagination = _Pagination()


async def artifact_status(request: Request) -> Response:
    """Tell how far the scan of an artifact has come."""
    call, wanted = call_of(request), await read_as(_Artifact, request)
    item = await call.service.database.read(lambda tx: items.find(tx, wanted.repo, wanted.path.strip("/")))
    if item is None or not _may_read(call, item):
        raise Refusal(404, _UNKNOWN)
    finding = call.service.xray.look_up(item)

    def tell(status: ScanStatus) -> dict[str, str]:
        return {"status": status, "time": "" if status == "NOT_SUPPORTED" else item.updated}

    parts: dict[str, ScanStatus] = {"sca": finding.status, "violations": finding.status}
    advanced: dict[str, ScanStatus] = {"contextual_analysis": "NOT_SUPPORTED", "exposures": "NOT_SUPPORTED"}
    details = {part: tell(status) for told in (parts, advanced, finding.parts) for part, status in told.items()}
    return JSONResponse({"overall": tell(finding.status), "details": details})


async def artifact_summary(request: Request) -> Response:
    """Tell what was found in artifacts, by their paths (`default/<repository>/<path>`), or else by their SHA-256."""
    call, wanted = call_of(request), await read_as(_Summary, request)

    def look(tx: sqlite3.Connection) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for path in wanted.paths:
            repository, _, rest = path.removeprefix("default/").partition("/")
            item = items.find(tx, repository, rest.strip("/"))
            found[path] = [item] if item else []
        if wanted.paths:
            return found
        return {one: items.select(tx, "digest = ?", (f"sha256:{one.lower()}",)) for one in wanted.checksums}

    artifacts, errors = [], []
    for identifier, found in (await call.service.database.read(look)).items():
        told = ((item, call.service.xray.summarize(item)) for item in found if _may_read(call, item))
        item, finding = next((one for one in told if one[1]), (None, None))
        if item is None or finding is None:
            errors.append({"identifier": identifier, "error": _UNKNOWN})
        else:
            artifacts.append(_summary(item, finding))
    return JSONResponse({"artifacts": artifacts, "errors": errors})


async def list_violations(request: Request) -> Response:
    """List a page of the violations of policies that meet the filters, in what the user may read."""
    call, asked = call_of(request), await read_as(_Violations, request)
    filters, xray = asked.filters, call.service.xray
    among = await call.service.database.read(_manifests(asked.filters.resources.artifacts))
    wanted = Wanted(
        watch=filters.watch_name,
        kind=filters.violation_type,
        min_severity=filters.min_severity,
        since=_utc(filters.created_from),
        until=_utc(filters.created_until),
        issue=filters.issue_id,
        cve=filters.cve_id,
    )
    found = xray.violations((item for item in among if _may_read(call, item)), wanted)
    return JSONResponse({"total_violations": len(found), "violations": _page(found, asked)})


def _page(found: list[dict[str, Any]], asked: _Violations) -> list[dict[str, Any]]:
    pages, field = asked.pagination, {"watcher_name": "watch_name", "updated": "created"}
    by = field.get(pages.order_by, pages.order_by)
    is_falling = (pages.direction or ("desc" if by == "severity" else "asc")) == "desc"
    found.sort(key=lambda one: severity_of(one) if by == "severity" else str(one.get(by, "")), reverse=is_falling)
    start = (max(pages.offset, 1) - 1) * pages.limit
    hidden = frozenset() if asked.filters.include_details else frozenset({"matched_policies"})
    return [
        {name: value for name, value in one.items() if name not in hidden} for one in found[start : start + pages.limit]
    ]


async def list_watches(request: Request) -> Response:
    """List the watches."""
    watches = require_admin(request).xray.watches
    return JSONResponse([_watch(name, watch) for name, watch in watches.items()])


async def show_watch(request: Request) -> Response:
    """Show one watch."""
    name = request.path_params["name"]
    watch = require_admin(request).xray.watches.get(name)
    if watch is None:
        return JSONResponse({"error": f"Watch {name} was not found"}, 404)
    return JSONResponse(_watch(name, watch))


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


def _manifests(artifacts: tuple[_Artifact, ...] | None) -> Callable[[sqlite3.Connection], list[Item]]:
    def look(tx: sqlite3.Connection) -> list[Item]:
        if artifacts is None:
            return items.select(tx, "kind = 'manifest' ORDER BY id", ())
        found = (items.find(tx, one.repo, one.path.strip("/")) for one in dict.fromkeys(artifacts))
        return [item for item in found if item]

    return look


def _summary(item: Item, finding: XrayFinding) -> dict[str, Any]:
    name = f"{item.image}:{item.folder}" if item.image else item.full_path
    general = {
        "component_id": name,
        "name": name,
        "path": place_of(item),
        "pkg_type": "Docker",
        "sha256": item.digest.removeprefix("sha256:"),
    }
    return {"general": general, "issues": list(finding.issues), "licenses": list(finding.licenses)}


def _watch(name: str, watch: XrayWatch) -> dict[str, Any]:
    named = [{"type": "repository", "bin_mgr_id": "default", "name": key} for key in watch.repositories]
    return {
        "general_data": {"id": name, "name": name, "description": "", "active": watch.active},
        "project_resources": {"resources": named or [{"type": "all-repos"}]},
        "assigned_policies": [{"name": policy, "type": "security"} for policy in watch.policies],
    }


def _utc(moment: datetime | None) -> str | None:
    return items.timestamp(moment) if moment else None


ROUTES = [
    Route("/xray/api/v1/artifact/status", artifact_status, methods=["POST"]),
    Route("/xray/api/{version:str}/summary/artifact", artifact_summary, methods=["POST"]),
    Route("/xray/api/v1/violations", list_violations, methods=["POST"]),
    Route("/xray/api/v2/watches", list_watches, methods=["GET"]),
    Route("/xray/api/v2/watches/{name:str}", show_watch, methods=["GET"]),
    Route("/sandbox/xray", list_findings, methods=["GET"]),
    Route("/sandbox/xray", add_findings, methods=["POST"]),
    Route("/sandbox/xray", reset_findings, methods=["DELETE"]),
]
