"""The board of 5,000 images in 4 stages in a real Airflow: beside the bare listing that it needs, and for 20 people."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from demo.home import PROJECT

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.board.survey import survey
from artifactory_provider.pipelines import read_pipeline
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import make_image
from artifactory_sandbox.seeding import store_image, write_contents
from benchmarks.airflow_runs import airflow
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_most, told
from benchmarks.sandbox_promotions import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.pipelines import Pipeline
    from artifactory_sandbox.service import Service
    from benchmarks.registries import Registry

_DAG = PROJECT / "benchmarks" / "dags" / "board_ladder.py"
_PIPELINE = """
images: ["team-*"]
mode: fleet
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - {name: qa, repository: docker-qa, checks: [{property: qa.test.status}]}
  - {name: staging, repository: docker-staging, checks: [{property: staging.test.status}]}
  - {name: prod, repository: docker-prod}
"""
_IMAGES, _STAGES = 5000, ("docker-dev", "docker-qa", "docker-staging", "docker-prod")
_VERSIONS = 97
"""Images have versions of their own: what is learnt of one set of tags helps few others."""
_A_TRANSACTION = 500
_ROUNDS, _VIEWERS = 3, 20
_BETWEEN_LOOKS = 6.0
"""Seconds: the board lets the registry be looked at anew every five."""
_BETWEEN_QUESTIONS = 0.15
_BOARD = "/artifactory/board.json"
_RECORD = {
    "source": "docker-dev/image:tag",
    "time": "2026-11-01T02:00:00+00:00",
    "run": "0123456789ab",
    "replaced": "none",
    "attachments": "0",
    "verdicts": "test.status is 'passed'.",
}


def measure() -> Iterator[Result]:
    """Look at the board again and again, each time beside a bare listing; then let 20 look at the same time."""
    with tempfile.TemporaryDirectory() as root:
        data, pipeline = Path(root, "sandbox"), Path(root, f"{_DAG.stem}.yaml")
        pipeline.write_text(_PIPELINE)
        with opened(data) as service:
            _fill(service)
        with sandbox(data) as server, airflow([_DAG], server, pipelines=[pipeline]) as runs:
            headers = {"Authorization": f"Bearer {runs.api.log_in()}"}
            with httpx.Client(base_url=runs.url, headers=headers, timeout=300, trust_env=False) as viewer:
                yield from _measure(server, viewer, read_pipeline(_PIPELINE, name=_DAG.stem))


def _measure(server: Registry, viewer: httpx.Client, ladder: Pipeline) -> Iterator[Result]:
    bare, first = [], []
    requests = 0
    for number in range(_ROUNDS):
        bare.append(_list(server, ladder))
        before = _asked(server)
        first.append(_look(viewer, refresh=number > 0))
        requests = _asked(server) - before
        time.sleep(_BETWEEN_LOOKS)
    seconds = statistics.median(first)
    yield told("board_first_ms", seconds * 1000, f"ms for {_IMAGES:,} images in {len(_STAGES)} stages")
    yield at_most("board_first", seconds / statistics.median(bare), 1.5)
    yield at_most("board_requests", requests / (_IMAGES * len(_STAGES) / 1000), 1.1, "AQL requests a 1,000 items")
    yield at_most("board_again", _look_together(viewer) / seconds, 0.05)
    yield at_most("board_page_bytes", _size(viewer) / 1000, 150, "kB of the first view, compressed")


def _list(server: Registry, ladder: Pipeline) -> float:
    """Return the seconds that the bare listing takes."""
    settings = ServerSettings(
        base_url=f"http://127.0.0.1:{server.port}/artifactory", authentication=Basic("admin", "password")
    )

    async def read() -> int:
        async with ArtifactoryClient(settings) as client:
            found, failed = await survey(client, [ladder])
        if failed:
            raise RuntimeError(str(failed))
        return sum(map(len, found.values()))

    begun = time.monotonic()
    count = asyncio.run(read())
    if count != _IMAGES * len(_STAGES):
        raise RuntimeError(f"{count} tags were listed")
    return time.monotonic() - begun


def _look(viewer: httpx.Client, *, refresh: bool) -> float:
    """Return the seconds from the question to the board's JSON, looked at anew."""
    begun = time.monotonic()
    board = viewer.get(_BOARD, params={"refresh": refresh}).raise_for_status().json()
    while board["is_refreshing"]:
        time.sleep(_BETWEEN_QUESTIONS)
        board = viewer.get(_BOARD, params={"limit": 1}).raise_for_status().json()
    if board["trouble"] or board["found"] != _IMAGES or board["counts"]["drift"]:
        raise RuntimeError(f"the board says {board['trouble']}: {board['found']} rows, {board['counts']}")
    board = viewer.get(_BOARD).raise_for_status().json()
    return time.monotonic() - begun


def _look_together(viewer: httpx.Client) -> float:
    """Return the seconds that the slowest of all viewers waits."""

    def look(_: int) -> float:
        begun = time.monotonic()
        viewer.get(_BOARD).raise_for_status()
        return time.monotonic() - begun

    with ThreadPoolExecutor(_VIEWERS) as pool:
        list(pool.map(look, range(_VIEWERS)))  # connections are made
        return max(pool.map(look, range(_VIEWERS)))


def _size(viewer: httpx.Client) -> int:
    with viewer.stream("GET", _BOARD, headers={"Accept-Encoding": "gzip"}) as answer:
        if answer.headers.get("Content-Encoding") != "gzip":
            raise RuntimeError("the answer is not compressed")
        return sum(map(len, answer.iter_raw()))


def _asked(server: Registry) -> int:
    with closing(server.connect()) as connection:
        return connection.answered("search")


def _fill(service: Service) -> None:
    """Store each image in each stage: the newer one in the first two, the older one in the last two, as promoted."""
    for start in range(0, _IMAGES, _A_TRANSACTION):
        numbers = range(start, min(start + _A_TRANSACTION, _IMAGES))
        made = {(number, tag): make_image(f"app-{number}:{tag}") for number in numbers for tag in _tags_of(number)}
        for image in made.values():
            write_contents(service, image)
        with service.database.writing() as tx:
            for number in numbers:
                for level, repository in enumerate(_STAGES):
                    tag = _tags_of(number)[level // 2]
                    place = Place(repository, f"team-{number % 40:02}/app-{number:04}")
                    store_image(tx, service, place, tag, made[number, tag], stamp("ci"))
    with service.database.writing() as tx:
        manifests = tx.execute(
            "SELECT id, repository, path, digest FROM items WHERE kind = 'manifest' AND repository <> 'docker-dev'"
        ).fetchall()
        tx.executemany(
            "INSERT INTO properties (item, key, value) VALUES (?, ?, ?)",
            (
                (item, f"promotion.{name}", value)
                for item, repository, path, digest in manifests
                for name, value in {
                    **_RECORD,
                    "digest": digest,
                    "target": ":".join(f"{repository}/{path}".rsplit("/", 1)),
                }.items()
            ),
        )


def _tags_of(number: int) -> tuple[str, str]:
    """Return the newer and the older tag of an image."""
    major, minor = divmod(number, _VERSIONS)
    return f"{major}.{minor + 1}.0", f"{major}.{minor}.0"
