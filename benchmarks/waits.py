"""Thousands of waits in one triggerer, and gates before a bulk run: what they cost the server and the process."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.promotion import PromotionOptions, make_promotions, promote_many
from artifactory_provider.verification import Check, PropertyCheck, SignatureCheck, XrayCheck, verify
from artifactory_provider.verification.gate import promote_verified
from artifactory_sandbox.config import XrayFinding
from benchmarks.backfill_process import settings_of
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_least, at_most
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import name_tags, store_tags, to_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_sandbox.service import Service
    from benchmarks.registries import Registry

_WAITS, _NAIVE = 5_000, 100
_INTERVAL = 10.0
_KIBIBYTE = 1024
_OWN = "suite.status"
_WRITERS = 16
_GATED = 500


def measure() -> Iterator[Result]:
    """Let 5,000 triggers wait, count what they ask, then write all verdicts within one interval; and promote gated."""
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        with opened(data) as service:
            store_tags(service, name_tags("docker-dev", "waits", _WAITS))
            store_tags(service, name_tags("docker-dev", "gated", 2 * _GATED), signed=True)
            _tell_evidence(service)
        with sandbox(data) as server:
            yield from _waits(server)
            yield from _gates(server)


def _tell_evidence(service: Service) -> None:
    """Let the tests of the images that are to be gated have passed, and their scans be done."""
    service.xray.add((XrayFinding(artifact="docker-dev/gated/**", status="DONE"),))
    with service.database.writing() as tx:
        tx.execute(
            "INSERT INTO properties (item, key, value) SELECT id, 'test.status', 'passed' FROM items "
            "WHERE repository = 'docker-dev' AND path LIKE 'gated/%' AND name = 'list.manifest.json'"
        )


def _waits(server: Registry) -> Iterator[Result]:
    with _triggers(server) as (url, ask, answers):
        yield from _watch(server, url, ask, answers)
    with _triggers(server, _OWN) as (url, ask, answers):
        yield from _watch_distinct(server, url, ask, answers)


@contextmanager
def _triggers(server: Registry, *properties: str) -> Iterator[tuple[str, IO[str], IO[str]]]:
    """Run the process in which the triggers wait."""
    url = f"http://127.0.0.1:{server.port}/artifactory"
    connection = {"conn_type": "artifactory", "host": url, "login": "admin", "password": "password"}
    environment = {**os.environ, "AIRFLOW_CONN_ARTIFACTORY_DEFAULT": json.dumps(connection)}
    line = [sys.executable, "-m", "benchmarks.waits_process", str(_WAITS), str(_INTERVAL), *properties]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(line, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]  # noqa: S603
        try:
            yield url, process.stdin, process.stdout
        finally:
            process.kill()


def _watch(server: Registry, url: str, ask: IO[str], answers: IO[str]) -> Iterator[Result]:
    requests, steady = _wait(server, ask, answers)
    yield at_most("waits_5000_requests", requests, 12, "requests an interval")
    yield at_most("waits_5000_memory", steady["memory"] / _WAITS / _KIBIBYTE, 40, "KiB a wait")
    naive = asyncio.run(_ask_alone(server, url))
    yield at_least("waits_vs_naive", naive / (requests / _WAITS), 100)
    written = asyncio.run(_write_verdicts(url, lambda _: "test.status"))
    _send(ask)
    ended = _receive(answers)
    delays = sorted(ended["fired"][name] - at for name, at in written.items())
    yield at_most("waits_5000_step", ended["step"] * 1000, 100, "ms of CPU")
    yield at_most("waits_5000_delay", delays[int(len(delays) * 0.99)], _INTERVAL + 3, "s, 99th percentile")
    yield Result("waits_5000_delay_median", round(statistics.median(delays), 3), "s", None, holds=True)


def _watch_distinct(server: Registry, url: str, ask: IO[str], answers: IO[str]) -> Iterator[Result]:
    """Let each trigger wait for a property of its own."""
    requests, _ = _wait(server, ask, answers)
    asyncio.run(_write_verdicts(url, lambda number: f"{_OWN}-{number}"))
    _send(ask)
    ended = _receive(answers)
    yield at_most("waits_5000_distinct_requests", requests, 12, "requests an interval")
    yield at_most("waits_5000_distinct_step", ended["step"] * 1000, 100, "ms of CPU")


def _wait(server: Registry, ask: IO[str], answers: IO[str]) -> tuple[float, Any]:
    """Let all triggers begin to wait; return how many requests an interval then takes, and what the process tells."""
    _send(ask)
    time.sleep(2 * _INTERVAL)
    begun, answered = time.monotonic(), _answered(server)
    steady = _receive(answers)
    intervals = max(1.0, (time.monotonic() - begun) / _INTERVAL)
    return (_answered(server) - answered) / round(intervals), steady


def _gates(server: Registry) -> Iterator[Result]:
    """Promote signed images in bulk, with and without asking checks about each before."""
    tags = name_tags("docker-dev", "gated", 2 * _GATED)
    checks = [PropertyCheck(), SignatureCheck(), XrayCheck()]
    free = _promoted(server, tags[:_GATED], [])
    gated = _promoted(server, tags[_GATED:], checks[:2])
    yield at_most("gates_requests", gated / free, 1.1)
    free = _promoted(server, tags[:_GATED], [], target="docker-prod")
    gated = _promoted(server, tags[_GATED:], checks, target="docker-prod")
    # Xray tells how far a scan is of one manifest at a time: of an index and of each manifest in it.
    yield at_most("gates_requests_xray", gated / free, 1.5)


def _promoted(server: Registry, tags: list[ImageReference], checks: list[Check], *, target: str = "docker-qa") -> int:
    """Promote with all defaults, and return how many requests that took."""
    promotions = make_promotions(to_repository(tags, target), PromotionOptions())

    async def promote() -> None:
        async with ArtifactoryClient(settings_of(f"http://127.0.0.1:{server.port}/artifactory")) as client:
            work = promote_verified(client, promotions, checks) if checks else promote_many(client, promotions)
            if failures := (await work).failures:
                raise RuntimeError(f"{failures[0].source} was not promoted: {failures[0].reason}")

    before = _answered(server)
    asyncio.run(promote())
    return _answered(server) - before


async def _ask_alone(server: Registry, url: str) -> float:
    """Return how many requests a wait needs for each look when it asks by itself."""
    before = _answered(server)
    async with ArtifactoryClient(settings_of(url)) as client:
        for tag in name_tags("docker-dev", "waits", _NAIVE):
            await verify(client, tag, [PropertyCheck()])
    return (_answered(server) - before) / _NAIVE


async def _write_verdicts(url: str, name_of: Callable[[int], str]) -> dict[str, float]:
    """Let all tests end within one interval; return when each verdict was written."""
    written: dict[str, float] = {}
    left = iter(enumerate(name_tags("docker-dev", "waits", _WAITS)))

    async def write(client: ArtifactoryClient) -> None:
        for number, tag in left:
            path = f"docker-dev/{tag.image}/{tag.tag}/list.manifest.json"
            await client.set_properties(path, {name_of(number): "passed"})
            written[str(tag)] = time.time()

    begun = time.monotonic()
    async with ArtifactoryClient(settings_of(url)) as client:
        await asyncio.gather(*(write(client) for _ in range(_WRITERS)))
    if time.monotonic() - begun > _INTERVAL:
        raise RuntimeError(f"{_WAITS} verdicts took longer than an interval to write")
    return written


def _answered(server: Registry) -> int:
    with closing(server.connect()) as connection:
        return connection.answered()


def _send(ask: IO[str]) -> None:
    ask.write("\n")
    ask.flush()


def _receive(answers: IO[str]) -> Any:
    return json.loads(answers.readline())
