"""A backfill of 2,000 tags in a real Airflow whose workers are killed with SIGKILL, ten times at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import name_tags, store_tags
from tests.e2e.conftest import ENDED, until
from tests.e2e.promotion_events import LAST, receiving

from artifactory_sandbox.sample_images import PLATFORMS, make_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Airflow
    from tests.e2e.promotion_events import Receiver

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

SOURCE, TARGET = "docker-staging", "docker-prod"
FOLDER = "killed"
TAGS, CHUNK, AT_ONCE = 2000, 200, 32
KILLS = 10
MOST_TRIES = 3


@pytest.fixture
def sandbox(airflow: Airflow) -> Iterator[httpx.Client]:
    """A client of the sandbox."""
    url = airflow.home.sandbox_url.removesuffix("/artifactory")
    with httpx.Client(base_url=url, auth=("admin", "password"), timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def receiver(sandbox: httpx.Client) -> Iterator[Receiver]:
    """Who is told of every promotion into the target repository."""
    with receiving(sandbox, TARGET) as receiver:
        yield receiver


def test_a_backfill_whose_workers_are_killed_ten_times_promotes_each_tag_once(
    airflow: Airflow, sandbox: httpx.Client, receiver: Receiver
) -> None:
    tags = name_tags(SOURCE, FOLDER, TAGS)
    with opened(airflow.home.sandbox_data) as service:
        store_tags(service, [*tags, LAST])
    form = {
        "repositories": [SOURCE],
        "images": [f"{FOLDER}/*"],
        "target_repository": TARGET,
        "largest": TAGS,
        "chunk_size": CHUNK,
        "at_once": AT_ONCE,
        "dry_run": False,
    }
    run_id = airflow.post("dags/retag_backfill/dagRuns", {"logical_date": None, "conf": form})["dag_run_id"]
    run = f"dags/retag_backfill/dagRuns/{run_id}"
    until(lambda: receiver.promoted.total() > 0, seconds=120)

    kills = _kill_at_random(airflow, run)
    until(lambda: airflow.get(run)["state"] in ENDED, seconds=400)
    receiver.wait_until_all_are_told()

    tries = Counter(instance["try_number"] for instance in _chunks(airflow, run))
    repeated = receiver.promoted.total() - len(receiver.promoted)
    print(
        f"{kills} kills; tries of the {TAGS // CHUNK} chunks: {dict(tries)}; {repeated} promotions to pending repeated"
    )
    assert kills == KILLS
    assert airflow.get(run)["state"] == "success", airflow.states(run)
    # A night may have begun meanwhile, which promotes images of its own.
    told = {place: count for place, count in receiver.final.items() if place[1].startswith(f"{FOLDER}/")}
    assert told == {(TARGET, tag.image, str(tag.tag)): 1 for tag in tags}
    assert _shown(sandbox) == {
        f"{tag.image}/{tag.tag}": make_image(str(tag), platforms=PLATFORMS).top.digest for tag in tags
    }


def _kill_at_random(airflow: Airflow, run: str) -> int:
    """Kill workers that promote, one after another, at moments that a seed decides; return how many."""
    chance, killed = random.Random(20), set[tuple[int, int]]()  # noqa: S311

    def kill_one() -> bool:
        running = [
            one
            for one in _chunks(airflow, run)
            if one["state"] == "running" and one["pid"] and one["try_number"] <= MOST_TRIES
        ]
        fresh = [one for one in running if (one["map_index"], one["try_number"]) not in killed]
        if fresh:
            victim = chance.choice(fresh)
            threading.Event().wait(chance.uniform(0, 1.5))
            with suppress(ProcessLookupError):
                os.kill(victim["pid"], signal.SIGKILL)
                killed.add((victim["map_index"], victim["try_number"]))
        return len(killed) == KILLS or airflow.get(run)["state"] in ENDED

    until(kill_one, seconds=300)
    return len(killed)


def _chunks(airflow: Airflow, run: str) -> list[dict[str, Any]]:
    return [one for one in airflow.instances(run, "promote") if one["map_index"] >= 0]


def _shown(sandbox: httpx.Client) -> dict[str, str]:
    """Return what all tags below the folder show in the target, pending ones included."""
    criteria = {"repo": TARGET, "path": {"$match": f"{FOLDER}/*"}, "name": "list.manifest.json"}
    query = f'items.find({json.dumps(criteria)}).include("path", "sha256")'
    answer = sandbox.post("/artifactory/api/search/aql", content=query, headers={"Content-Type": "text/plain"})
    return {item["path"]: f"sha256:{item['sha256']}" for item in answer.raise_for_status().json()["results"]}
