"""`python -m benchmarks.backfill_process URL FIRST COUNT TARGET`: a backfill in a process of its own, chunk by chunk.

It prints a line of JSON: how long it took, and the memory of the process before it and at its peak.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.request import PromotionOptions, make_promotions
from benchmarks.tag_sets import name_tags, to_repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.request import Promotion

CHUNK = 250


def main() -> None:
    """Promote a thousand tags of each of some teams from docker-dev."""
    url, first, count, target = sys.argv[1:]
    teams = range(int(first), int(first) + int(count))
    tags = [tag for number in teams for tag in name_tags("docker-dev", f"team-{number}", 1000)]
    promotions = to_repository(tags, target)
    before = _peak()
    begun = time.perf_counter()
    asyncio.run(_promote(settings_of(url), promotions))
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "before": before, "peak": _peak()}))


def settings_of(url: str) -> ServerSettings:
    """Return how a sandbox of the benchmarks is reached.

    :param url: its base URL.
    """
    return ServerSettings(base_url=url, authentication=Basic("admin", "password"))


async def _promote(settings: ServerSettings, promotions: Sequence[tuple[ImageReference, ImageReference]]) -> None:
    async with ArtifactoryClient(settings) as client:
        for start in range(0, len(promotions), CHUNK):
            await promote_chunk(client, make_promotions(promotions[start : start + CHUNK], PromotionOptions()))


async def promote_chunk(client: ArtifactoryClient, batch: Sequence[Promotion]) -> None:
    """Promote a batch of which nothing may fail.

    :raises RuntimeError: when something does.
    """
    failures = (await promote_many(client, batch)).failures
    if failures:
        raise RuntimeError(
            f"{len(failures)} promotions failed, such as that to {failures[0].target}: {failures[0].error}"
        )


def _peak() -> int:
    """Return the most memory that this process has held, in bytes.

    `getrusage` would tell of the process that started it, too (getrusage(2), `ru_maxrss`).
    """
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
