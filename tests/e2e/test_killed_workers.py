"""A worker that is killed with SIGKILL in mid-promotion, through a real Airflow, and the task's own retry."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.e2e.conftest import ENDED, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

FAULTS = "/sandbox/faults"
TASK = "ladder.promote_to_qa"
STEPS = {
    "csi-attacher": {"method": "GET", "path": "*docker-dev/v2/csi-attacher/manifests/sha256:*"},
    "csi-snapshotter": {"method": "GET", "path": "*docker-dev/v2/csi-snapshotter/referrers/*"},
    "cluster-autoscaler": {"method": "GET", "path": "*docker-qa/v2/cluster-autoscaler/manifests/pending-*"},
    "csi-provisioner": {"method": "PUT", "path": "*/api/storage/docker-qa/csi-provisioner/pending-*"},
    "hostpathplugin": {"method": "GET", "path": "*docker-qa/v2/hostpathplugin/manifests/v*"},
}
"""Image → the request at which its worker is killed: reading the source, looking for attachments, seeing the pending
tag, writing the record, seeing the target."""


@pytest.fixture
def faults(airflow: Airflow) -> Iterator[httpx.Client]:
    """The sandbox's faults, taken back at the end."""
    with httpx.Client(
        base_url=airflow.home.sandbox_url, auth=("admin", "password"), timeout=30, trust_env=False
    ) as http:
        yield http
        http.delete(FAULTS)


def test_a_task_that_is_killed_at_any_step_ends_the_same_when_it_is_tried_again(
    airflow: Airflow, faults: httpx.Client
) -> None:
    numbers = {
        image: faults.post(FAULTS, json={"effect": "latency", "seconds": 20, "count": 1, **step}).json()["id"]
        for image, step in STEPS.items()
    }
    run_id = airflow.post("dags/promote_nightly/dagRuns", {"logical_date": None, "conf": {"images": [*STEPS]}})[
        "dag_run_id"
    ]
    run = f"dags/promote_nightly/dagRuns/{run_id}"
    killed: set[str] = set()

    def kill_who_waits() -> bool:
        hit = {fault["id"] for fault in faults.get(FAULTS).json() if fault["hits"]}
        for instance in _instances(airflow, run):
            image = [*STEPS][instance["map_index"]]
            if image not in killed and numbers[image] in hit and instance["pid"]:
                os.kill(instance["pid"], signal.SIGKILL)
                killed.add(image)
        return killed == set(STEPS)

    until(kill_who_waits, seconds=120)
    until(lambda: airflow.get(run)["state"] in ENDED, seconds=240)
    assert {instance["try_number"] for instance in _instances(airflow, run)} == {2}
    states = airflow.states(run)
    assert {state for key, state in states.items() if key.startswith(TASK)} == {"success"}, states
    for image in STEPS:
        dev, qa = (_tags(airflow, repository, image) for repository in ("docker-dev", "docker-qa"))
        assert qa
        assert qa.items() <= dev.items()


def _instances(airflow: Airflow, run: str) -> list[dict[str, Any]]:
    found = airflow.get(f"{run}/taskInstances", limit=100)["task_instances"]
    return [one for one in found if one["task_id"] == TASK and one["map_index"] >= 0]


def _tags(airflow: Airflow, repository: str, image: str) -> dict[str, str]:
    url = f"{airflow.home.sandbox_url}/api/docker/{repository}/v2/{image}"
    with httpx.Client(auth=("admin", "password"), timeout=30, trust_env=False) as http:
        tags = http.get(f"{url}/tags/list").raise_for_status().json()["tags"]
        return {tag: http.head(f"{url}/manifests/{tag}").headers["Docker-Content-Digest"] for tag in tags}
