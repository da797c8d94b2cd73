"""A backfill of 2,000 tags in a real Airflow whose workers are killed with SIGKILL, ten times at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import name_tags, store_tags
from tests.e2e.conftest import ENDED, until

from artifactory_provider.artifactory.references import ImageReference
from artifactory_sandbox.sample_images import PLATFORMS, make_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

SOURCE, TARGET = "docker-staging", "docker-prod"
FOLDER = "killed"
TAGS, CHUNK, AT_ONCE = 2000, 200, 32
KILLS = 10
MOST_TRIES = 3
SUBSCRIPTIONS = "/event/api/v1/subscriptions"
LAST = ImageReference(SOURCE, "last/image", "1")


class Receiver(ThreadingHTTPServer):
    """Hears of every promotion that the sandbox has made: repository, image and tag of its target."""

    daemon_threads = True

    def __init__(self) -> None:
        self.promoted: Counter[tuple[str, str, str]] = Counter()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        assert isinstance(self.server, Receiver)
        self.server.promoted[data["repo_key"], data["image_name"], data["tag"]] += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def sandbox(airflow: Airflow) -> Iterator[httpx.Client]:
    """A client of the sandbox."""
    url = airflow.home.sandbox_url.removesuffix("/artifactory")
    with httpx.Client(base_url=url, auth=("admin", "password"), timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def receiver(sandbox: httpx.Client) -> Iterator[Receiver]:
    """Who is told of every promotion into the target repository."""
    with Receiver() as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        subscription = {
            "key": "killed-backfill",
            "enabled": True,
            "event_filter": {"domain": "docker", "event_types": ["promoted"], "criteria": {"repoKeys": [TARGET]}},
            "handlers": [{"handler_type": "webhook", "url": f"http://127.0.0.1:{receiver.server_port}/"}],
        }
        sandbox.post(SUBSCRIPTIONS, json=subscription).raise_for_status()
        yield receiver
        sandbox.delete(f"{SUBSCRIPTIONS}/killed-backfill")
        receiver.shutdown()


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
    _wait_for_last_event(sandbox, receiver)

    tries = Counter(instance["try_number"] for instance in _chunks(airflow, run))
    final = {key: count for key, count in receiver.promoted.items() if not key[2].startswith("pending-")}
    repeated = receiver.promoted.total() - len(receiver.promoted)
    print(
        f"{kills} kills; tries of the {TAGS // CHUNK} chunks: {dict(tries)}; {repeated} promotions to pending repeated"
    )
    assert kills == KILLS
    assert airflow.get(run)["state"] == "success", airflow.states(run)
    assert final == {(TARGET, tag.image, str(tag.tag)): 1 for tag in tags}
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


def _wait_for_last_event(sandbox: httpx.Client, receiver: Receiver) -> None:
    """Events are told in their order: once that of one more promotion has come, all have."""
    body = {"targetRepo": TARGET, "dockerRepository": LAST.image, "tag": LAST.tag, "copy": True}
    sandbox.post(f"/artifactory/api/docker/{SOURCE}/v2/promote", json=body).raise_for_status()
    until(lambda: receiver.promoted[TARGET, LAST.image, str(LAST.tag)] == 1, seconds=120)
    del receiver.promoted[TARGET, LAST.image, str(LAST.tag)]


def _shown(sandbox: httpx.Client) -> dict[str, str]:
    """Return what all tags below the folder show in the target, pending ones included."""
    criteria = {"repo": TARGET, "path": {"$match": f"{FOLDER}/*"}, "name": "list.manifest.json"}
    query = f'items.find({json.dumps(criteria)}).include("path", "sha256")'
    answer = sandbox.post("/artifactory/api/search/aql", content=query, headers={"Content-Type": "text/plain"})
    return {item["path"]: f"sha256:{item['sha256']}" for item in answer.raise_for_status().json()["results"]}
