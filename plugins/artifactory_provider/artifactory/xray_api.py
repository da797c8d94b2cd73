"""Xray's REST API, as far as a verification needs it: what scans have found, how far they are, violations, watches.

Sources: JFrog's "Xray REST APIs" ("Artifact Summary", "Artifact Scan Status", "Get Violations", "Get Watches"),
jfrog-client-go (``xray/services``), and summaries of real servers that others have published (DefectDojo's samples).
Everything that comes is read as if it could be anything: what is not as documented is an error, never an empty list.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.artifactory.transport import JSON, BodyReading
from artifactory_provider.artifactory.xray_answers import (
    ScanStatus,
    Summaries,
    Violations,
    Watch,
    read_scan_status,
    read_summaries,
    read_violations,
    read_watches,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from artifactory_provider.artifactory.answers import Answer
    from artifactory_provider.artifactory.server import Server

_MANY = BodyReading(largest=8 * 1024 * 1024)
_ONE = BodyReading(largest=256 * 1024)
_LONGEST_WAIT = 60.0
"""Seconds for an answer to a question about violations, which Xray may never give."""
_FIRST_DAY = "2016-01-01T00:00:00Z"
"""Before Xray's first release: the question has to name a moment, and is to leave no violation out."""
_MOST_VIOLATIONS = 1000


class XrayApi:
    """Xray's API. It only reads; all of it needs Read alone, but for the watches."""

    _server: Server

    async def artifact_summaries(self, *, checksums: Sequence[str] = (), paths: Sequence[str] = ()) -> Summaries:
        """Return what scans have found in artifacts: ``POST xray/api/v1/summary/artifact``.

        :param checksums: their SHA-256, in hexadecimal digits.
        :param paths: their paths instead, ``<repository>/<path of the item>``; Xray takes either.
        :raises TooMuchAsked: when the answer is larger than 8 MiB.
        :raises NotFound: when there is no Xray.
        :raises UnexpectedAnswer: when the answer is no summary.
        """
        wanted = {"paths": [f"default/{path}" for path in paths]} if paths else {"checksums": list(checksums)}
        answer = await self._ask("v1/summary/artifact", wanted, reading=_MANY)
        return read_summaries(answer)

    async def scan_status(self, repository: str, path: str) -> ScanStatus | None:
        """Return how far the scan of an artifact is: ``POST xray/api/v1/artifact/status`` (Xray 3.80.9 and newer).

        :param repository: the repository key.
        :param path: the path of the item in it.
        :return: None where Xray does not know the artifact.
        :raises UnexpectedAnswer: when the answer is no status.
        """
        body = {"repo": repository, "path": path}
        answer = await self._ask("v1/artifact/status", body, allowed=(200, 404), reading=_ONE)
        if answer.status != 404:
            return read_scan_status(answer)
        if answer.is_html:
            raise answer.unexpected("the status of a scan")
        return None

    async def find_violations(self, items: Sequence[tuple[str, str]], *, watch: str | None = None) -> Violations:
        """Return the worst 1,000 violations in artifacts: ``POST xray/api/v1/violations``.

        Without a filter the answer may never come; so there is one always, and a bound to the waiting.

        :param items: repository and path of each item; Xray takes many (3.88.10 and newer).
        :param watch: those of this watch alone.
        :raises UnexpectedAnswer: when the answer is no list of violations.
        """
        filters = {
            "created_from": _FIRST_DAY,
            "include_details": True,
            "resources": {"artifacts": [{"repo": repository, "path": path} for repository, path in items]},
            **({"watch_name": watch} if watch else {}),
        }
        pagination = {"order_by": "severity", "direction": "desc", "limit": _MOST_VIOLATIONS, "offset": 1}
        answer = await self._ask(
            "v1/violations",
            {"filters": filters, "pagination": pagination},
            reading=_MANY,
            timeout=min(_LONGEST_WAIT, self._server.settings.timeout),
            repeatable=False,
        )
        return read_violations(answer)

    async def watches(self) -> list[Watch]:
        """Return the watches: ``GET xray/api/v2/watches``.

        :raises PermissionDenied: when the user has not the role Manage Watches.
        :raises UnexpectedAnswer: when the answer is no list of watches.
        """
        url = f"{await self._server.xray_url()}/v2/watches"
        answer = await self._server.request("GET", url, needs="the role Manage Watches in Xray")
        return read_watches(answer)

    async def _ask(
        self,
        what: str,
        body: dict[str, Any],
        *,
        reading: BodyReading,
        allowed: Collection[int] = (200,),
        timeout: float | None = None,
        repeatable: bool = True,
    ) -> Answer:
        try:
            return await self._server.request(
                "POST",
                f"{await self._server.xray_url()}/{what}",
                repeatable=repeatable,
                allowed=allowed,
                needs="Read on the repository, in Xray too",
                timeout=timeout,
                headers=JSON,
                data=json.dumps(body),
                reading=reading,
            )
        except NotFound as error:
            raise NotFound(
                f"There is no Xray here: {error.endpoint} answered 404. Check that Xray is installed, and that the "
                "connection's host is the platform's URL and not Artifactory's own port.",
                status=error.status,
                endpoint=error.endpoint,
                detail=error.detail,
            ) from error
