"""Backfills without Airflow: requests a tag, time and memory as tags grow, the engine beside what else promotes."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.planner import make_plan
from artifactory_provider.promotion.request import PromotionOptions, make_promotions
from benchmarks import bare_posts, skopeo_copies
from benchmarks.backfill_process import CHUNK, promote_chunk, settings_of
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_least, at_most, missing, told
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import name_tags, store_tags, to_repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.request import Attachments
    from benchmarks.registries import Registry

_THOUSAND, _TEAMS = 1_000, 10
_CHILDREN = 2
_SIGNATURES = 1
_ROUNDS = 3
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class _Way:
    """How a batch promotes."""

    two_phase: bool = True
    attachments: Attachments = "all"
    property_prefix: str | None = None


@dataclass(frozen=True)
class _Run:
    """What a backfill in a process of its own has cost.

    :param before: the most memory that the process had held before it began, in bytes.
    :param peak: and at its end.
    """

    seconds: float
    before: int
    peak: int
    requests: int


_FAST = _Way(two_phase=False, attachments="tags")
_TWO_PHASE = _Way(attachments="tags")
_FAST_WITH_REFERRERS = _Way(two_phase=False)
_DEFAULT = _Way(property_prefix="promotion")
_UNRECORDED = _Way()


def measure() -> Iterator[Result]:
    """Measure all in one sandbox: a thousand signed images, and ten times a thousand without signatures."""
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        with opened(data) as service:
            store_tags(service, _tags("signed"), signed=True)
            for number in range(_TEAMS):
                store_tags(service, _tags(f"team-{number}"))
        with sandbox(data) as server:
            yield from _requests_a_tag(server)
            yield from _growth(server)
            yield from _requests_for_nothing(server)
            yield from _beside_bare_posts(server)
            yield _beside_skopeo(server)


def _requests_a_tag(server: Registry) -> Iterator[Result]:
    """Count requests; each signature is a tag that is promoted, too."""
    tags, unsigned = _tags("signed"), _tags("team-9")
    unit = "requests a tag, signatures are tags"
    fast = _counted(server, tags, "docker-qa", _FAST)
    yield at_most("requests_per_tag", fast / (2 * len(tags)), 1.1, unit)
    safe = _counted(server, tags, "docker-prod", _TWO_PHASE)
    yield at_most("requests_per_tag_two_phase", safe / (2 * len(tags)), 2.2, unit)
    plain = _counted(server, unsigned, "docker-qa", _FAST)
    yield at_most("requests_per_tag_unsigned", plain / len(unsigned), 1.1, "requests a tag")
    plain = _counted(server, unsigned, "docker-prod", _TWO_PHASE)
    yield at_most("requests_per_tag_two_phase_unsigned", plain / len(unsigned), 2.2, "requests a tag")
    yield from _for_referrers(server, tags, fast)


def _for_referrers(server: Registry, tags: list[ImageReference], without: int) -> Iterator[Result]:
    """Look for the referrers of indexes, children and signatures: besides the look-ups, each index is read."""
    digests = len(tags) * (1 + _CHILDREN + _SIGNATURES)
    looked_up = _answered(server, "list_referrers")
    requests = _counted(server, tags, "docker-staging", _FAST_WITH_REFERRERS)
    looked_up = _answered(server, "list_referrers") - looked_up
    yield at_most(
        "referrer_lookups_per_digest", looked_up / digests, 1, "look-ups a digest of an index, child or signature"
    )
    yield told("requests_per_digest_referrers", (requests - without) / digests, "requests more a digest, with reading")


def _growth(server: Registry) -> Iterator[Result]:
    """Promote ten thousand tags with the operator's defaults, and a thousand before and after it, in new processes."""
    before = _in_new_process(server, 0, 1, "docker-qa")
    many = _in_new_process(server, 0, _TEAMS, "docker-staging")
    few = [before, _in_new_process(server, 1, 1, "docker-qa")]
    yield told("engine_defaults", _TEAMS * _THOUSAND / many.seconds, "tags a second")
    yield at_most("linear_time", many.seconds / statistics.mean(one.seconds for one in few), 11)
    yield at_most("linear_requests", many.requests / statistics.mean(one.requests for one in few), 10.5)
    yield at_most("linear_memory", many.peak / statistics.mean(one.peak for one in few), 1.5)
    yield told("linear_memory_grown", (many.peak - many.before) / _MEBIBYTE, "MiB, while 10,000 are promoted")


def _requests_for_nothing(server: Registry) -> Iterator[Result]:
    yield at_most("noop_requests_1000", _planned(server, "signed/*", "docker-qa"), 6, "requests, all signed")
    yield at_most("noop_requests_10000", _planned(server, "team-*", "docker-staging"), 60, "requests")


