"""What the board says of a promotion on demand before it begins: what its run would be told, for the user who asks."""

from __future__ import annotations

import datetime
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.web.board_api import (
    api_server,
    headers,
    let_time_go_by,
    login,
    pipelines,
    read_board,
    sandbox,
    store_dag,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

PLAN = "/artifactory/board/plan.json"
STEP = {"ladder": "nightly", "from": "dev", "to": "qa"}
ALWAYS = {"timezone": "UTC", "deny": ["2020-01-01/2099-01-01"]}


@pytest.fixture
def app(pipelines: Callable[..., None], sandbox: RunningSandbox) -> str:
    """An image of dev that has passed its checks: its digest."""
    pipelines()
    digest = sandbox.push_image("docker-dev/team/app:1.0", content="new")
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed"})
    return digest


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def write(*rules: dict[str, Any]) -> None:
        named = [{"target": {"repositories": ["docker-qa"]}, **rule} for rule in rules]
        monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": named}))

    return write


def plan(server: TestClient, headers: dict[str, str], *images: str, **query: Any) -> dict[str, Any]:
    """Return what is planned, as the newest look tells it."""
    let_time_go_by()
    return read_board(server, headers, PLAN, image=images or ("team/app",), **{**STEP, **query})


def planned(server: TestClient, headers: dict[str, str], *images: str, **query: Any) -> dict[str, Any]:
    """Return what is planned for one image."""
    [one] = plan(server, headers, *images, **query)["images"]
    return dict(one)


def test_what_is_new_what_is_replaced_and_what_is_there_already(
    api_server: TestClient, headers: dict[str, str], sandbox: RunningSandbox, app: str
) -> None:
    new = planned(api_server, headers)
    assert (new["change"], new["state"], new["replaces"], new["is_refused"]) == ("new", "ready", None, False)
    assert (new["tag"], new["digest"], new["target_tag"]) == ("1.0", app, "1.0")

    old = sandbox.push_image("docker-qa/team/app:1.0", content="old")
    conflict = planned(api_server, headers)
    assert (conflict["change"], conflict["state"], conflict["replaces"]) == ("replaces", "conflict", old)
    assert conflict["is_refused"] is True
    assert planned(api_server, headers, on_conflict="backup")["state"] == "ready"

    sandbox.push_image("docker-qa/team/app:1.0", content="new")
    done = planned(api_server, headers)
    assert (done["change"], done["state"], done["is_refused"]) == ("unchanged", "nothing", False)


SEVERAL = """
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - name: qa
    repository: docker-qa
    tags: ["{tag}", {tag: "{version.major}", on_conflict: overwrite}, {tag: stable, on_conflict: backup}]
"""


def test_each_tag_of_a_stage_is_planned_with_what_the_stage_says_of_its_conflicts(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    app: str,
    policy: Callable[..., None],
) -> None:
    pipelines(stages=SEVERAL)
    old = {tag: sandbox.push_image(f"docker-qa/team/app:{tag}", content=f"old {tag}") for tag in ("1.0", "1", "stable")}
    found = plan(api_server, headers)
    assert found["on_conflict"] is None
    told = {one["target_tag"]: one for one in found["images"]}
    assert [one["target_tag"] for one in found["images"]] == ["1.0", "1", "stable"]
    assert {tag: one["replaces"] for tag, one in told.items()} == old
    assert {one["digest"] for one in told.values()} == {app}
    said = {tag: (one["on_conflict"], one["state"], one["is_refused"]) for tag, one in told.items()}
    assert said == {
        "1.0": ("fail", "conflict", True),
        "1": ("overwrite", "ready", False),
        "stable": ("backup", "ready", False),
    }
    asked = plan(api_server, headers, on_conflict="overwrite")["images"]
    assert {(one["on_conflict"], one["state"]) for one in asked} == {("overwrite", "ready")}

    sandbox.push_image("docker-qa/team/app:1", content="new")
    policy({"target": {"repositories": ["docker-qa"], "tags": ["stable"]}, "windows": ALWAYS})
    told = {one["target_tag"]: one for one in plan(api_server, headers)["images"]}
    assert (told["1"]["change"], told["1"]["state"]) == ("unchanged", "nothing")
    assert (told["stable"]["state"], told["stable"]["is_refused"]) == ("refused", True)


def test_where_no_backup_can_be_kept_nothing_is_overwritten(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox, app: str
) -> None:
    long = "s" * 128
    pipelines(stages=SEVERAL.replace("stable", long))
    told = {one["target_tag"]: one for one in plan(api_server, headers)["images"]}
    assert (told[long]["on_conflict"], told[long]["state"]) == ("fail", "ready")
    sandbox.push_image(f"docker-qa/team/app:{long}", content="old")
    told = {one["target_tag"]: one for one in plan(api_server, headers)["images"]}
    assert (told[long]["state"], told[long]["is_refused"]) == ("conflict", True)


def test_another_tag_than_the_one_that_stands_for_the_image_is_planned_where_it_is_named(
    api_server: TestClient, headers: dict[str, str], sandbox: RunningSandbox, app: str
) -> None:
    other = sandbox.push_image("docker-dev/team/app:0.9", content="older")
    found = plan(api_server, headers, "team/app:0.9", "team/app", "team/app:absent", "other/app", "team/none")["images"]
    assert [one["digest"] for one in found] == [other, app, None, None, None]
    assert [one["change"] for one in found[2:]] == ["none"] * 3
    assert found[2]["reason"] == "It does not stand in docker-dev."


def test_rules_hold_for_the_person_who_asks_and_not_for_the_schedule(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    app: str,
    policy: Callable[..., None],
) -> None:
    pipelines(text="images: [team/*]\nstart: {nightly: '0 2 * * *'}")
    policy({"windows": ALWAYS, "applies_to": ["person"]})
    let_time_go_by()
    [row] = read_board(api_server, headers)["rows"]
    assert row["gates"][0]["state"] == "ready", "the ladder's own run may"
    refused = planned(api_server, headers)
    assert (refused["state"], refused["is_refused"], refused["override"]) == ("refused", True, "")
    assert "docker-qa is frozen" in refused["reason"]

    policy({"windows": ALWAYS, "applies_to": ["schedule"]})
    assert planned(api_server, headers)["state"] == "ready"
    [row] = read_board(api_server, headers)["rows"]
    assert row["gates"][0]["state"] == "refused"


def test_a_refusal_that_somebody_may_override_is_not_certain_and_says_until_when_it_holds(
    api_server: TestClient, headers: dict[str, str], app: str, policy: Callable[..., None]
) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    days = [today + datetime.timedelta(days=number) for number in (-1, 2)]
    windows = {"timezone": "UTC", "deny": ["/".join(map(str, days))]}
    policy({"windows": windows, "override": {"from": ["carol"]}})
    found = planned(api_server, headers)
    assert (found["state"], found["is_refused"]) == ("refused", False)
    assert found["override"].startswith("carol may override this with a reason")
    assert found["until"] == f"{today + datetime.timedelta(days=3)}T00:00:00Z"


def test_approvals_of_the_policy_and_of_the_stage_are_told_together(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    app: str,
    policy: Callable[..., None],
) -> None:
    policy({"approvals": {"count": 2, "from": ["alice", "bob", "carol"]}})
    assert planned(api_server, headers)["approvals"] == (
        "2 of alice, bob, carol have to approve, other than who started the run."
    )
    pipelines(
        stages="""
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - {name: qa, repository: docker-qa, approvals: {count: 1, from: [alice, bob], not_the_trigger: false}}
"""
    )
    told = planned(api_server, headers)
    assert told["approvals"] == "2 of alice, bob have to approve, other than who started the run."
    assert told["state"] == "ready"


def test_checks_that_have_not_passed_refuse_it_and_those_that_only_the_run_asks_are_named(
    api_server: TestClient, headers: dict[str, str], sandbox: RunningSandbox, app: str, policy: Callable[..., None]
) -> None:
    policy({"require": [{"property": "policy.test"}, {"soak": {"stage": "docker-dev", "at_least": "1h"}}]})
    waits = planned(api_server, headers)
    assert (waits["state"], waits["is_refused"]) == ("verifying", True)
    assert "policy.test is not set" in waits["reason"]
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed", "policy.test": "failed"})
    assert planned(api_server, headers)["state"] == "failed"
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed", "policy.test": "passed"})
    ready = planned(api_server, headers)
    assert (ready["state"], ready["is_refused"], ready["left"]) == ("ready", False, ["60 min in docker-dev"])


@pytest.mark.parametrize(
    "text", ["rules: [", json.dumps({"version": 1, "rules": [{"target": {"repositories": ["docker-qa"]}}]})]
)
def test_where_the_policy_cannot_be_read_nothing_is_ready(
    api_server: TestClient, headers: dict[str, str], app: str, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", text)
    found = plan(api_server, headers)
    assert "artifactory_policy" in found["trouble"]
    [one] = found["images"]
    assert (one["state"], one["word"], one["is_refused"]) == ("unknown", "unknown", False)
    assert one["reason"].startswith("What the rules say cannot be told: ")
    assert one["digest"] == app


def test_a_policy_that_the_connection_names_and_that_is_not_there_is_not_known(
    api_server: TestClient, headers: dict[str, str], app: str, monkeypatch: pytest.MonkeyPatch, gateway: Gateway
) -> None:
    plan(api_server, headers)
    fields = {"conn_type": "artifactory", "host": gateway.url, "login": "admin", "password": "password"}
    fields["extra"] = json.dumps({"policy": "absent_policy"})
    monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", json.dumps(fields))
    answer = api_server.get(PLAN, params={**STEP, "image": "team/app"}, headers=headers).json()
    assert "absent_policy" in answer["trouble"]
    assert answer["images"][0]["state"] == "unknown"


def test_a_pipeline_file_that_cannot_be_read_leaves_the_rules_unknown(
    api_server: TestClient, headers: dict[str, str], app: str, pipelines: Callable[..., None]
) -> None:
    pipelines("broken", "images: [else/*]\nstage: qa")
    found = plan(api_server, headers)
    assert "broken.yaml" in found["trouble"]
    assert found["images"][0]["state"] == "unknown"


def test_what_the_dag_would_promote_on_another_server_is_not_said_to_be_ready(
    api_server: TestClient,
    headers: dict[str, str],
    app: str,
    pipelines: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", os.environ["AIRFLOW_CONN_ARTIFACTORY_DEFAULT"])
    pipelines(text="images: [team/*]\nconnection: elsewhere")
    one = planned(api_server, headers)
    assert (one["digest"], one["state"]) == (app, "unknown")
    assert "promotes over the connection artifactory_default" in one["reason"]


def test_a_stop_and_marks_of_people_refuse_it(
    api_server: TestClient,
    headers: dict[str, str],
    sandbox: RunningSandbox,
    app: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = {"reason": "incident 4711", "by": "jane", "since": "2026-01-01T00:00:00Z"}
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps({"version": 1, "stops": [order]}))
    stopped = planned(api_server, headers)
    assert (stopped["state"], stopped["is_refused"]) == ("refused", True)
    assert "incident 4711" in stopped["reason"]
    monkeypatch.delenv("AIRFLOW_VAR_ARTIFACTORY_STOP")
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed", "promotion.rejected": "<b>leaks</b>"})
    rejected = planned(api_server, headers)
    assert (rejected["state"], rejected["is_refused"]) == ("rejected", True)
    assert "<b>leaks</b>" in rejected["reason"]


def test_fifty_images_take_no_request_to_artifactory(
    api_server: TestClient, headers: dict[str, str], sandbox: RunningSandbox, app: str, gateway: Gateway
) -> None:
    names = ["team/app", *(f"team/other-{number:02}" for number in range(49))]
    for name in names[1:]:
        sandbox.push_image(f"docker-dev/{name}:1.0")
    assert len(plan(api_server, headers, *names)["images"]) == 50
    before = len(gateway.requests)
    answer = api_server.get(PLAN, params={**STEP, "image": names}, headers=headers).json()
    assert len(gateway.requests) == before
    assert {one["state"] for one in answer["images"]} == {"ready", "verifying"}
    assert answer["as_of"] is not None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"image": []}, 422),
        ({"image": ["team/app"] * 51}, 422),
        ({"image": ["Team/App"]}, 422),
        ({"image": ["team/app:"]}, 422),
        ({"image": ["../app"]}, 422),
        ({"image": [f"team/app:1.0@sha256:{'0' * 64}"]}, 422),
        ({"image": ["a" * 401]}, 422),
        ({"on_conflict": "ask"}, 422),
        ({"ladder": ""}, 422),
        ({"ladder": "absent"}, 404),
        ({"from": "qa", "to": "dev"}, 404),
        ({"from": "dev", "to": "dev"}, 404),
        ({"from": "nowhere"}, 404),
        ({"to": "nowhere"}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    api_server: TestClient, headers: dict[str, str], app: str, query: dict[str, Any], status: int
) -> None:
    read_board(api_server, headers)
    answer = api_server.get(PLAN, params={**STEP, "image": "team/app", **query}, headers=headers)
    assert answer.status_code == status, answer.text


def test_images_of_other_ladders_are_not_told_of(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox, app: str
) -> None:
    pipelines("secret", "images: [secret/*]")
    sandbox.push_image("docker-dev/secret/app:1.0")
    assert planned(api_server, headers, "secret/app:1.0")["digest"] is None
    assert planned(api_server, headers, "secret/app:1.0", ladder="secret")["digest"] is not None
    store_dag("secret", is_stale=True)


def test_it_is_for_who_is_logged_in_and_may_read_the_ladder(
    api_server: TestClient, headers: dict[str, str], app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_board(api_server, headers)
    query = {**STEP, "image": "team/app"}
    assert api_server.get(PLAN, params=query).status_code == 401
    assert api_server.get(PLAN, params=query, headers=login("viewer")).status_code == 200
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    monkeypatch.setattr(SimpleAuthManager, "get_authorized_dag_ids", lambda *_, **__: set())
    assert api_server.get(PLAN, params=query, headers=headers).status_code == 404
