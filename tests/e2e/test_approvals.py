"""Approvals by several people on a real Airflow: each of them answers as a user of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.airflow_api import AirflowApi
from demo.browser import open_browser, open_context
from demo.home import Home
from demo.processes import Process
from playwright.sync_api import expect
from tests.e2e.conftest import ENDED, PROJECT, Airflow, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

PASSWORDS = {name: f"password-of-{name}" for name in ("alice", "bob", "carol", "mallory")}
RULE = {"count": 2, "users": ["alice", "bob", "carol"]}
ONE = {"count": 1, "users": ["alice", "bob", "carol"]}


def promotion(digit: str) -> dict[str, str]:
    return {
        "source": f"docker-staging/payments/api:1.4.2@sha256:{digit * 64}",
        "target": "docker-prod/payments/api:1.4.2",
    }


class People:
    """The users of an Airflow, each with a session.

    :param airflow: the Airflow, as its admin sees it.
    """

    def __init__(self, airflow: Airflow) -> None:
        self.admin = airflow
        self._users: dict[str, Airflow] = {}
        self._parked: dict[str, int] = {}

    def __getitem__(self, name: str) -> Airflow:
        if name not in self._users:
            http = httpx.Client(base_url=self.admin.home.airflow_url, timeout=30, trust_env=False)
            http.headers["Authorization"] = f"Bearer {self.token(name)}"
            self._users[name] = replace(self.admin, http=http)
        return self._users[name]

    def token(self, name: str) -> str:
        answer = self.admin.http.post("/auth/token", json={"username": name, "password": PASSWORDS[name]})
        return str(answer.json()["access_token"])

    def start(self, name: str, *, dag: str = "approvals", rule: object = RULE) -> str:
        """Start a run, and return its path once it asks."""
        body = {"logical_date": None, "conf": {"rule": rule}}
        run = f"dags/{dag}/dagRuns/{self[name].post(f'dags/{dag}/dagRuns', body)['dag_run_id']}"
        self.wait_for_question(run)
        return run

    def wait_for_question(self, run: str, *, processes: int = 1) -> None:
        """Wait until a task asks again, and Airflow has seen its process end: before that it loses answers.

        :param run: the run.
        :param processes: how many of its processes end until then.
        """
        _, dag_id, _, run_id = run.split("/")
        key = f"dag_id='{dag_id}', task_id='approve', run_id='{run_id}'"
        ended = re.compile(rf"executor event with state \w+ for task instance TaskInstanceKey\({re.escape(key)}")
        log = self.admin.home.log("airflow")

        def asks() -> bool:
            times = len(ended.findall(log.read_text(errors="replace")))
            if times < self._parked.get(run, 0) + processes or self.state(run) != "awaiting_input":
                return False
            self._parked[run] = times
            return True

        until(asks, seconds=120, otherwise=lambda: f"{self.admin.states(run)}")

    def answer(self, name: str, run: str, option: str = "Approve", **fields: object) -> None:
        body = {"chosen_options": [option], "params_input": fields}
        self[name].patch(f"{run}/taskInstances/approve/-1/hitlDetails", body)

    def end(self, run: str) -> str:
        """Wait until a run has ended, and return its state."""
        until(lambda: self.admin.get(run)["state"] in ENDED, seconds=120, otherwise=lambda: f"{self.admin.states(run)}")
        return str(self.admin.get(run)["state"])

    def state(self, run: str, task_id: str = "approve") -> str:
        return str(self.admin.get(f"{run}/taskInstances/{task_id}")["state"])

    def xcom(self, run: str, task_id: str, key: str = "return_value") -> Any:
        return self.admin.get(f"{run}/taskInstances/{task_id}/xcomEntries/{key}", deserialize=True)["value"]

    def question(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(f"{run}/taskInstances/approve/-1/hitlDetails")
        return found

    def log(self, run: str, *, number: int = 1) -> str:
        return str(self.admin.get(f"{run}/taskInstances/approve/logs/{number}"))

    def clear(self, run: str, *task_ids: str) -> None:
        """Have tasks done again."""
        body = {"dry_run": False, "task_ids": list(task_ids), "dag_run_id": run.rpartition("/")[2]}
        self.admin.post(f"{run.partition('/dagRuns')[0]}/clearTaskInstances", {**body, "only_failed": False})


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """An Airflow with users of its own, who may all answer, as far as Airflow knows."""
    path = tmp_path_factory.mktemp("approvals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.home.HOMES", path)
        home = Home.create("airflow", fresh=True)
    (home.path / "passwords.json").write_text(json.dumps({"admin": home.secrets.airflow_password, **PASSWORDS}))
    dags = path / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("approvals_dag.py"), dags)
    environment = {
        **home.environment(),
        "PYTHONPATH": os.pathsep.join(str(PROJECT / folder) for folder in ("", "plugins")),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(["admin:admin", *(f"{name}:user" for name in PASSWORDS)]),
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
        "AIRFLOW_CONN_ARTIFACTORY_DEFAULT": json.dumps({"conn_type": "artifactory", "password": "a long secret"}),
    }
    process = Process.start("airflow", ["airflow", "standalone"], environment=environment, log=home.log("airflow"))
    api = AirflowApi(home.airflow_url, home.secrets.airflow_password)
    try:
        until(api.is_healthy, seconds=150)
        with httpx.Client(base_url=home.airflow_url, timeout=30, trust_env=False) as http:
            http.headers["Authorization"] = f"Bearer {api.log_in()}"
            people = People(Airflow(home, http, ""))
            until(lambda: http.get("/api/v2/dags/overrides").status_code == 200, seconds=60)
            people.admin.post("variables", {"key": "plan", "value": json.dumps([promotion("a")])})
            yield people
    finally:
        api.close()
        process.stop()


def test_two_others_than_the_one_who_started_the_run_have_to_approve_each_once(people: People) -> None:
    run = people.start("alice")
    for name, told in (
        ("alice", "The answer of alice does not count: who has started the run"),
        ("bob", "1 of 2: approved by bob."),
        ("bob", "1 of 2: approved by bob; not counted: bob, who has answered again later."),
    ):
        people.answer(name, run)
        people.wait_for_question(run)
        assert told in people.xcom(run, "approve", "answers")
    assert people.state(run, "promote") == "None"
    people.answer("carol", run, comment="tested by hand")
    assert people.end(run) == "success"
    assert people.xcom(run, "promote") == "promoted"
    approval = people.xcom(run, "approve")
    assert [(one["by"], one["comment"]) for one in approval["answers"]] == [("bob", ""), ("carol", "tested by hand")]
    _check_that_a_user_who_may_edit_xcoms_cannot_add_a_name(people, run, approval)


def _check_that_a_user_who_may_edit_xcoms_cannot_add_a_name(people: People, run: str, approval: dict[str, Any]) -> None:
    forged = {**approval, "answers": [approval["answers"][0], {**approval["answers"][1], "by": "alice"}]}
    people["mallory"].patch(f"{run}/taskInstances/approve/xcomEntries/return_value", {"value": forged, "map_index": -1})
    assert people.xcom(run, "approve")["answers"][1]["by"] == "alice"
    people.clear(run, "promote")
    assert people.end(run) == "success"
    assert "The seal is not the one" in people.xcom(run, "promote")


def test_a_plan_that_has_changed_is_asked_anew(people: People) -> None:
    run = people.start("alice", rule=ONE)
    before = people.question(run)["body"]
    people.answer("bob", run)
    assert people.end(run) == "success"
    people.admin.patch("variables/plan", {"key": "plan", "value": json.dumps([promotion("b")])})
    people.clear(run, "plan_again", "promote")
    assert people.end(run) == "success"
    assert "not what is to be promoted now" in people.xcom(run, "promote")
    # Airflow would show people the plan of before once more.
    people.clear(run, "plan", "approve", "promote")
    assert people.end(run) == "failed"
    assert "Start a new run, which asks about what is there now" in people.log(run, number=2)
    anew = people.start("alice", rule=ONE)
    assert "sha256:aaaaaaaaaaaa" in before
    assert "sha256:bbbbbbbbbbbb" in people.question(anew)["body"]
    people.answer("bob", anew)
    assert people.end(anew) == "success"
    assert people.xcom(anew, "promote") == "promoted"


def test_a_no_ends_the_run_and_says_who_and_why(people: People) -> None:
    run = people.start("alice")
    people.answer("bob", run, "Reject", comment="the <b>release</b> notes\nare missing")
    assert people.end(run) == "failed"
    assert people.admin.get(f"{run}/taskInstances/approve")["try_number"] == 1
    assert re.search(r"Rejected by bob at .* UTC “the <b>release</b> notes are missing”", people.log(run))


def test_a_no_skips_what_follows_where_the_dag_wants_that(people: People) -> None:
    run = people.start("alice", dag="approvals_skipped")
    people.answer("alice", run, "Reject")
    assert people.end(run) == "success"
    assert people.state(run, "promote") == "skipped"


def test_a_question_that_nobody_answers_ends(people: People) -> None:
    body = {"logical_date": None, "conf": {"rule": RULE}}
    run_id = people["alice"].post("dags/approvals_short/dagRuns", body)["dag_run_id"]
    run = f"dags/approvals_short/dagRuns/{run_id}"
    assert people.end(run) == "failed"
    assert "2 have to approve, and approved so far by nobody" in people.log(run)
    assert people.admin.get(f"{run}/taskInstances/approve")["try_number"] == 1


def test_a_worker_that_is_killed_between_two_answers_forgets_nobody(people: People) -> None:
    run = people.start("alice", dag="approvals_killed")
    people.answer("bob", run)
    people.wait_for_question(run, processes=2)
    people.answer("carol", run)
    assert people.end(run) == "success"
    assert people.admin.get(f"{run}/taskInstances/approve")["try_number"] == 2
    assert people.xcom(run, "promote") == "promoted"
    assert [one["by"] for one in people.xcom(run, "approve")["answers"]] == ["bob", "carol"]


def test_somebody_overrides_with_a_reason_and_an_end(people: People) -> None:
    run = people.start("alice", dag="overrides", rule={"users": ["alice"], "longest": 3600 * 8})
    assert people.question(run)["params"]["hours"]["schema"]["maximum"] == 8
    people.answer("alice", run, "Override", reason="CVE-2026-1", hours=2)
    assert people.end(run) == "success"
    override = people.xcom(run, "approve")
    assert (override["by"], override["reason"]) == ("alice", "CVE-2026-1")


def test_somebody_approves_by_clicks_in_a_browser(people: People) -> None:
    run = people.start("alice", rule=ONE)
    _, dag_id, _, run_id = run.split("/")
    home = people.admin.home
    with open_browser() as browser, open_context(browser, home, logged_in=False) as context:
        context.add_cookies([{"name": "_token", "value": people.token("bob"), "url": home.airflow_url}])
        page = context.new_page()
        page.goto(f"/dags/{dag_id}/runs/{run_id}/tasks/approve/required_actions")
        expect(page.get_by_role("cell", name="docker-prod/payments/api:1.4.2")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("has to approve, other than who started the run")).to_be_visible()
        page.get_by_role("textbox").first.fill("bob has looked")
        page.get_by_role("button", name="Approve").click()
        until(lambda: people.question(run)["response_received"], seconds=60)
    assert people.end(run) == "success"
    (answer,) = people.xcom(run, "approve")["answers"]
    assert (answer["by"], answer["comment"]) == ("bob", "bob has looked")
