"""Pushes to a sandbox start runs on a real Airflow: by its webhooks, and by a watcher."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.airflow_api import AirflowApi
from demo.home import Home
from demo.processes import Process
from tests.e2e.conftest import ENDED, PROJECT, Airflow, until

from artifactory_provider.pipelines.standing import ReadReport
from artifactory_provider.tasks.ladders import LADDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
SECRET = "only the two of them know"
DAGS = ("by_webhook", "by_verdict", "by_watcher", "watch_docker-watched", "shop_on_push", "store_on_push")
REPOSITORIES = ("docker-dev", "docker-qa", "docker-prod", "docker-watched")
MOST_SECONDS = 15.0
"""From a push to its queued run: three above the scheduler's loop on a machine of its own, more on a shared one."""


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    repositories: dict[str, dict[str, str]] = {key: {} for key in REPOSITORIES}
    return artifactory_sandbox_factory({"repositories": repositories})


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, sandbox: RunningSandbox) -> Iterator[Airflow]:
    """An Airflow with the DAGs of ``pushes_dag.py``, which the sandbox tells of what happens to docker-dev."""
    path = tmp_path_factory.mktemp("pushes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.home.HOMES", path)
        home = Home.create("airflow", fresh=True)
    dags = path / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("pushes_dag.py"), dags)
    connection = {"conn_type": "artifactory", "host": sandbox.url, "login": sandbox.username}
    connection |= {"password": sandbox.password, "extra": json.dumps({"webhook_secret": SECRET})}
    environment = {
        **home.environment(),
        "PYTHONPATH": os.pathsep.join(str(PROJECT / folder) for folder in ("", "plugins")),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW_CONN_ARTIFACTORY_DEFAULT": json.dumps(connection),
    }
    process = Process.start("airflow", ["airflow", "standalone"], environment=environment, log=home.log("airflow"))
    api = AirflowApi(home.airflow_url, home.secrets.airflow_password)
    try:
        until(api.is_healthy, seconds=150)
        with httpx.Client(base_url=home.airflow_url, timeout=30, trust_env=False) as http:
            http.headers["Authorization"] = f"Bearer {api.log_in()}"
            for dag in DAGS:
                until(lambda dag=dag: http.get(f"/api/v2/dags/{dag}").status_code == 200, seconds=90)  # type: ignore[misc]
            subscribe(sandbox, home.airflow_url, "docker", "pushed")
            subscribe(sandbox, home.airflow_url, "artifact_property", "added")
            yield Airflow(home, http, "")
    finally:
        api.close()
        process.stop()


def subscribe(sandbox: RunningSandbox, airflow_url: str, domain: str, event: str) -> None:
    subscription = {
        "key": f"airflow-{domain}",
        "event_filter": {"domain": domain, "event_types": [event], "criteria": {"repoKeys": ["docker-dev"]}},
        "handlers": [
            {
                "handler_type": "webhook",
                "url": f"{airflow_url}/artifactory/webhooks/artifactory_default",
                "secret": SECRET,
                "use_secret_for_signing": True,
            }
        ],
    }
    url = f"{sandbox.url.removesuffix('/artifactory')}/event/api/v1/subscriptions"
    with httpx.Client(auth=(sandbox.username, sandbox.password), trust_env=False) as http:
        http.post(url, json=subscription).raise_for_status()


def push(sandbox: RunningSandbox, reference: str, content: str = "") -> str:
    return f"{reference}@{sandbox.push_image(reference, content=content or reference)}"


