"""Images up two stages in a real Airflow: a fleet beside a chain, fleets of different sizes, and one that waits."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from demo.home import PROJECT

from artifactory_provider.artifactory.references import ImageReference
from benchmarks.airflow_runs import airflow
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_least, at_most, told
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import pass_tests, store_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.airflow_runs import Runs
    from benchmarks.registries import Registry

_DAG = PROJECT / "benchmarks" / "dags" / "pipeline_of_its_name.py"
_CHAIN, _FEW, _MANY, _MOST = ("chain", 40), ("fleet", 500), ("fleet", 1000), ("fleet", 5000)
_WAITING = ("waiting", 1000)
_VS_CHAIN, _LINEAR = 25, 11
_INTERVAL, _INTERVALS = 5.0, 6
"""Seconds between two looks of the DAGs' pipelines, and how many looks are watched."""


def measure() -> Iterator[Result]:
    """Run a chain of 40 images and fleets of 500, 1,000 and 5,000 in one Airflow on one sandbox; then let one wait."""
    runs_of = (_CHAIN, _FEW, _MANY, _MOST)
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        with opened(data) as service:
            for mode, count in runs_of:
                store_tags(service, _name_images("docker-dev", mode, count))
            pass_tests(service)
            store_tags(service, _name_images("docker-dev", *_WAITING))
        files = [Path(shutil.copy(_DAG, Path(root, f"{mode}_{count}.py"))) for mode, count in (*runs_of, _WAITING)]
        with sandbox(data) as server, airflow(files, server) as runs:
            took = {one: _run(runs, server, *one) for one in runs_of}
            yield from _wait(runs, server)
    for (mode, count), (seconds, requests) in took.items():
        yield told(f"{mode}_{count}", seconds / count * 1000, "ms an image")
        yield told(f"{mode}_{count}_requests", requests / count, "requests an image")
    chain, few, many, most = (took[one] for one in runs_of)
    yield at_least("fleet_vs_chain", (chain[0] / _CHAIN[1]) / (many[0] / _MANY[1]), _VS_CHAIN)
    yield at_most("fleet_linear", most[0] / few[0], _LINEAR)
    yield at_most("fleet_linear_requests", most[1] / few[1], _LINEAR)


def _run(runs: Runs, server: Registry, mode: str, count: int) -> tuple[float, int]:
    """Return the seconds from a run's start to its end, and the requests that the registry has answered."""
    before = _answered(server)
    seconds = runs.measure(f"{mode}_{count}", {}, longest=1200)
    with closing(server.connect()) as connection:
        requests = connection.answered() - before
        for image in _name_images("docker-prod", mode, count):
            status, _, _ = connection.request("HEAD", f"/v2/docker-prod/{image.image}/manifests/{image.tag}")
            if status != 200:
                raise RuntimeError(f"{image} was not promoted: HEAD answered {status}")
    return seconds, requests


def _wait(runs: Runs, server: Registry) -> Iterator[Result]:
    """Let a fleet wait for verdicts that do not come."""
    mode, count = _WAITING
    with runs.waiting(f"{mode}_{count}", longest=120) as count_working:
        time.sleep(2 * _INTERVAL)
        begun, before, most = time.monotonic(), _answered(server), 0
        while time.monotonic() < begun + _INTERVALS * _INTERVAL:
            most = max(most, count_working())
            time.sleep(0.2)
        requests = (_answered(server) - before) / round((time.monotonic() - begun) / _INTERVAL)
    if not requests:
        raise RuntimeError("nobody has looked for verdicts")
    yield at_most(f"fleet_waiting_{count}", requests, 12, "requests an interval")
    yield at_most(f"fleet_waiting_{count}_slots", most, 0, "slots of workers")


def _answered(server: Registry) -> int:
    with closing(server.connect()) as connection:
        return connection.answered()


def _name_images(repository: str, mode: str, count: int) -> list[ImageReference]:
    return [ImageReference(repository, f"{mode}_{count}/app-{number:04}", "1.0.0") for number in range(count)]
