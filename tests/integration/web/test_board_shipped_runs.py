"""What the board shows of bulk runs and rollbacks: what they ask people, have under way, and have failed at."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.web.board_api import (
    api_server,
    headers,
    let_time_go_by,
    pipelines,
    read_board,
    sandbox,
    store_handed_on,
    store_run,
    store_task,
)
from tests.integration.web.test_board import gate_of, promote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

BULK, RUN = "retag_backfill", "manual__7"


@pytest.fixture
def images(pipelines: Callable[..., None], sandbox: RunningSandbox) -> Mapping[str, str]:
    """Two images in dev that have passed their tests: image → digest."""
    pipelines()
    found = {}
    for image in ("team/app", "team/web"):
        found[image] = sandbox.push_image(f"docker-dev/{image}:1.0", content=image)
        sandbox.set_properties(f"docker-dev/{image}:1.0", {"test.status": "passed"})
    return found


def promotion(image: str, digest: str, tag: str = "1.0", *, target: str = "docker-qa") -> dict[str, str]:
    return {"source": f"docker-dev/{image}:1.0@{digest}", "target": f"{target}/{image}:{tag}"}


def store_plan(chunks: Sequence[Sequence[dict[str, str]]], *, run_id: str = RUN, minute: int = 0, **more: Any) -> None:
    """Let a bulk run have made its plan."""
    number = store_run(BULK, run_id, user="dana", minute=minute)
    keys = [f"chunk_{place:04}" for place in range(1, len(chunks) + 1)]
    descriptors = [
        {"key": key, "task_id": "plan", "name": f"part {key}", "promotions": len(chunk)}
        for key, chunk in zip(keys, chunks, strict=True)
    ]
    told = dict(zip(keys, chunks, strict=True))
    store_handed_on(number, BULK, run_id, "plan", {"return_value": descriptors, **told, **more})


def read_gates(server: TestClient, headers: dict[str, str], to: str = "qa") -> dict[str, dict[str, Any]]:
    board = read_board(server, headers)
    assert board["trouble"] is None
    return {row["image"]: gate_of(row, to) for row in board["rows"]}


def states(gates: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {image: gate["state"] for image, gate in gates.items()}


def test_a_bulk_run_that_asks_says_so_of_each_image_and_how_many_one_answer_is_about(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str]
) -> None:
    other = [promotion(f"other/{number}", f"sha256:{number:064x}") for number in range(3)]
    store_plan([[promotion("team/app", images["team/app"])], other])
    store_task(BULK, RUN, "approve", "awaiting_input", asks=["dana", "erin"])
    gates = read_gates(api_server, headers)
    assert states(gates) == {"team/app": "approval", "team/web": "ready"}
    gate = gates["team/app"]
    assert gate["reason"] == "The promotion is to be approved by dana, erin."
    assert (gate["covers"], gate["may_answer"], gate["is_rollback"]) == (4, ["dana", "erin"], False)
    assert gate["link"] == {"dag_id": BULK, "run_id": RUN, "task_id": "approve", "map_index": -1}


def test_each_chunk_of_a_bulk_run_is_about_its_own_images(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str]
) -> None:
    store_plan([[promotion(image, digest)] for image, digest in images.items()])
    store_task(BULK, RUN, "promote", "queued", map_index=0)
    store_task(BULK, RUN, "promote", "failed", map_index=1, minutes=0)
    gates = read_gates(api_server, headers)
    assert states(gates) == {"team/app": "promoting", "team/web": "failed"}
    assert "The task promote has failed" in gates["team/web"]["reason"]
    assert gates["team/web"]["link"]["map_index"] == 1


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"tag": "stable"}, "ready"),
        ({"digest": f"sha256:{'0' * 64}"}, "ready"),
        ({"target": "docker-prod"}, "ready"),
        ({}, "approval"),
    ],
)
def test_what_a_bulk_run_promotes_beside_the_ladder_is_not_taken_for_a_step_of_it(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str], changed: dict[str, str], state: str
) -> None:
    store_plan([[promotion("team/app", **{"digest": images["team/app"], **changed})]])
    store_task(BULK, RUN, "approve", "awaiting_input", asks=[])
    assert read_gates(api_server, headers)["team/app"]["state"] == state


def test_a_bulk_run_that_is_done_is_over(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str]
) -> None:
    store_plan([[promotion("team/app", images["team/app"])]])
    store_task(BULK, RUN, "approve", "success")
    store_task(BULK, RUN, "promote", "success", map_index=0)
    assert states(read_gates(api_server, headers)) == {"team/app": "ready", "team/web": "ready"}


HOSTILE: Sequence[Any] = (
    None,
    "<script>alert(1)</script>",
    [None, 7, {"key": ["chunk_0001"]}, {"promotions": -1}, {"promotions": True}],
    [{"key": "chunk_0001", "task_id": "plan", "name": "x", "promotions": 10**9}],
    [{"key": "chunk_0001", "task_id": "plan", "name": "x", "promotions": 2}],
    [{"key": "\ud800", "task_id": "plan", "name": "x", "promotions": 1}],
)


@pytest.mark.parametrize("told", HOSTILE)
def test_a_plan_of_anything_costs_the_board_nothing(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str], told: Any
) -> None:
    store_plan([], chunk_0001=[promotion("team/app", images["team/app"])])
    number = store_run(BULK, "manual__8", user="dana", minute=1)
    store_handed_on(
        number, BULK, "manual__8", "plan", {"return_value": told, "chunk_0001": ["<b>", {"source": 1, "target": None}]}
    )
    store_task(BULK, "manual__8", "approve", "awaiting_input", asks=[])
    store_task(BULK, "manual__8", "promote", "running", map_index=0)
    assert states(read_gates(api_server, headers)) == {"team/app": "ready", "team/web": "ready"}


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The queries to Airflow's database."""
    from airflow.utils.session import create_session
    from sqlalchemy import event

    with create_session() as session:
        engine = session.get_bind()
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def find_tasks(statements: list[str]) -> tuple[dict[Any, list[Any]], int]:
    """Return what tasks are at, and how many queries that took."""
    from artifactory_provider.web.board.airflow_internals import open_session
    from artifactory_provider.web.board.task_findings import find_all_tasks

    statements.clear()
    with open_session() as session:
        found = find_all_tasks(session, read_ladders(), now=datetime.datetime.now(datetime.UTC))
    return found, sum(one.lstrip().upper().startswith("SELECT") for one in statements)


