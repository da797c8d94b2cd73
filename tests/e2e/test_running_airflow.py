from __future__ import annotations

import hashlib
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from demo.processes import Register
from tests.e2e.conftest import make, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

IMAGES = {"single manifest": "coredns:v1.11.0", "index": "metrics-server:v0.6.3"}


def test_make_up_prints_urls_login_and_what_to_try(airflow: Airflow) -> None:
    for part in (airflow.home.airflow_url, airflow.home.sandbox_url, airflow.home.secrets.airflow_password):
        assert part in airflow.printed
    assert "What to try" in airflow.printed


def test_a_second_make_up_says_that_it_runs_already(airflow: Airflow) -> None:
    again = make("up", home=airflow.home.path.parent)
    assert again.returncode == 0
    assert "It runs already" in again.stdout
    assert airflow.home.airflow_url in again.stdout


def test_a_port_that_is_taken_is_said_without_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = make("up", home=tmp_path, AIRFLOW_PORT=str(taken.getsockname()[1]))
    assert refused.returncode != 0
    assert "is taken" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_make_down_with_nothing_running_says_so(tmp_path: Path) -> None:
    done = make("down", home=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "Nothing was running.")


def test_the_connection_form_shows_the_fields_of_artifactory(airflow: Airflow) -> None:
    answer = airflow.http.get("/ui/connections/hook_meta")
    meta = next(entry for entry in answer.json() if entry["connection_type"] == "artifactory")
    assert meta["hook_name"] == "JFrog Artifactory"
    assert {"auth_kind", "verify", "docker_url", "proxy", "ca_file"} <= set(meta["extra_fields"])
    assert meta["standard_fields"]["host"]["title"] == "Artifactory URL"


def test_the_test_button_works_as_the_list_of_connections_sends_it(airflow: Airflow) -> None:
    stored = airflow.get("connections/artifactory_default")
    sent = {key: stored[key] or "" for key in ("connection_id", "conn_type", "description", "host", "login", "schema")}
    answer = airflow.post("connections/test", {**sent, "password": "***", "port": stored["port"], "extra": "{}"})
    assert answer["status"] is True
    assert "accepts the credentials" in answer["message"]


def test_the_test_button_says_what_is_wrong_with_the_password(airflow: Airflow) -> None:
    connection = {"connection_id": "other", "conn_type": "artifactory", "host": airflow.home.sandbox_url}
    answer = airflow.post("connections/test", {**connection, "login": "admin", "password": "wrong-one"})
    assert answer["status"] is False
    assert "credentials are missing, wrong or expired" in answer["message"]
    assert "wrong-one" not in answer["message"]


def test_a_run_by_hand_promotes_single_images_and_indexes_with_their_digests(airflow: Airflow) -> None:
    run = airflow.run("promote_nightly", {"images": list(IMAGES.values())})
    states = airflow.states(run)
    assert set(states.values()) == {"success"}, states
    assert f"ladder.promote_to_prod[{IMAGES['index']}]" in states
    events = airflow.get("assets/events", source_dag_id="promote_nightly", order_by="-timestamp")["asset_events"]
    for image in IMAGES.values():
        name, tag = image.split(":")
        # Airflow may have run the last night before, as it does once somebody has backfilled earlier ones.
        told = [event["extra"]["promotions"] for event in events if event["uri"] == f"artifactory://docker-prod/{name}"]
        ends = [(record["outcome"], record["target"]["tag"]) for [record] in told]
        assert ends.count(("promoted", tag)) == 1


@pytest.mark.docker_clients
@pytest.mark.parametrize("kind", IMAGES)
def test_skopeo_finds_the_promoted_bytes_unchanged(airflow: Airflow, kind: str) -> None:
    airflow.run("promote_nightly", {"images": [IMAGES[kind]]})
    dev, prod = (_raw_manifest(airflow, f"{repository}/{IMAGES[kind]}") for repository in ("docker-dev", "docker-prod"))
    assert dev == prod
    name = IMAGES[kind].partition(":")[0]
    events = airflow.get("assets/events", source_dag_id="promote_nightly", order_by="-timestamp")["asset_events"]
    extra = next(event["extra"] for event in events if event["uri"] == f"artifactory://docker-prod/{name}")
    [record] = extra["promotions"]
    assert record["digest"] == f"sha256:{hashlib.sha256(prod).hexdigest()}"
    assert bool(record["children"]) == (kind == "index")
    assert record["verdicts"] == ["qa.test.status: passed"]


