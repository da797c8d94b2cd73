"""What it costs to delete what nobody needs any more: requests a tag, out of a plan that is made of listings."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.retention import delete_planned, plan_retention, read_retention
from benchmarks.backfill_process import settings_of
from benchmarks.registries import sandbox
from benchmarks.result import at_most, told
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import name_tags, store_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.retention import RetentionPlan
    from artifactory_sandbox.service import Service
    from benchmarks.registries import Registry
    from benchmarks.result import Result

_THOUSAND = 1000
_LONG_AGO = "2026-01-01T00:00:00.000Z"
_RULES = """\
version: 1
stages: [docker-dev, docker-qa, docker-prod]
rules:
  - repositories: [docker-dev]
    images: ["{folder}/*"]
    tags: {{older_than: 30d, keep_newest: 1}}
"""


def measure() -> Iterator[Result]:
    """Delete a thousand old tags of many images, and a thousand with their signatures, which are tags, too."""
    logging.getLogger("artifactory_provider").setLevel(logging.WARNING)  # or the table has a line for each tag
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        with opened(data) as service:
            store_tags(service, name_tags("docker-dev", "plain", _THOUSAND))
            store_tags(service, name_tags("docker-dev", "signed", _THOUSAND), signed=True)
            _grow_old(service)
        with sandbox(data) as server:
            for folder in ("plain", "signed"):
                planning, deleting, deleted, seconds = asyncio.run(_delete(server, folder))
                suffix = "" if folder == "plain" else "_signed"
                unit = "requests a deleted tag" + (", signatures are tags" if suffix else "")
                yield at_most(
                    f"retention_requests{suffix}", (planning + deleting) / deleted, 1.1, f"{unit}, the plan's too"
                )
                yield told(f"retention_plan_requests{suffix}", planning, f"requests of the plan; {deleted:,} tags go")
                yield told(f"retention{suffix}", deleted / seconds, "tags deleted a second")


async def _delete(server: Registry, folder: str) -> tuple[int, int, int, float]:
    """Return the requests of the plan and of the deletion, how many tags have gone, and the seconds of the latter."""
    rules = read_retention(_RULES.format(folder=folder))
    async with ArtifactoryClient(settings_of(f"http://127.0.0.1:{server.port}/artifactory")) as client:
        before = _answered(server)
        plan: RetentionPlan = await plan_retention(client, rules)
        planned, begun = _answered(server), time.perf_counter()
        report = await delete_planned(client, rules, plan.to_delete())
        seconds = time.perf_counter() - begun
    if report.counts["deleted"] != len(plan.to_delete()) or report.counts["deleted"] < _THOUSAND // 2:
        raise RuntimeError(f"not all that was planned has gone: {report.counts}, {plan.counts}")
    return planned - before, _answered(server) - planned, report.counts["deleted"], seconds


def _grow_old(service: Service) -> None:
    with service.database.writing() as tx:
        tx.execute("UPDATE items SET updated = ?", (_LONG_AGO,))


def _answered(server: Registry) -> int:
    with closing(server.connect()) as connection:
        return connection.answered()
