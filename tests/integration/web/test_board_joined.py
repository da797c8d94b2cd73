"""What Airflow knows of the board's images: who has promoted them, what waits, what has failed, and who may know."""

from __future__ import annotations

import builtins
import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.web.board_api import (
    api_server,
    headers,
    let_time_go_by,
    login,
    pipelines,
    read_board,
    refuse,
    sandbox,
    store_handed_on,
    store_run,
    store_task,
)
from tests.integration.web.test_board import gate_of, moment, promote
from tests.integration.web.test_promotions_page import record, store

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines.standing import LadderReport, Position
from artifactory_provider.tasks.ladders import LADDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

RUN = "scheduled__2026-11-01"


@pytest.fixture
def image(pipelines: Callable[..., None], sandbox: RunningSandbox) -> str:
    """An image in dev, whose tests have said nothing yet."""
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    return "team/app"


def read_gate(server: TestClient, headers: dict[str, str], to: str = "qa") -> dict[str, Any]:
    [row] = read_board(server, headers)["rows"]
    return gate_of(row, to)


async def test_a_cell_says_by_which_run_and_by_whom_it_was_promoted(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    await promote(sandbox, f"docker-dev/{image}:1.0", "docker-qa")
    digest = str(sandbox.digest(f"docker-qa/{image}:1.0"))
    told = record(f"docker-qa/{image}", "1.0", digest=digest)
    store(
        {
            "place": f"docker-qa/{image}",
            "records": [told],
            "dag": "nightly",
            "run": "manual__1",
            "started": "manual",
            "user": "dana",
        }
    )
    [row] = read_board(api_server, headers)["rows"]
    assert row["cells"][1]["by"] == {
        "dag_id": "nightly", "run_id": "manual__1", "task_id": "promote", "map_index": -1, "user": "dana",
        "started": "manual",
    }  # fmt: skip
    assert row["cells"][0]["by"] is None
    assert read_board(api_server, headers, q="DANA")["found"] == 1
    assert read_board(api_server, headers, q="manual__1 app")["found"] == 1
    assert read_board(api_server, headers, q="erin")["found"] == 0


def test_a_task_that_waits_says_since_when_and_until(
    api_server: TestClient, headers: dict[str, str], image: str
) -> None:
    store_run("nightly", RUN)
    store_task("nightly", RUN, "ladder.verify_dev", "deferred", label=f"{image}:1.0", map_index=3)
    gate = read_gate(api_server, headers)
    assert (gate["state"], gate["reason"]) == ("verifying", "test.status is not set.")
    assert moment(gate["until"]) - moment(gate["since"]) == datetime.timedelta(hours=4)
    assert gate["link"] == {"dag_id": "nightly", "run_id": RUN, "task_id": "ladder.verify_dev", "map_index": 3}


def test_a_question_says_who_may_answer(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    store_run("nightly", RUN)
    label = f"docker-qa/{image}:1.0"
    store_task("nightly", RUN, "ladder.approve_qa", "awaiting_input", label=label, map_index=0, asks=["dana", "erin"])
    gate = read_gate(api_server, headers)
    assert (gate["state"], gate["word"], gate["may_answer"]) == ("approval", "waits for approval", ["dana", "erin"])


def test_who_may_answer_is_for_those_alone_who_may_read_questions(
    api_server: TestClient,
    headers: dict[str, str],
    image: str,
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    store_run("nightly", RUN)
    label = f"docker-qa/{image}:1.0"
    store_task("nightly", RUN, "ladder.approve_qa", "awaiting_input", label=label, map_index=0, asks=["dana"])
    assert read_gate(api_server, headers)["may_answer"] == ["dana"]

    refuse(monkeypatch, "HITL_DETAIL")
    viewer = login("viewer")
    [row] = read_board(api_server, viewer)["rows"]
    gate = gate_of(row, "qa")
    assert (gate["state"], gate["may_answer"], gate["reason"]) == ("approval", None, "The promotion is to be approved.")
    assert read_board(api_server, viewer, q="dana")["found"] == 0


def test_what_cannot_be_read_of_one_run_hides_no_task_of_another(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    bad = [{"__classname__": "nope.X", "__version__": 1, "__data__": {}}]
    bulk = store_run("retag_backfill", "bulk")
    store_handed_on(bulk, "retag_backfill", "bulk", "plan", {"return_value": bad})
    store_task("retag_backfill", "bulk", "promote", "running", map_index=0)
    number = store_run("nightly", RUN)
    store_handed_on(number, "nightly", RUN, "climb_to_prod", {LADDER: bad})
    label = f"docker-qa/{image}:1.0"
    store_task("nightly", RUN, "ladder.approve_qa", "awaiting_input", label=label, map_index=0, asks=["dana"])
    board = read_board(api_server, headers)
    [row] = board["rows"]
    assert (gate_of(row, "qa")["state"], board["trouble"]) == ("approval", None)


def test_a_promotion_on_demand_that_asks_is_found_by_its_form(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    store_run("promote_on_demand", "manual__2", conf={"image": image, "target_repository": "docker-qa"}, user="dana")
    store_task("promote_on_demand", "manual__2", "approve", "awaiting_input", asks=[])
    gate = read_gate(api_server, headers)
    assert (gate["state"], gate["link"]["dag_id"]) == ("approval", "promote_on_demand")


def test_a_task_that_has_failed_counts_until_another_tag_is_the_newest(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    store_run("nightly", RUN, state="failed")
    store_task("nightly", RUN, "ladder.promote_to_qa", "failed", label=f"{image}:1.0", map_index=0, minutes=0)
    gate = read_gate(api_server, headers)
    assert (gate["state"], "ladder.promote_to_qa has failed" in gate["reason"]) == ("failed", True)
    sandbox.push_image(f"docker-dev/{image}:1.1")
    let_time_go_by()
    assert read_gate(api_server, headers)["state"] == "verifying"


def test_what_failed_before_the_image_came_is_over(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    store_run("nightly", RUN, state="failed")
    store_task("nightly", RUN, "ladder.promote_to_qa", "failed", label=f"{image}:1.0", map_index=0, minutes=60)
    assert read_gate(api_server, headers)["state"] == "ready"


@pytest.mark.parametrize(("tag", "state"), [("1.0", "failed"), ("newest", "failed"), ("0.9", "ready")])
def test_a_promotion_on_demand_is_about_the_tag_of_its_form(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox, tag: str, state: str
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    conf = {"image": image, "target_repository": "docker-qa", "tag": tag}
    store_run("promote_on_demand", "manual__3", conf=conf, user="dana", state="failed")
    store_task("promote_on_demand", "manual__3", "promote", "failed", minutes=0)
    assert read_gate(api_server, headers)["state"] == state


def test_who_is_asked_to_set_a_refusal_aside_is_not_asked_to_approve(
    api_server: TestClient,
    headers: dict[str, str],
    image: str,
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    order = {"reason": "outage", "by": "erin", "since": "2026-11-01T00:00:00Z"}
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps({"version": 1, "stops": [order]}))
    store_run("promote_on_demand", "manual__4", conf={"image": image, "target_repository": "docker-qa"}, user="dana")
    store_task("promote_on_demand", "manual__4", "override", "awaiting_input", asks=["dana"])
    gate = read_gate(api_server, headers)
    assert (gate["state"], "outage" in gate["reason"]) == ("refused", True)
    assert gate["link"]["task_id"] == "override"


@pytest.mark.parametrize("stage", ["qa_2", "qa"])
def test_a_stage_whose_name_ends_like_that_of_a_further_tag_is_not_taken_for_one(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox, stage: str
) -> None:
    names = {"qa": "docker-qa", "qa_2": "docker-prod"}
    stages = [{"name": "dev", "repository": "docker-dev"}]
    stages += [{"name": name, "repository": key} for name, key in names.items()]
    pipelines(stages=f"stages: {json.dumps(stages)}")
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.push_image("docker-qa/team/app:1.1")
    store_run("nightly", RUN)
    tag = "1.0" if stage == "qa" else "1.1"
    store_task("nightly", RUN, f"ladder.promote_to_{stage}", "running", label=f"team/app:{tag}", map_index=0)
    [row] = read_board(api_server, headers)["rows"]
    assert [gate["to"] for gate in row["gates"] if gate["state"] == "promoting"] == [stage]


@pytest.mark.parametrize("event", [{"place": "docker-qa/other/app"}, {"dag": None}])
def test_an_event_of_nobodys_or_of_another_asset_explains_no_drift(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox, event: dict[str, Any]
) -> None:
    digest = sandbox.push_image(f"docker-qa/{image}:1.0", content="by hand")
    told = record(f"docker-qa/{image}", "1.0", digest=digest)
    store({"place": f"docker-qa/{image}", "records": [told], "dag": "nightly", "run": RUN, **event})
    [row] = read_board(api_server, headers)["rows"]
    assert (row["cells"][1]["state"], row["cells"][1]["by"]) == ("drift", None)


def test_an_event_that_is_committed_late_is_read_with_the_next_look(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    digest = sandbox.push_image(f"docker-qa/{image}:1.0", content="known")
    told = {"place": f"docker-qa/{image}", "records": [record(f"docker-qa/{image}", "1.0", digest=digest)]}
    other = {"place": "docker-qa/other/app", "records": [record("docker-qa/other/app", "1")]}
    run = {"dag": "nightly", "run": RUN}
    store(other | run, other | run, other | run)
    assert read_board(api_server, headers)["counts"]["drift"] == 1
    store(told | run, other | run, other | run)  # an older moment than what is known by now
    let_time_go_by()
    assert read_board(api_server, headers)["counts"]["drift"] == 0


def store_report(place: ImageReference, number: int, task_id: str, *, level: int, **position: Any) -> None:
    """Let a fleet's task have told where an image stands."""
    now = datetime.datetime.now(datetime.UTC)
    found = Position(reference=place, level=level, since=now, **position)
    report = LadderReport(stages=("dev", "qa", "prod"), positions=(found,), at=now).as_dict()
    store_handed_on(number, "nightly", RUN, task_id, {LADDER: report})


def test_a_fleet_tells_of_each_of_its_images_what_it_waits_for(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    place = ImageReference("docker-dev", image, "1.0", sandbox.digest(f"docker-dev/{image}:1.0"))
    number = store_run("nightly", RUN, state="failed")
    store_report(place, number, "climb_to_prod", level=0, standing="failed", reason="It has no licence.")
    gate = read_gate(api_server, headers)
    assert (gate["state"], gate["reason"]) == ("failed", "It has no licence.")
    assert gate["link"]["task_id"] == "climb_to_prod"


async def test_a_fleet_that_asks_people_says_so_of_each_image_that_has_come_there(
    api_server: TestClient, headers: dict[str, str], image: str, sandbox: RunningSandbox
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"qa.test.status": "passed"})
    await promote(sandbox, f"docker-dev/{image}:1.0", "docker-qa")
    place = ImageReference("docker-qa", image, "1.0", sandbox.digest(f"docker-qa/{image}:1.0"))
    number = store_run("nightly", RUN)
    store_report(place, number, "climb_to_qa", level=1, standing="arrived")
    store_task("nightly", RUN, "approve_prod", "awaiting_input", asks=["dana"])
    gate = read_gate(api_server, headers, "prod")
    assert (gate["state"], gate["may_answer"], gate["link"]["task_id"]) == ("approval", ["dana"], "approve_prod")
    assert gate["covers"] == 1


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"promotions": "x"},
        {"promotions": [1, {"target": 7}]},
        {"promotions": [{"target": {"reference": "\x00/:@"}}]},
    ],
)
def test_an_event_that_anybody_has_emitted_with_anything_breaks_nothing(
    api_server: TestClient, headers: dict[str, str], image: str, extra: dict[str, Any]
) -> None:
    store({"place": f"docker-qa/{image}", "extra": extra or {"x": 1}, "dag": "nightly", "run": RUN})
    board = read_board(api_server, headers)
    assert (board["trouble"], len(board["rows"])) == (None, 1)


@pytest.mark.parametrize("name", ["HITLDetail", "TaskInstance", "XComModel", "AssetEvent", "create_session"])
def test_a_name_that_airflow_lacks_costs_what_is_joined_and_not_the_board(
    api_server: TestClient, headers: dict[str, str], image: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    find = builtins.__import__

    def lacking(module: str, scope: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if (
            name in (fromlist or ())
            and (scope or {}).get("__name__") == "artifactory_provider.web.board.airflow_internals"
        ):
            raise ImportError(f"cannot import name {name!r} from {module!r} (/somewhere/secret.py)")
        return find(module, scope, locals_, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", lacking)
    board = read_board(api_server, headers)
    assert f"lacks what it needs (cannot import name {name!r}" in board["trouble"]
    assert "secret" not in board["trouble"]
    assert [row["image"] for row in board["rows"]] == [image]


async def test_who_may_not_know_of_runs_or_tasks_sees_what_the_registry_says_alone(
    api_server: TestClient,
    headers: dict[str, str],
    image: str,
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

    await promote(sandbox, f"docker-dev/{image}:1.0", "docker-qa")
    told = record(f"docker-qa/{image}", "1.0", digest=str(sandbox.digest(f"docker-qa/{image}:1.0")))
    store({"place": f"docker-qa/{image}", "records": [told], "dag": "nightly", "run": RUN, "user": "dana"})
    store_run("nightly", "later")
    store_task("nightly", "later", "ladder.verify_qa", "deferred", label=f"{image}:1.0", map_index=0)
    read_board(api_server, headers)

    refuse(monkeypatch, *(part.name for part in DagAccessEntity))
    viewer = login("viewer")
    [row] = read_board(api_server, viewer)["rows"]
    assert row["cells"][1]["by"] is None
    assert gate_of(row, "prod")["link"] is None
    assert gate_of(row, "prod")["state"] == "verifying"
    assert read_board(api_server, viewer, q="dana")["found"] == 0
