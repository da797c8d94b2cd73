"""`python -m benchmarks.audit_process URL FILE WAY`: audits once, or sends the queries of an audit, nothing else.

With `audit`, it writes the queries into the file; with `list`, it lists by those that stand there, through the client
that audits ask, and with `send` it sends them, and reads the answers' JSON. It prints the seconds,
the most memory that the process has held in MiB, how many queries there were, and how many findings.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.rest_api import RestApi
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.audit import AuditScope, audit

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = "docker-prod"
_AT_ONCE = 2
"""As many queries as an audit has under way."""


def main() -> None:
    """Do what was asked for."""
    url, way = sys.argv[1], sys.argv[3]
    file = Path(sys.argv[2])
    queries: list[str] = [] if way == "audit" else json.loads(file.read_text())
    begun = time.perf_counter()
    work = {"audit": _audit, "list": _list, "send": _send}[way]
    findings = asyncio.run(work(url, queries))
    seconds = time.perf_counter() - begun
    file.write_text(json.dumps(queries))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "queries": len(queries), "findings": findings}))


async def _audit(url: str, queries: list[str]) -> int:
    send: Callable[..., Any] = RestApi._send_query

    async def noting(api: RestApi, query: str) -> Any:
        queries.append(query)
        return await send(api, query)

    RestApi._send_query = noting  # type: ignore[assignment,method-assign]
    async with ArtifactoryClient(ServerSettings(base_url=url, authentication=Basic("admin", "password"))) as client:
        return len((await audit(client, AuditScope(repositories=(REPOSITORY,)))).findings)


async def _list(url: str, queries: list[str]) -> int:
    waiting = iter(queries)

    async def list_some(client: ArtifactoryClient) -> None:
        for query in waiting:
            await client._ask_for_items(query)

    async with ArtifactoryClient(ServerSettings(base_url=url, authentication=Basic("admin", "password"))) as client:
        await asyncio.gather(*(list_some(client) for _ in range(_AT_ONCE)))
    return 0


async def _send(url: str, queries: list[str]) -> int:
    waiting = iter(queries)

    async def send_some(session: aiohttp.ClientSession) -> None:
        for query in waiting:
            async with session.post(f"{url}/api/search/aql", data=query) as response:
                json.loads(await response.read())["results"]

    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("admin", "password")) as session:
        await asyncio.gather(*(send_some(session) for _ in range(_AT_ONCE)))
    return 0


if __name__ == "__main__":
    main()