def runs(airflow: Airflow, dag_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airflow.get(f"dags/{dag_id}/dagRuns", limit=100)["dag_runs"]
    return found


def pushed(airflow: Airflow, dag_id: str, count: int) -> list[str]:
    """Return what has started each run, as the run itself has found it, once so many have ended."""

    def have_ended() -> bool:
        return [run["state"] in ENDED for run in runs(airflow, dag_id)] == [True] * count

    until(have_ended, seconds=90, otherwise=lambda: str([run["dag_run_id"] for run in runs(airflow, dag_id)]))
    places = [f"dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances/find" for run in runs(airflow, dag_id)]
    return sorted(airflow.get(f"{place}/xcomEntries/return_value")["value"] for place in places)


def test_each_pushed_tag_starts_one_run_by_webhook(airflow: Airflow, sandbox: RunningSandbox) -> None:
    begun = time.time()
    first = push(sandbox, "docker-dev/team/app:1.0.0")
    until(lambda: len(runs(airflow, "by_webhook")) == 1, seconds=60)
    [run] = runs(airflow, "by_webhook")
    took = datetime.fromisoformat(run["queued_at"]).timestamp() - begun
    assert took < MOST_SECONDS
    assert run["partition_key"] == first.removeprefix("docker-dev/")
    push(sandbox, "docker-dev/team/app:1.0.0")
    second, third = push(sandbox, "docker-dev/team/app:1.1.0"), push(sandbox, "docker-dev/team/other:1.0.0")
    push(sandbox, "docker-dev/team/app:latest")
    push(sandbox, "docker-dev/others/app:1.0.0")
    again = push(sandbox, "docker-dev/team/app:1.0.0", content="built anew")
    assert pushed(airflow, "by_webhook", 4) == sorted([first, second, third, again])


def test_each_verdict_starts_one_run_until_it_changes(airflow: Airflow, sandbox: RunningSandbox) -> None:
    image = push(sandbox, "docker-dev/team/judged:1.0.0")
    for values in ({"test.status": "failed"}, {"unrelated": "x"}, {"test.status": "failed"}):
        sandbox.set_properties("docker-dev/team/judged:1.0.0", values)
    assert pushed(airflow, "by_verdict", 1) == [image]
    sandbox.set_properties("docker-dev/team/judged:1.0.0", {"test.status": "passed"})
    assert pushed(airflow, "by_verdict", 2) == [image, image]
    sandbox.set_properties("docker-dev/team/judged:1.0.0", {"test.status": "failed"})
    assert pushed(airflow, "by_verdict", 3) == [image, image, image]


def test_each_pushed_tag_starts_one_run_by_watcher(airflow: Airflow, sandbox: RunningSandbox) -> None:
    first, second = (push(sandbox, f"docker-watched/team/app:{tag}") for tag in ("1.0.0", "1.1.0"))
    push(sandbox, "docker-watched/team/app:latest")
    assert pushed(airflow, "by_watcher", 2) == sorted([first, second])
    push(sandbox, "docker-watched/team/app:1.0.0")
    third = push(sandbox, "docker-watched/team/app:2.0.0")
    assert pushed(airflow, "by_watcher", 3) == sorted([first, second, third])


def skopeo_push(sandbox: RunningSandbox, reference: str, folder: Path) -> str:
    """Push an image as a build does, with a client of its own, and return its digest."""
    made = f"docker-qa/made/{reference.partition('/')[2]}"
    digest = sandbox.push_image(made, content=reference)
    registry, image = f"docker://{sandbox.registry}", f"dir:{folder}"
    login = f"{sandbox.username}:{sandbox.password}"
    copy = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests"]
    pull = [*copy, "--src-creds", login, "--src-tls-verify=false", f"{registry}/{made}", image]
    push = [*copy, "--dest-creds", login, "--dest-tls-verify=false", image, f"{registry}/{reference}"]
    for command in (pull, push, push):  # told twice
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
    return digest


@pytest.mark.docker_clients
@pytest.mark.parametrize(("name", "repository"), [("shop", "docker-dev"), ("store", "docker-watched")])
def test_what_skopeo_pushes_reaches_prod_in_one_run_without_a_hand(
    airflow: Airflow, sandbox: RunningSandbox, tmp_path: Path, name: str, repository: str
) -> None:
    tag = f"{name}/app:1.0.0"
    digest = skopeo_push(sandbox, f"{repository}/{tag}", tmp_path)
    sandbox.set_properties(f"{repository}/{tag}", {"test.status": "passed"})
    until(lambda: sandbox.digest(f"docker-qa/{tag}") == digest, seconds=60, otherwise=lambda: explain(airflow, name))
    assert sandbox.digest(f"docker-prod/{tag}") is None
    sandbox.set_properties(f"docker-qa/{tag}", {"qa.test.status": "passed"})
    until(lambda: sandbox.digest(f"docker-prod/{tag}") == digest, seconds=60, otherwise=lambda: explain(airflow, name))
    until(lambda: standings(airflow, name) == {f"app:1.0.0@{short(digest)}": ("arrived", "")}, seconds=30)
    assert [run["run_type"] for run in runs(airflow, f"{name}_on_push")] == ["asset_triggered"]


def test_a_newer_tag_and_another_digest_supersede_what_waits_and_say_so(
    airflow: Airflow, sandbox: RunningSandbox
) -> None:
    names = ("docker-dev/shop/late:1.0.0", "docker-dev/shop/moved:1.0.0")
    older, first = (push(sandbox, name).rpartition("@")[2] for name in names)
    waits = {f"late:1.0.0@{short(older)}", f"moved:1.0.0@{short(first)}"}
    until(lambda: {standings(airflow, "shop").get(one, ("", ""))[0] for one in waits} == {"waiting"}, seconds=60)
    newer = push(sandbox, "docker-dev/shop/late:1.1.0").rpartition("@")[2]
    second = push(sandbox, "docker-dev/shop/moved:1.0.0", content="built anew").rpartition("@")[2]
    told = {
        f"late:1.0.0@{short(older)}": (
            "superseded",
            "docker-dev has 1.1.0 by now, which is promoted by a run of its own.",
        ),
        f"late:1.1.0@{short(newer)}": ("waiting", "test.status is not set."),
        f"moved:1.0.0@{short(first)}": (
            "superseded",
            f"docker-dev/shop/moved:1.0.0 shows {second} by now, which is promoted by a run of its own.",
        ),
        f"moved:1.0.0@{short(second)}": ("waiting", "test.status is not set."),
    }

    def is_told() -> bool:
        found = standings(airflow, "shop")
        return {one: found.get(one) for one in told} == told

    until(is_told, seconds=60, otherwise=lambda: explain(airflow, "shop"))
    assert not any(sandbox.tags("docker-qa", image) for image in ("shop/late", "shop/moved"))
    ended = [run["state"] for run in runs(airflow, "shop_on_push") if run["state"] in ENDED]
    assert "failed" not in ended


def standings(airflow: Airflow, name: str) -> dict[str, tuple[str, str]]:
    """Return what becomes of each image of a pipeline's runs, as ``image:tag@<12 hex>``, and why."""
    found: dict[str, tuple[str, str]] = {}
    for run in runs(airflow, f"{name}_on_push"):
        path = f"/api/v2/dags/{name}_on_push/dagRuns/{run['dag_run_id']}/taskInstances/climb_to_prod/xcomEntries"
        answer = airflow.http.get(f"{path}/{LADDER}", params={"deserialize": True})
        if answer.status_code == httpx.codes.NOT_FOUND:
            continue
        for row in ReadReport.from_dict(answer.raise_for_status().json()["value"]).rows:
            key = f"{row.image.removeprefix(f'{name}/')}:{row.tag}@{row.digest}"
            assert key not in found, "one push has started two runs"
            found[key] = (row.standing, row.reason)
    return found


def explain(airflow: Airflow, name: str) -> str:
    return (
        f"{standings(airflow, name)} {[(run['dag_run_id'], run['state']) for run in runs(airflow, f'{name}_on_push')]}"
    )


def short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def test_no_log_of_airflow_shows_the_secret(airflow: Airflow) -> None:
    assert SECRET not in airflow.home.log("airflow").read_text(errors="replace")