def read_ladders() -> Sequence[Any]:
    from artifactory_provider.web.board import access

    return access.snapshots.get()[0].pipelines


@pytest.mark.usefixtures("images")
def test_however_many_bulk_runs_there_are_they_take_two_queries_and_none_where_there_are_none(
    api_server: TestClient, headers: dict[str, str], statements: list[str]
) -> None:
    read_board(api_server, headers)
    assert find_tasks(statements)[1] == 2  # reports, tasks
    for number in range(6):
        chunks = [[promotion(f"team/{number}", f"sha256:{place:064x}")] for place in range(50)]
        store_plan(chunks, run_id=f"manual__{number}", minute=number)
        for place in range(50):
            store_task(BULK, f"manual__{number}", "promote", "running", map_index=place)
    found, queries = find_tasks(statements)
    assert (sum(map(len, found.values())), queries) == (300, 4)


@pytest.mark.usefixtures("images")
def test_of_very_large_plans_the_newest_ten_thousand_promotions_are_read(
    api_server: TestClient, headers: dict[str, str], statements: list[str]
) -> None:
    read_board(api_server, headers)
    for number in range(3):
        chunks = [
            [promotion(f"team/{number}-{place}", f"sha256:{one:064x}", tag=f"1.{one}") for one in range(1000)]
            for place in range(6)
        ]
        store_plan(chunks, run_id=f"manual__{number}", minute=number)
        store_task(BULK, f"manual__{number}", "approve", "awaiting_input", asks=[])
    found, queries = find_tasks(statements)
    read = [task for tasks in found.values() for task in tasks]
    assert (len(read), queries, {task.covers for task in read}) == (10_000, 4, {6000})
    assert {run: sum(task.run_id == run for task in read) for run in ("manual__2", "manual__1", "manual__0")} == {
        "manual__2": 6000, "manual__1": 4000, "manual__0": 0,
    }  # fmt: skip


