"""Backfills through a real Airflow: from the form, and of past nights."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import yaml
from tests.e2e.conftest import ENDED, decide, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

DAG = "dags/retag_backfill/dagRuns"
TAGS = 300


@pytest.fixture(scope="module")
def payments(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Some hundreds of tags of three images."""
    images = {f"payments/{name}": [f"1.{tag // 20}.{tag % 20}" for tag in range(TAGS // 3)] for name in ("a", "b", "c")}
    return seed(airflow, tmp_path_factory.mktemp("seed") / "payments.yaml", images)


def seed(airflow: Airflow, file: Path, images: dict[str, list[str]] | dict[str, dict[str, str]]) -> int:
    """Store images in docker-dev of the running sandbox, each tag with a digest of its own.

    :param images: image → tags, or tag → when it was pushed.
    """
    entries = [
        {
            "name": image,
            "dmap": {f"sha256:{hashlib.sha256(f'{image}{tag}'.encode()).hexdigest()}": [tag] for tag in tags},
            "created": tags if isinstance(tags, dict) else {},
        }
        for image, tags in images.items()
    ]
    file.write_text(yaml.safe_dump(entries))
    data = str(airflow.home.sandbox_data)
    command = [sys.executable, "-m", "artifactory_sandbox", "seed", "--data", data, "--repository", "docker-dev"]
    subprocess.run([*command, str(file)], check=True, capture_output=True)
    return sum(map(len, images.values()))


def start(airflow: Airflow, dag_id: str = "retag_backfill", /, **form: Any) -> str:
    runs = f"dags/{dag_id}/dagRuns"
    return f"{runs}/{airflow.post(runs, {'logical_date': None, 'conf': form})['dag_run_id']}"


def ended(airflow: Airflow, run: str) -> str:
    until(lambda: airflow.get(run)["state"] in ENDED, seconds=240)
    return str(airflow.get(run)["state"])


def plan_tab(airflow: Airflow, run: str) -> str:
    """Return what a run's tab says in words, and why rows are as they are, a line each."""
    _, dag_id, _, run_id = run.split("/")
    place = f"/artifactory/plans/{dag_id}/{quote(run_id, safe='')}"
    words, plan = (airflow.http.get(place + end).raise_for_status().json() for end in ("/words.json", ".json"))
    blocks = [block for part in words["reports"] + words["plans"] for block in part]
    lines = [line for block in blocks for line in (*block["lines"], *(cell for row in block["rows"] for cell in row))]
    said = ["".join(span["text"] for span in line) for line in lines]
    return "\n".join([*words["problems"], *said, *(f"{row['reason']} {row['why']}" for row in plan["rows"])])


def digests(airflow: Airflow, repository: str, image: str) -> dict[str, str]:
    """Return tag → digest."""
    api = f"{airflow.home.sandbox_url}/api/docker/{repository}/v2/{image}"
    with httpx.Client(auth=("admin", "password"), trust_env=False) as http:
        answer = http.get(f"{api}/tags/list")
        tags = answer.json()["tags"] if answer.status_code == 200 else []
        accept = ",".join(
            f"application/vnd.{kind}+json"
            for kind in (
                "oci.image.index.v1",
                "oci.image.manifest.v1",
                "docker.distribution.manifest.list.v2",
                "docker.distribution.manifest.v2",
            )
        )
        heads = {tag: http.head(f"{api}/manifests/{tag}", headers={"Accept": accept}) for tag in tags}
    return {tag: head.headers["docker-content-digest"] for tag, head in heads.items()}


def test_a_dry_run_shows_the_plan_and_changes_nothing(airflow: Airflow, payments: int) -> None:
    run = start(airflow, images=["payments/*"])
    assert ended(airflow, run) == "success"
    states = airflow.states(run)
    assert states.pop("plan[None]") == "success"
    assert set(states.values()) == {"skipped"}
    page = plan_tab(airflow, run)
    assert f"{payments} promotions: {payments} promote" in page
    assert "dry run" in page
    assert digests(airflow, "docker-qa", "payments/a") == {}


def test_what_was_approved_is_promoted_in_named_chunks_and_a_second_run_has_nothing_to_do(
    airflow: Airflow, payments: int, tmp_path: Path
) -> None:
    form = {"images": ["payments/*"], "dry_run": False, "approval": True, "chunk_size": 120}
    run = start(airflow, **form, report_path=f"file://{tmp_path}")
    until(lambda: airflow.states(run).get("approve[None]") == "awaiting_input", seconds=120)
    detail = airflow.get(f"{run}/hitlDetails")["hitl_details"][0]
    assert detail["subject"] == "Promote this plan to docker-qa?"
    assert f"{payments} promotions: {payments} promote" in detail["body"]
    assert digests(airflow, "docker-qa", "payments/a") == {}

    decide(airflow, run, "Approve")
    assert ended(airflow, run) == "success"
    chunks = {name for name in airflow.states(run) if name.startswith("promote")}
    assert chunks == {"promote[payments/* 1–120]", "promote[payments/* 121–240]", "promote[payments/c 241–300]"}
    for image in ("payments/a", "payments/b", "payments/c"):
        assert digests(airflow, "docker-qa", image) == digests(airflow, "docker-dev", image)
    assert f"{payments} promoted, 0 found unchanged, 0 failed" in plan_tab(airflow, run)
    files = sorted(path.name for path in tmp_path.rglob("*.csv"))
    assert files == ["chunk_0001.csv", "chunk_0002.csv", "chunk_0003.csv", "plan.csv"]
    made = airflow.get("assets/events", source_dag_id="retag_backfill")["asset_events"]
    events = [event for event in made if event["source_run_id"] == run.rpartition("/")[2]]
    assert events == [], "a bulk run wakes no other DAG unless it is asked to"

    again = start(airflow, **form)
    assert ended(airflow, again) == "success"
    states = airflow.states(again)
    assert (states["approve[None]"], states["promote[None]"]) == ("success", "skipped")
    assert f"{payments} unchanged" in plan_tab(airflow, again)


def test_a_plan_that_is_rejected_promotes_nothing(airflow: Airflow, payments: int) -> None:
    run = start(airflow, images=["payments/a"], target_tags=["no-{tag}"], dry_run=False, approval=True)
    until(lambda: airflow.states(run).get("approve[None]") == "awaiting_input", seconds=120)
    decide(airflow, run, "Reject")
    assert ended(airflow, run) == "success"
    assert "not approved" in plan_tab(airflow, run)
    assert not [tag for tag in digests(airflow, "docker-qa", "payments/a") if tag.startswith("no-")]


def test_a_form_that_makes_no_sense_never_becomes_a_run(airflow: Airflow) -> None:
    answer = airflow.http.post(f"/api/v2/{DAG}", json={"logical_date": None, "conf": {"largest": "many"}})
    assert answer.status_code in {400, 422}


def test_the_pool_of_backfills_is_there(airflow: Airflow) -> None:
    assert airflow.get("pools/artifactory_backfill")["slots"] == 4


def test_a_backfill_of_past_nights_promotes_what_each_would_have_and_twice_comes_to_the_same(
    airflow: Airflow, tmp_path: Path
) -> None:
    image, other = "nights/app", "nights/late"
    pushed = {
        image: {"1.0.0": "2026-10-01", "1.1.0": "2026-10-02T12:00:00", "1.2.0": "2026-10-20"},
        other: {"1.0.0": "2026-10-02T12:00:00"},
    }
    seed(airflow, tmp_path / "nights.yaml", pushed)
    give_verdicts(airflow, [f"{image}/1.0.0", f"{image}/1.1.0", f"{image}/1.2.0", f"{other}/1.0.0"])

    first = backfill(airflow, [image, other], reprocess="none")
    in_prod = digests(airflow, "docker-prod", image)
    in_dev = digests(airflow, "docker-dev", image)
    assert in_prod == {tag: in_dev[tag] for tag in ("1.0.0", "1.1.0")}, "1.2.0 came after these nights"
    assert digests(airflow, "docker-prod", other) == digests(airflow, "docker-dev", other)
    by_night = [airflow.states(f"dags/promote_nightly/dagRuns/{run}") for run in first]
    assert by_night[0][f"ladder.promote_to_prod[{image}:1.0.0]"] == "success"
    assert by_night[0][f"ladder.select[{other}: no release by that night]"] == "skipped"
    assert by_night[1][f"ladder.promote_to_prod[{image}:1.1.0]"] == "success"
    assert by_night[1][f"ladder.promote_to_prod[{other}:1.0.0]"] == "success"

    second = backfill(airflow, [image, other], reprocess="completed")
    assert second == first
    assert digests(airflow, "docker-prod", image) == in_prod
    for run in second:
        for entry in airflow.instances(f"dags/promote_nightly/dagRuns/{run}", "ladder.promote_to_prod"):
            if entry["state"] == "success":
                place = f"dags/promote_nightly/dagRuns/{run}/taskInstances/{entry['task_id']}/xcomEntries/return_value"
                record = airflow.get(place, map_index=entry["map_index"], deserialize="true")["value"]
                assert "unchanged" in str(record)


def backfill(airflow: Airflow, images: list[str], *, reprocess: str) -> list[str]:
    """Backfill the nights to 2 and 3 October 2026 to their ends, as the UI does; return their run ids."""
    wait_for_calm(airflow)
    body: dict[str, Any] = {"dag_id": "promote_nightly"}
    body |= {"from_date": "2026-10-01T12:00:00Z", "to_date": "2026-10-03T12:00:00Z"}
    body |= {"reprocess_behavior": reprocess, "max_active_runs": 1, "dag_run_conf": {"images": images}}
    airflow.post("backfills", body)

    def backfills() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = airflow.get("backfills", dag_id="promote_nightly")["backfills"]
        return found

    until(
        lambda: all(entry["completed_at"] for entry in backfills()),
        seconds=240,
        otherwise=lambda: airflow.explain("promote_nightly"),
    )
    runs = airflow.get("dags/promote_nightly/dagRuns", run_type="backfill", order_by="logical_date")["dag_runs"]
    mine = [run for run in runs if run["logical_date"].startswith("2026-10-0")]
    assert {run["state"] for run in mine} == {"success"}, mine
    return [run["dag_run_id"] for run in mine]


def wait_for_calm(airflow: Airflow) -> None:
    """Wait until no task of the nightly is at work, nor has been for some seconds.

    Airflow makes up for the newest night that it has missed once an earlier one is backfilled. What it refuses while
    that run writes to SQLite, and is sent again, may take a run from under its scheduler, which ends of it.
    """
    calm = 0

    def is_calm() -> bool:
        nonlocal calm
        at_work = airflow.get(
            "dags/promote_nightly/dagRuns/~/taskInstances", state=["scheduled", "queued", "running"], limit=1
        )
        calm = 0 if at_work["total_entries"] else calm + 1
        return calm > 10

    until(is_calm, seconds=240, otherwise=lambda: airflow.explain("promote_nightly"))


def give_verdicts(airflow: Airflow, places: list[str]) -> None:
    """Write what the tests in dev say: all passed."""
    with httpx.Client(base_url=airflow.home.sandbox_url, auth=("admin", "password"), trust_env=False) as http:
        for place in places:
            folder = http.get(f"/api/storage/docker-dev/{place}").json()["children"]
            name = next(child["uri"] for child in folder if child["uri"].endswith("manifest.json"))
            answer = http.put(f"/api/storage/docker-dev/{place}{name}", params={"properties": "test.status=passed"})
            answer.raise_for_status()
