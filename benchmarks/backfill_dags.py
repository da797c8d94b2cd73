"""A backfill's DAG beside the one that a team writes first, in a real Airflow: seconds a tag, start to end of a run."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from demo.home import PROJECT

from benchmarks.airflow_runs import airflow
from benchmarks.registries import sandbox
from benchmarks.result import Result, at_least, told
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import name_tags, store_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.airflow_runs import Runs
    from benchmarks.registries import Registry

_NAIVE = 200
_PROMISES = {1_000: 15, 10_000: 50}
_SOURCE = "docker-dev"
_DAGS = (PROJECT / "benchmarks" / "dags" / "naive_backfill.py", PROJECT / "dags" / "retag_backfill.py")


def measure() -> Iterator[Result]:
    """Run both DAGs in one Airflow on one sandbox, the naive one first."""
    with tempfile.TemporaryDirectory() as root:
        data = Path(root, "sandbox")
        with opened(data) as service:
            store_tags(service, name_tags(_SOURCE, "naive", _NAIVE))
            for count in _PROMISES:
                store_tags(service, name_tags(_SOURCE, f"batch-{count}", count))
        with sandbox(data) as server, airflow(_DAGS, server) as runs:
            naive = _naive(runs)
            yield told("naive_dag_200", naive * 1000, "ms a tag")
            for count, promise in _PROMISES.items():
                seconds = _batch(runs, server, count)
                yield told(f"backfill_dag_{count}", seconds * 1000, "ms a tag")
                yield at_least(f"backfill_vs_naive_{count}", naive / seconds, promise)


def _naive(runs: Runs) -> float:
    tags = [f"{tag.image}:{tag.tag}" for tag in name_tags(_SOURCE, "naive", _NAIVE)]
    return runs.measure("naive_backfill", {"tags": tags}, longest=600) / _NAIVE


def _batch(runs: Runs, server: Registry, count: int) -> float:
    """Run the form as it stands, but for which tags are meant, how many they are, and that they are promoted."""
    form = {"images": [f"batch-{count}/*"], "largest": count, "dry_run": False}
    seconds = runs.measure("retag_backfill", form, longest=1800) / count
    with closing(server.connect()) as connection:
        for tag in name_tags("docker-qa", f"batch-{count}", count):
            status, _, _ = connection.request("HEAD", f"/v2/docker-qa/{tag.image}/manifests/{tag.tag}")
            if status != 200:
                raise RuntimeError(f"{tag} was not promoted: HEAD answered {status}")
    return seconds
