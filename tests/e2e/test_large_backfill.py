"""The chunking DAG at 50,000 tags, in a real Airflow: planned and mapped, but not carried out."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from benchmarks.sandbox_promotions import opened
from tests.e2e.conftest import ENDED, decide, until

from artifactory_sandbox import layout
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import make_image
from artifactory_sandbox.seeding import store_image, write_contents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

SOURCE, TARGET, FOLDER = "docker-staging", "docker-prod", "large"
POOL = "artifactory_backfill"
IMAGES, TAGS = 50, 1000
PLANNED = IMAGES * TAGS
LARGEST_XCOM = 64 * 1024
LARGEST_MAP = 1024
LARGEST_MEMORY = 2**30


def test_fifty_thousand_tags_are_planned_and_mapped_within_airflows_limits(airflow: Airflow) -> None:
    _store(airflow)
    form: dict[str, Any] = {"repositories": [SOURCE], "images": [f"{FOLDER}/*"], "target_repository": TARGET}
    form |= {"largest": PLANNED, "dry_run": False, "approval": True}
    run_id = airflow.post("dags/retag_backfill/dagRuns", {"logical_date": None, "conf": form})["dag_run_id"]
    run = f"dags/retag_backfill/dagRuns/{run_id}"
    peak = _peak_of_plan(airflow, run)
    until(lambda: airflow.states(run).get("approve[None]") == "awaiting_input", seconds=120)
    assert (
        f"{PLANNED:,} promotions: {PLANNED:,} promote" in airflow.get(f"{run}/hitlDetails")["hitl_details"][0]["body"]
    )

    entries = f"{run}/taskInstances/plan/xcomEntries"
    keys = {entry["key"] for entry in airflow.pages(entries, "xcom_entries")}
    values = {key: airflow.get(f"{entries}/{key}", deserialize="true")["value"] for key in keys}
    sizes = {key: len(json.dumps(value)) for key, value in values.items()}
    chunks = values["return_value"]
    print(f"{len(chunks)} chunks; the largest XCom: {max(sizes.values())} bytes; the peak of memory: {peak >> 20} MiB")
    assert max(sizes.values()) < LARGEST_XCOM
    assert len(chunks) <= LARGEST_MAP
    assert sum(key.startswith("chunk_") for key in keys) == len(chunks)
    assert peak < LARGEST_MEMORY

    with _no_slots(airflow):
        decide(airflow, run, "Approve")
        until(lambda: len(_mapped(airflow, run)) == len(chunks), seconds=240)
        airflow.patch(run, {"state": "failed"})


def _mapped(airflow: Airflow, run: str) -> list[dict[str, Any]]:
    return [one for one in airflow.instances(run, "promote") if one["map_index"] >= 0]


@contextmanager
def _no_slots(airflow: Airflow) -> Iterator[None]:
    """Let nothing of a backfill run, so that what is mapped stays as it is."""
    found = airflow.get(f"pools/{POOL}")
    pool = {"pool": POOL, "description": found["description"], "include_deferred": found["include_deferred"]}
    airflow.patch(f"pools/{POOL}", pool | {"slots": 0})
    try:
        yield
    finally:
        airflow.patch(f"pools/{POOL}", pool | {"slots": found["slots"]})


def _store(airflow: Airflow) -> None:
    """Store images of a thousand tags each."""
    with opened(airflow.home.sandbox_data) as service:
        for number in range(IMAGES):
            image, place = make_image(f"large {number}"), Place(SOURCE, f"{FOLDER}/app-{number:02}")
            write_contents(service, image)
            with service.database.writing() as tx:
                store_image(tx, service, place, "1.0.0", image, stamp("seed"))
                item = layout.find_manifest(tx, place, "1.0.0")
                assert item is not None
                for tag in range(1, TAGS):
                    layout.retag(tx, place, item, f"1.{tag // 100}.{tag % 100}", stamp=stamp("seed"))


def _peak_of_plan(airflow: Airflow, run: str) -> int:
    """Wait for the task that plans, and return the most memory that its process was seen to hold, in bytes."""
    peak = 0

    def has_ended() -> bool:
        nonlocal peak
        [plan] = airflow.instances(run, "plan")
        if plan["state"] == "running" and plan["pid"] and psutil.pid_exists(plan["pid"]):
            peak = max(peak, psutil.Process(plan["pid"]).memory_info().rss)
        return plan["state"] in ENDED

    until(has_ended, seconds=300)
    [plan] = airflow.instances(run, "plan")
    assert plan["state"] == "success"
    assert peak > 0
    return peak