ROLLBACK = {"repository": " docker-qa ", "image": "team/app", "tag": "1.0", "reason": "it crashes"}


async def start_rollback(sandbox: RunningSandbox, task_id: str, state: str, **task: Any) -> None:
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa")
    store_run("rollback", RUN, conf=ROLLBACK, user="dana", state="failed" if state == "failed" else "running")
    store_task("rollback", RUN, task_id, state, **{"minutes": 0, **task})


async def test_a_rollback_that_asks_stands_before_the_stage_that_it_is_about(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str], sandbox: RunningSandbox
) -> None:
    await start_rollback(sandbox, "approve", "awaiting_input", asks=["dana"])
    gates = read_gates(api_server, headers)
    gate = gates["team/app"]
    assert (gate["state"], gate["reason"]) == ("approval", "The rollback of 1.0 is to be approved by dana.")
    assert (gate["is_rollback"], gate["tag"], gate["target_tag"], gate["digest"]) == (True, "1.0", "1.0", None)
    assert (gate["link"]["dag_id"], gate["covers"]) == ("rollback", 1)
    assert gates["team/web"]["state"] == "ready"
    assert read_gates(api_server, headers, "prod")["team/app"]["link"] is None


@pytest.mark.parametrize(
    ("task_id", "state", "shown", "reason"),
    [
        ("override", "awaiting_input", "refused", "The rollback of 1.0 is refused by a rule"),
        ("roll_back", "running", "promoting", "The rollback of 1.0 is under way."),
        ("roll_back", "failed", "failed", "The rollback of 1.0 has failed in the task roll_back"),
    ],
)
async def test_a_rollback_says_how_far_it_is(
    api_server: TestClient,
    headers: dict[str, str],
    images: Mapping[str, str],
    sandbox: RunningSandbox,
    task_id: str,
    state: str,
    shown: str,
    reason: str,
) -> None:
    await start_rollback(sandbox, task_id, state)
    gate = read_gates(api_server, headers)["team/app"]
    assert (gate["state"], gate["reason"][: len(reason)]) == (shown, reason)


async def test_a_rollback_of_a_held_tag_can_be_answered_on_the_board(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str], sandbox: RunningSandbox
) -> None:
    await start_rollback(sandbox, "approve", "awaiting_input", asks=[])
    sandbox.set_properties("docker-qa/team/app:1.0", {"promotion.hold": "incident 4711"})
    sandbox.push_image("docker-dev/team/app:1.0", content="newer")
    assert read_gates(api_server, headers)["team/app"]["state"] == "approval"


async def test_a_rollback_that_has_failed_is_over_once_the_stage_shows_something_newer(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str], sandbox: RunningSandbox
) -> None:
    await start_rollback(sandbox, "roll_back", "failed")
    assert read_gates(api_server, headers)["team/app"]["state"] == "failed"
    sandbox.push_image("docker-qa/team/app:1.0", content="another")
    let_time_go_by()
    assert read_gates(api_server, headers)["team/app"]["state"] != "failed"


@pytest.mark.parametrize("conf", [{}, {**ROLLBACK, "tag": "<b>"}, {**ROLLBACK, "image": 7}, {**ROLLBACK, "tag": None}])
def test_a_rollback_of_anything_costs_the_board_nothing(
    api_server: TestClient, headers: dict[str, str], images: Mapping[str, str], conf: dict[str, Any]
) -> None:
    store_run("rollback", RUN, conf=conf, user="dana")
    store_task("rollback", RUN, "approve", "awaiting_input", asks=[])
    assert states(read_gates(api_server, headers)) == {"team/app": "ready", "team/web": "ready"}
