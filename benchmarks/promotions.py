"""What one safe promotion costs beside the bare request that it is made of: in requests, and in time."""

from __future__ import annotations

import asyncio
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
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import PLATFORMS, make_image
from artifactory_sandbox.seeding import store_image, write_contents
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_most
from benchmarks.sandbox_promotions import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.promotion.request import Attachments

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
        return Promotion(
            source=ImageReference("docker-dev", _IMAGE, f"{self.name}-{number}"),
            target=ImageReference("docker-qa", _IMAGE, f"{self.name}-{number}"),
            options=PromotionOptions(two_phase=self.two_phase, attachments=self.attachments),
        )


_WAYS = (
    _Way("single_requests_fast", 10, two_phase=False, attachments="all"),
    _Way("single_requests_two_phase", 14, two_phase=True, attachments="all"),
    _Way("single_requests_fast_plain", 4, two_phase=False, attachments="none"),
    _Way("single_requests_two_phase_plain", 7, two_phase=True, attachments="none"),
)
_BARE = "bare"


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
            whole, bare = asyncio.run(_times(settings))
            yield at_most("single_time_vs_post", whole / bare, 6.5)


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
            source, target = (ImageReference(key, _IMAGE, f"{_BARE}-{number}") for key in ("docker-dev", "docker-qa"))
            await client.promote(source, target, copy=True)
            bare.append(time.perf_counter() - begun)
    return statistics.median(whole), statistics.median(bare)


def _fill(data: Path) -> None:
    """Store unsigned two-platform images: one tag and digest for each promotion."""
    with opened(data) as service:
        for name in (*(way.name for way in _WAYS), _BARE):
            for number in range(_ROUNDS):
                image = make_image(f"{name}-{number}", platforms=PLATFORMS)
                write_contents(service, image)
                with service.database.writing() as tx:
                    store_image(tx, service, Place("docker-dev", _IMAGE), f"{name}-{number}", image, stamp("admin"))
