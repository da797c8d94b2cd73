"""Xray: what scans have found, told to the sandbox beforehand; what follows for downloads; and Xray's API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items
from artifactory_sandbox.calls import Call, call_of, read_as, require_admin
from artifactory_sandbox.config import Action, XrayConfig, XrayFinding
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import ant_pattern

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from artifactory_sandbox.items import Item
    from artifactory_sandbox.metadata import Database

_UNKNOWN = "Artifact doesn't exist or not indexed/cached in Xray"


class Xray:
    """What Xray knows of the artifacts of a sandbox; what is told later counts more.

    :param config: what it knows from the start.
    :param database: where it keeps what it is told later.
    """

    def __init__(self, config: XrayConfig, database: Database) -> None:
        self._config = config
        self._database = database
        self._unknown = XrayFinding(artifact="**", status=config.default_status)
        with database.reading() as tx:
            told = tx.execute("SELECT body FROM findings ORDER BY id").fetchall()
        self.findings = (*config.findings, *(XrayFinding.model_validate_json(body) for (body,) in told))

    def add(self, findings: tuple[XrayFinding, ...]) -> None:
        """Learn more."""
        rows = [(finding.model_dump_json(by_alias=True),) for finding in findings]
        with self._database.writing() as tx:
            tx.executemany("INSERT INTO findings (body) VALUES (?)", rows)
        self.findings = (*self.findings, *findings)

    def reset(self) -> None:
        """Know what the configuration says, and no more."""
        with self._database.writing() as tx:
            tx.execute("DELETE FROM findings")
        self.findings = self._config.findings

    def look_up(self, item: Item) -> XrayFinding:
        """Return what is known of an artifact."""
        path = f"{item.repository}/{item.full_path}"
        for finding in reversed(self.findings):
            if finding.artifact == item.digest or ant_pattern(finding.artifact).fullmatch(path):
                return finding
        return self._unknown

    def require_download(self, item: Item) -> None:
        """Refuse a download that a policy forbids, in Artifactory's words (sobolevn/git-secret#801).

        :raises Refusal: 403.
        """
        finding = self.look_up(item)
        is_unscanned = self._config.block_unscanned and finding.status not in {"DONE", "NOT_SUPPORTED"}
        if finding.is_blocked or is_unscanned:
            reason = f"the download blocking policy configured in Xray for {item.repository}"
            what = f"{item.full_path} was not downloaded due to {reason}"
            raise Refusal(403, f"Artifact download request rejected: {what}.")


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
