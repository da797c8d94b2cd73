"""A registry that is slow, has too much to do, or is down, and one that holds malice: the board says so, and stays."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply
from tests.integration.web.board_api import BOARD, api_server, headers, let_time_go_by, pipelines, read_board, sandbox
from tests.integration.web.test_promotions_page import store

from artifactory_provider.board.gates import judge_gates
from artifactory_provider.board.states import CellState
from artifactory_provider.web.board.models import Cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def board(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> dict[str, Any]:
    """A board that has been looked at once."""
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    return read_board(api_server, headers)


def renew(server: TestClient, headers: dict[str, str]) -> dict[str, Any]:
    """Return the board after the registry was looked at anew."""
    let_time_go_by()
    return read_board(server, headers)


@pytest.mark.parametrize(
    "fault",
    [{"effect": "status", "status": 429, "retry_after": 30}, {"effect": "status", "status": 500}, {"effect": "reset"}],
)
def test_a_server_that_fails_leaves_the_board_as_it_was_with_its_age_and_the_reason(
    api_server: TestClient,
    headers: dict[str, str],
    board: dict[str, Any],
    sandbox: RunningSandbox,
    fault: dict[str, Any],
) -> None:
    sandbox.push_image("docker-dev/team/other:1.0")
    sandbox.add_fault(**fault, path="*/search/aql")
    failed = renew(api_server, headers)
    assert failed["as_of"] == board["as_of"]
    assert failed["rows"] == board["rows"]
    assert "could not be asked" in failed["trouble"]
    sandbox.clear_faults()
    mended = renew(api_server, headers)
    assert mended["trouble"] is None
    assert mended["found"] == 2


def test_one_stage_that_cannot_be_read_keeps_what_it_showed_and_the_others_go_on(
    api_server: TestClient,
    headers: dict[str, str],
    board: dict[str, Any],
    sandbox: RunningSandbox,
    gateway: Gateway,
) -> None:
    sandbox.push_image("docker-dev/team/app:1.1")
    gateway.rule(
        "POST", "/search/aql", fits=lambda seen: b"docker-prod" in seen.body, reply=Reply(403), does_work=False
    )
    found = renew(api_server, headers)
    assert found["trouble"].startswith("docker-prod could not be looked at")
    assert found["as_of"] == board["as_of"]
    [row] = found["rows"]
    assert [cell["state"] for cell in row["cells"]] == ["current", "empty", "empty"]
    assert row["cells"][0]["tag"] == "1.1"


def test_a_slow_server_holds_up_no_answer_and_is_asked_once_for_all_who_look(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.add_fault("latency", seconds=1, path="*/search/aql")
    held_up: list[bool] = []

    def look() -> None:
        answer = api_server.get(BOARD, params={"refresh": "true"}, headers=headers)
        held_up.append(not answer.json()["is_refreshing"])

    viewers = [threading.Thread(target=look) for _ in range(10)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    assert held_up == [False] * 10
    assert read_board(api_server, headers)["found"] == 1
    asked = [request for request in sandbox.requests if request.path.endswith("/search/aql")]
    assert len(asked) == 7  # two for each of three stages, and what is rejected anywhere


def test_who_asks_for_a_refresh_again_and_again_has_the_registry_asked_once_in_some_seconds(
    api_server: TestClient, headers: dict[str, str], board: dict[str, Any], sandbox: RunningSandbox
) -> None:
    before = len(sandbox.requests)
    for _ in range(20):
        read_board(api_server, headers, refresh="true")
    assert len(sandbox.requests) - before <= 7


def test_a_connection_that_cannot_work_is_said_and_is_no_error(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines()
    monkeypatch.delenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT")
    board = read_board(api_server, headers)
    assert "artifactory_default" in board["trouble"]
    assert (board["as_of"], board["rows"]) == (None, [])


def test_a_pipeline_file_that_cannot_be_read_is_said_and_the_others_are_shown(
    api_server: TestClient, headers: dict[str, str], board: dict[str, Any], pipelines: Callable[..., None]
) -> None:
    pipelines("broken", "images: 7")
    found = renew(api_server, headers)
    assert found["trouble"] == "broken.yaml cannot be read, so its ladder is not shown."
    assert [ladder["name"] for ladder in found["ladders"]] == ["nightly"]


def test_hostile_properties_and_tags_stay_text_in_json(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.set_properties(
        "docker-dev/team/app:1.0", {"promotion.rejected": HOSTILE, "promotion.rejected.by": "\x1b[31m=1+1"}
    )
    answer = api_server.get(BOARD, headers=headers)
    board = read_board(api_server, headers)
    [row] = board["rows"]
    assert HOSTILE in row["cells"][0]["reason"]
    assert "\x1b" not in row["cells"][0]["reason"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    "query", [{"state": "odd"}, {"limit": 501}, {"start": -1}, {"q": "x" * 401}, {"ladder": "x" * 251}]
)
def test_what_cannot_be_asked_is_refused(
    api_server: TestClient, headers: dict[str, str], query: dict[str, Any]
) -> None:
    assert api_server.get(BOARD, params=query, headers=headers).status_code == 422


def test_a_nul_in_a_search_is_refused_and_a_search_for_nothing_finds_all(
    api_server: TestClient, headers: dict[str, str], board: dict[str, Any]
) -> None:
    assert api_server.get(BOARD, params={"q": "\x00"}, headers=headers).status_code == 400
    assert read_board(api_server, headers, q="  ")["found"] == 1
    assert read_board(api_server, headers, q="((")["found"] == 0


def test_favourites_come_first_and_pages_go_on_where_the_last_has_ended(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for number in range(7):
        sandbox.push_image(f"docker-dev/team/app-{number}:1.0", content="same")
    read_board(api_server, headers)
    pages = [read_board(api_server, headers, images="team/app-5", start=start, limit=3)["rows"] for start in (0, 3, 6)]
    images = [row["image"].removeprefix("team/app-") for page in pages for row in page]
    assert images == ["5", "0", "1", "2", "3", "4", "6"]


@pytest.mark.parametrize("text", ["rules: [", "version: 1\nrules: [{target: 7}]"])
def test_a_policy_that_nobody_can_read_leaves_no_gate_open(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed"})
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", text)
    board = read_board(api_server, headers)
    gate = board["rows"][0]["gates"][0]
    assert (gate["state"], board["counts"]["ready"]) == ("unknown", 0)
    assert gate["reason"].startswith("What the rules say of nightly cannot be told: ")
    assert gate["reason"] in board["trouble"]


def test_rows_stand_on_the_board_once_when_judging_them_fails_in_its_middle(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from artifactory_provider.web.board import looking

    pipelines("a_first", "images: [team/*]")
    pipelines("b_second", "images: [other/*]")
    for image in ("team/app", "other/app"):
        sandbox.push_image(f"docker-dev/{image}:1.0")
    assert read_board(api_server, headers)["found"] == 2

    async def fail(rows: Any, pipeline: Any, *more: Any) -> Any:
        if pipeline.name == "b_second":
            raise RuntimeError("odd")
        return await judge_gates(rows, pipeline, *more)

    monkeypatch.setattr(looking, "judge_gates", fail)
    board = renew(api_server, headers)
    assert sorted(row["image"] for row in board["rows"]) == ["other/app", "team/app"]
    assert "RuntimeError" in board["trouble"]


def test_two_servers_with_a_repository_of_one_key_are_told_apart_and_the_dead_one_ages_alone(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    artifactory_sandbox_factory: Callable[..., RunningSandbox],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    other = artifactory_sandbox_factory(None)
    fields = {"conn_type": "artifactory", "host": other.url, "login": other.username, "password": other.password}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(fields))
    pipelines()
    pipelines("z_other", "images: [other/*]\nconnection: other")
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.push_image("docker-dev/other/app:0.9")
    other.push_image("docker-dev/team/app:0.8")
    other.push_image("docker-dev/other/app:1.0")
    read_board(api_server, headers)
    stage = "/artifactory/board/stage.json"
    here = read_board(api_server, headers, stage, repository="docker-dev")["rows"]
    there = read_board(api_server, headers, stage, repository="docker-dev", connection="other")["rows"]
    assert [[(row["image"], row["tag"]) for row in rows] for rows in (here, there)] == [
        [("team/app", "1.0")],
        [("other/app", "1.0")],
    ]
    with monkeypatch.context() as patch:
        patch.setattr(SimpleAuthManager, "get_authorized_dag_ids", lambda *_, **__: {"z_other"})
        seen = read_board(api_server, headers, stage, repository="docker-dev")["rows"]
    assert [row["image"] for row in seen] == ["other/app"]
    sandbox.push_image("docker-dev/team/app:1.1")
    other.add_fault("status", status=500)
    board = renew(api_server, headers)
    times = {ladder["name"]: ladder["as_of"] for ladder in board["ladders"]}
    assert times["nightly"] > times["z_other"] == board["as_of"]
    assert [row["cells"][0]["tag"] for row in board["rows"]] == ["1.1", "1.0"]


def test_what_changes_after_a_look_has_begun_is_looked_at_next_when_somebody_has_asked_for_it() -> None:
    from artifactory_provider.web.board.snapshots import Snapshots

    now, begun, go_on = [0.0], threading.Event(), threading.Event()

    def folder() -> Path:
        begun.set()
        go_on.wait(20)
        raise OSError

    snapshots = Snapshots(folder, clock=lambda: now[0])
    snapshots.get()
    assert begun.wait(20)
    now[0] = 7.0
    assert snapshots.get(refresh=True)[1]  # an action has ended, and the look that runs has begun before
    go_on.set()
    snapshots.wait()
    begun.clear()
    assert snapshots.get()[1]
    assert begun.wait(20)
    snapshots.wait()


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from artifactory_provider.web.board.snapshots import Snapshots

    snapshots = Snapshots(lambda: Path("/nowhere"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _cannot_start)
        with pytest.raises(RuntimeError):
            snapshots.get()
    assert snapshots.get()[1]
    snapshots.wait()


def _cannot_start(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_half_a_character_in_a_property_an_event_or_a_label_is_no_error(
    api_server: TestClient, headers: dict[str, str], board: dict[str, Any], sandbox: RunningSandbox
) -> None:
    half = "\ud800"
    told = {"target": {"reference": "docker-qa/team/app:1.0"}, "digest": half, "outcome": "promoted"}
    store({"place": "docker-qa/team/app", "records": [told], "dag": "nightly", "run": "r"})
    found = renew(api_server, headers)
    assert found["trouble"] is None
    for path in ("/artifactory/board/image.json", "/artifactory/promotions.json"):
        assert api_server.get(path, params={"image": "team/app"}, headers=headers).status_code == 200
    cell = Cell(
        stage=half,
        repository="docker-dev",
        tag=half,
        digest=None,
        updated=None,
        state=CellState.CURRENT,
        word="",
        reason=half,
        behind=0,
        by=None,
        pushed_by=half,
        tags=1,
        url="",
    )
    assert cell.pushed_by == "?"
    assert cell.model_dump_json()