def test_one_bad_image_never_holds_up_the_others(airflow: Airflow) -> None:
    images = ["coredns:v1.10.0", "coredns:no-such-tag", "no-such-image", "csi-resizer", "docker-dev/coredns"]
    states = airflow.states(airflow.run("promote_nightly", {"images": images}))
    assert states["ladder.promote_to_prod[coredns:v1.10.0]"] == "success"
    for image in ("coredns:no-such-tag", "no-such-image", "docker-dev/coredns"):
        assert states[f"ladder.select[{image}]"] == "failed"
    failing = [
        key for key, state in states.items() if key.startswith("ladder.verify_dev[csi-resizer") and state == "failed"
    ]
    assert len(failing) == 1


def test_a_promote_task_links_to_its_image_in_artifactory(airflow: Airflow) -> None:
    run = airflow.run("promote_nightly", {"images": ["coredns:v1.10.1"]})
    links = airflow.get(f"{run}/taskInstances/ladder.promote_to_prod/links", map_index=0)["extra_links"]
    assert links["Artifactory"].endswith("/ui/repos/tree/General/docker-prod/coredns/v1.10.1")
    shown = airflow.http.get(links["Artifactory"], auth=("admin", "password"), follow_redirects=True)
    assert shown.status_code == 200
    assert shown.json()["path"] == "/coredns/v1.10.1"


def test_a_backfill_of_a_night_before_the_images_were_there_promotes_nothing(airflow: Airflow) -> None:
    body: dict[str, object] = {
        "dag_id": "promote_nightly",
        "from_date": "2026-01-10T00:00:00Z",
        "to_date": "2026-01-11T00:00:00Z",
    }
    body |= {"dag_run_conf": {"images": ["csi-attacher"]}}
    airflow.post("backfills", body)

    def runs() -> list[dict[str, str]]:
        found: list[dict[str, str]] = airflow.get("dags/promote_nightly/dagRuns", run_type="backfill")["dag_runs"]
        return [run for run in found if run["run_after"].startswith("2026-01-10")]

    until(lambda: bool(runs()) and all(run["state"] == "success" for run in runs()), seconds=120)
    states = airflow.states(f"dags/promote_nightly/dagRuns/{runs()[0]['dag_run_id']}")
    assert states["ladder.select[csi-attacher: no release by that night]"] == "skipped"
    assert {state for key, state in states.items() if "promote" in key} == {"skipped"}


def test_make_up_brings_back_what_has_died(airflow: Airflow) -> None:
    register = Register(airflow.home.path / "processes.json")
    leader = next(process for process in register.read() if process.name == "airflow")
    dead = [
        member
        for member in leader.members()
        if any(member.cmdline()[-1:] == [part] for part in ("scheduler", "triggerer"))
    ]
    assert dead
    for member in dead:
        member.kill()
    assert register.is_running
    again = make("up", home=airflow.home.path.parent)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "No sign of life from scheduler and triggerer" in again.stdout
    assert "It runs already" not in again.stdout
    states = airflow.states(airflow.run("promote_nightly", {"images": ["coredns:v1.10.1"]}))
    assert states["ladder.promote_to_prod[coredns:v1.10.1]"] == "success"


def _raw_manifest(airflow: Airflow, reference: str) -> bytes:
    host = airflow.home.sandbox_url.removeprefix("http://").removesuffix("/artifactory")
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", "--creds", "admin:password"]
    return subprocess.run([*command, f"docker://{host}/{reference}"], capture_output=True, check=True).stdout
