"""What the board offers a user to do: what Airflow would let them, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.dag_processing.dagbag import DagBag
from tests.integration.web.board_api import api_server, headers, login, pipelines, read_board, sandbox, store_dag

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

ACTIONS = "/artifactory/board/actions.json"
SHIPPED = ("promote_on_demand", "retag_backfill", "rollback", "hold_or_reject", "stop_the_line")


@pytest.fixture
def shipped(pipelines: Callable[..., None]) -> None:
    pipelines()
    for dag_id in SHIPPED:
        store_dag(dag_id)


@pytest.mark.usefixtures("shipped")
def test_a_user_who_may_trigger_is_offered_each_deed_with_the_fields_of_its_form(api_server: TestClient) -> None:
    found = api_server.get(ACTIONS, headers=login("user")).json()
    assert found["user"] == "user"
    assert {one["dag_id"] for one in found["actions"]} == set(SHIPPED)
    bag = DagBag("dags")
    for one in found["actions"]:
        form = bag.dags[one["dag_id"]].params
        assert {*one["fields"].values(), *one["conf"], *one["lists"]} <= set(form), one["action"]
        for name, value in one["conf"].items():
            assert value in form.get_param(name).schema["enum"]
        for name in one["fields"].values():
            is_list = "array" in form.get_param(name).schema.get("type", "")
            assert is_list == (name in one["lists"]), name


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("deed", "seen"),
    [
        ("promote", {"digest", "replaces"}),
        ("roll_back", {"replaces"}),
        ("hold", {"digest"}),
        ("lift_hold", {"digest"}),
        ("reject", {"digest"}),
        ("lift_rejection", {"digest"}),
    ],
)
def test_what_is_done_to_a_tag_can_be_bound_to_the_digests_that_were_seen(
    api_server: TestClient, headers: dict[str, str], deed: str, seen: set[str]
) -> None:
    found = {one["action"]: one["fields"] for one in api_server.get(ACTIONS, headers=headers).json()["actions"]}
    assert seen <= found[deed].keys()


@pytest.mark.usefixtures("shipped")
def test_a_viewer_is_offered_nothing(api_server: TestClient) -> None:
    assert api_server.get(ACTIONS, headers=login("viewer")).json()["actions"] == []


@pytest.mark.usefixtures("shipped")
def test_a_ladder_can_be_run_and_its_tasks_cleared_and_answered(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    read_board(api_server, headers)
    found = api_server.get(ACTIONS, params={"ladder": "nightly"}, headers=headers).json()["actions"]
    own = {one["action"]: one["path"] for one in found if one["dag_id"] == "nightly"}
    assert own["run"] == "/api/v2/dags/nightly/dagRuns"
    assert own["retry"] == "/api/v2/dags/nightly/clearTaskInstances"
    assert own["answer"].startswith("/api/v2/dags/nightly/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/")


@pytest.mark.usefixtures("shipped")
def test_what_this_airflow_does_not_have_is_not_offered(api_server: TestClient, headers: dict[str, str]) -> None:
    store_dag("rollback", is_stale=True)
    actions = api_server.get(ACTIONS, headers=headers).json()["actions"]
    assert "roll_back" not in {one["action"] for one in actions}


def test_nobody_is_told_without_a_session(api_server: TestClient) -> None:
    assert api_server.get(ACTIONS).status_code == 401
