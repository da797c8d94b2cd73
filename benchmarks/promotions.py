"""What one safe promotion costs beside the bare request that it is made of: in requests, and in time."""

from __future__ import annotations

import asyncio
import datetime
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.policy import Policy, Stop, StopOrder, TargetPatterns, read_policy
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.decisions import hold, reject
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion, PromotionOptions, make_promotions
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import PLATFORMS, make_image
from artifactory_sandbox.seeding import store_image, write_contents
from benchmarks.policies import make_document
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_most
from benchmarks.sandbox_promotions import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from artifactory_provider.promotion.request import Attachments
    from artifactory_provider.promotion.rules import Change, Refusal, Rules
    from benchmarks.registries import Connection

_ROUNDS = 100
_IMAGE = "payments/api"


@dataclass(frozen=True)
class _Way:
    """One way to promote.

    :param name: the row's name.
    :param bound: the most requests.
    """

    name: str
    bound: int
    two_phase: bool
    attachments: Attachments

    def promotion(self, number: int) -> Promotion:
        """Return a promotion of a tag that no other one promotes."""
        source, target = _pair(f"{self.name}-{number}")
        return Promotion(
            source=source,
            target=target,
            options=PromotionOptions(two_phase=self.two_phase, attachments=self.attachments),
        )


_WAYS = (
    _Way("single_requests_fast", 10, two_phase=False, attachments="all"),
    _Way("single_requests_two_phase", 14, two_phase=True, attachments="all"),
    _Way("single_requests_fast_plain", 4, two_phase=False, attachments="none"),
    _Way("single_requests_two_phase_plain", 7, two_phase=True, attachments="none"),
)
_BARE = "bare"
_RULED = ("without-rules", "with-rules")
_PLACES: dict[str, str | None] = {"direct": None, "through-transit": "docker-staging"}
"""Where images wait, by the name of the tags: in the target's repository, or in one between source and target."""


def measure() -> Iterator[Result]:
    """Count the requests of each way at the server, then time the default way beside the bare request by turns."""
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        _fill(data)
        with sandbox(data) as server, closing(server.connect()) as connection:
            settings = ServerSettings(
                base_url=f"http://127.0.0.1:{server.port}/artifactory", authentication=Basic("admin", "password")
            )
            for way in _WAYS:
                before = connection.answered()
                asyncio.run(_promote_one(settings, way.promotion(0)))
                yield at_most(way.name, connection.answered() - before, way.bound, "requests")
            yield at_most("transit_requests", _transit_ratio(settings, connection), 1.05)
            yield at_most("policy_requests", _policy_requests(settings, connection), 0.05, "requests more a tag")
            whole, bare = asyncio.run(_times(settings))
            yield at_most("single_time_vs_post", whole / bare, 6.5)


def _transit_ratio(settings: ServerSettings, connection: Connection) -> float:
    """Return how many requests promotions make through a transit repository over those without: one, or many at once.

    The worse of both is returned.
    """
    ratios = []
    for numbers in (range(1), range(1, _ROUNDS)):
        counts = []
        for name, repository in _PLACES.items():
            options = PromotionOptions(pending_repository=repository)
            before = connection.answered()
            asyncio.run(_promote_all(settings, [_pair(f"{name}-{number}") for number in numbers], options))
            counts.append(connection.answered() - before)
        direct, through_transit = counts
        ratios.append(through_transit / direct)
    return max(ratios)


def _policy_requests(settings: ServerSettings, connection: Connection) -> float:
    """Return how many requests more a tag promotions make under a policy, a stop, holds and rejections.

    The worse of one promotion and of many at once is returned; how many looks of many are joined is chance, and a few
    hundredths of a request a tag. The rules are those of others, and let all through.
    """
    more = []
    for numbers in (range(1), range(1, _ROUNDS)):
        counts = []
        for name in _RULED:
            pairs = [_pair(f"{name}-{number}") for number in numbers]
            rules = asyncio.run(_set_rules(settings, pairs)) if name == _RULED[1] else None
            before = connection.answered()
            asyncio.run(_promote_all(settings, pairs, PromotionOptions(), rules))
            counts.append(connection.answered() - before)
        without, ruled = counts
        more.append((ruled - without) / len(numbers))
    return max(more)


async def _set_rules(settings: ServerSettings, pairs: list[tuple[ImageReference, ImageReference]]) -> Rules:
    """Hold some source tags, reject a digest, and return a policy of 200 rules and a stop, all about other targets."""
    async with ArtifactoryClient(settings) as client:
        for source, _ in pairs[::10]:
            await hold(client, source, reason="stays", by="bench")
        await reject(client, _pair("rejected-0")[0], reason="wrong", by="bench")
    order = StopOrder(
        reason="elsewhere",
        by="bench",
        since=datetime.datetime.now(datetime.UTC),
        targets=TargetPatterns(repositories=Patterns(("docker-other",))),
    )
    return _Rules(read_policy(make_document()), Stop((order,)))


@dataclass(frozen=True)
class _Rules:
    """A policy and a stop, as a rollback asks them, which neither names."""

    policy: Policy
    stop: Stop

    async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
        now = datetime.datetime.now(datetime.UTC)
        return [
            self.stop.refuse(change, origin="rollback", at=now) or self.policy.refuse(change, origin="rollback", at=now)
            for change in changes
        ]


def _pair(tag: str) -> tuple[ImageReference, ImageReference]:
    return ImageReference("docker-dev", _IMAGE, tag), ImageReference("docker-qa", _IMAGE, tag)


async def _promote_all(
    settings: ServerSettings,
    pairs: list[tuple[ImageReference, ImageReference]],
    options: PromotionOptions,
    rules: Rules | None = None,
) -> None:
    promotions = make_promotions(pairs, options)
    async with ArtifactoryClient(settings) as client:
        if len(promotions) == 1:
            await promote(client, promotions[0], rules=rules)
        elif failures := (await promote_many(client, promotions, rules=rules)).failures:
            raise RuntimeError(str(failures[0].error))


async def _promote_one(settings: ServerSettings, promotion: Promotion) -> None:
    async with ArtifactoryClient(settings) as client:
        await promote(client, promotion)


async def _times(settings: ServerSettings) -> tuple[float, float]:
    """Return the median seconds of a promotion in two phases with its attachments looked for, and of a bare request."""
    way = _WAYS[1]
    whole, bare = [], []
    async with ArtifactoryClient(settings) as client:
        for number in range(1, _ROUNDS):
            begun = time.perf_counter()
            await promote(client, way.promotion(number))
            whole.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await client.promote(*_pair(f"{_BARE}-{number}"), copy=True)
            bare.append(time.perf_counter() - begun)
    return statistics.median(whole), statistics.median(bare)


def _fill(data: Path) -> None:
    """Store unsigned two-platform images: one tag and digest for each promotion."""
    with opened(data) as service:
        for name in (*(way.name for way in _WAYS), *_PLACES, *_RULED, "rejected", _BARE):
            for number in range(_ROUNDS):
                image = make_image(f"{name}-{number}", platforms=PLATFORMS)
                write_contents(service, image)
                with service.database.writing() as tx:
                    store_image(tx, service, Place("docker-dev", _IMAGE), f"{name}-{number}", image, stamp("admin"))
