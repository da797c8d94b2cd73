"""A registry that is slow, has too much to do, or is down, and one that holds malice: the board says so, and stays."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply
from tests.integration.web.board_api import BOARD, api_server, headers, let_time_go_by, pipelines, read_board, sandbox

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
    longest: list[float] = []

    def look() -> None:
        begun = time.monotonic()
        answer = api_server.get(BOARD, params={"refresh": "true"}, headers=headers)
        assert answer.json()["is_refreshing"]
        longest.append(time.monotonic() - begun)

    viewers = [threading.Thread(target=look) for _ in range(10)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    assert len(longest) == 10
    assert max(longest) < 5
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