def _beside_bare_posts(server: Registry) -> Iterator[Result]:
    """Find out at what concurrency bare requests are fastest, then take turns."""
    promotions = to_repository(_tags("team-1"), "docker-prod")
    part = len(promotions) // len(bare_posts.AT_ONCE)
    speeds = {
        at_once: asyncio.run(bare_posts.post_all(_url(server), promotions[n * part : (n + 1) * part], at_once))
        for n, at_once in enumerate(bare_posts.AT_ONCE)
    }
    best = max(speeds, key=lambda at_once: speeds[at_once])
    fast, unrecorded, defaults, bare = [], [], [], []
    for number in range(_ROUNDS):
        ours, theirs = _tags(f"team-{2 + 2 * number}"), _tags(f"team-{3 + 2 * number}")
        fast.append(_speed(server, ours, "docker-prod", _FAST))
        defaults.append(_speed(server, ours, "docker-qa", _DEFAULT))
        unrecorded.append(_speed(server, theirs, "docker-qa", _UNRECORDED))
        bare.append(asyncio.run(bare_posts.post_all(_url(server), to_repository(theirs, "docker-prod"), best)))
    yield told("bare_post", statistics.median(bare), f"a second, {best} at once")
    yield at_least("engine_vs_bare_post", statistics.median(fast) / statistics.median(bare), 0.8)
    yield at_least("engine_unrecorded_vs_bare_post", statistics.median(unrecorded) / statistics.median(bare), 0.38)
    yield at_least("engine_defaults_vs_bare_post", statistics.median(defaults) / statistics.median(bare), 0.3)


def _beside_skopeo(server: Registry) -> Result:
    """Let skopeo copy 200 images at the concurrency that suits it best; the engine has all its defaults."""
    if not skopeo_copies.has_skopeo():
        return missing("vs_skopeo", "skopeo is not installed", "> 1")
    promotions, part = to_repository(_tags("team-8"), "docker-prod"), 20
    parts = [promotions[start : start + part] for start in range(0, part * len(skopeo_copies.AT_ONCE), part)]
    speeds = {
        at_once: skopeo_copies.copy_all(server.port, some, at_once)
        for at_once, some in zip(skopeo_copies.AT_ONCE, parts, strict=True)
    }
    best = max(speeds, key=lambda at_once: speeds[at_once])
    theirs = skopeo_copies.copy_all(server.port, promotions[-200:], best)
    ours = _speed(server, [source for source, _ in promotions[-400:-200]], "docker-prod", _DEFAULT)
    return at_least("vs_skopeo", ours / theirs, 1, f"ratio, {best} copies at once")


def _speed(server: Registry, tags: list[ImageReference], target: str, way: _Way) -> float:
    begun = time.perf_counter()
    asyncio.run(_promote(server, tags, target, way))
    return len(tags) / (time.perf_counter() - begun)


def _counted(server: Registry, tags: list[ImageReference], target: str, way: _Way) -> int:
    before = _answered(server)
    asyncio.run(_promote(server, tags, target, way))
    return _answered(server) - before


async def _promote(server: Registry, tags: list[ImageReference], target: str, way: _Way) -> None:
    promotions = to_repository(tags, target)
    async with ArtifactoryClient(settings_of(_url(server))) as client:
        for start in range(0, len(promotions), CHUNK):
            part = promotions[start : start + CHUNK]
            options = PromotionOptions(
                two_phase=way.two_phase, attachments=way.attachments, property_prefix=way.property_prefix
            )
            await promote_chunk(client, make_promotions(part, options))


def _in_new_process(server: Registry, first: int, count: int, target: str) -> _Run:
    answered = _answered(server)
    line = [sys.executable, "-m", "benchmarks.backfill_process", _url(server), str(first), str(count), target]
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return _Run(**json.loads(done.stdout), requests=_answered(server) - answered)


def _planned(server: Registry, images: str, target: str) -> int:
    """Make the plan of a backfill that has nothing left to do, and count its requests."""
    criteria = TagCriteria(repositories=("docker-dev",), images=Patterns((images,)), tags=Patterns())

    async def plan() -> dict[str, int]:
        async with ArtifactoryClient(settings_of(_url(server))) as client:
            return (await make_plan(client, criteria, target_repository=target)).counts

    before = _answered(server)
    counts = asyncio.run(plan())
    if counts["unchanged"] % _THOUSAND or sum(counts.values()) != counts["unchanged"]:
        raise RuntimeError(f"there is something left to do: {counts}")
    return _answered(server) - before


def _tags(folder: str) -> list[ImageReference]:
    return name_tags("docker-dev", folder, _THOUSAND)


def _answered(server: Registry, *routes: str) -> int:
    with closing(server.connect()) as connection:
        return connection.answered(*routes)


def _url(server: Registry) -> str:
    return f"http://127.0.0.1:{server.port}/artifactory"
