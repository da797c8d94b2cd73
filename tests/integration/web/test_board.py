"""The board's JSON: what stands in each stage, and what stands between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.web.board_api import BOARD, api_server, headers, pipelines, read_board, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]


def test_a_row_shows_the_newest_tag_of_each_stage_and_by_how_many_it_is_behind(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for version in ("1.0", "1.1", "1.2"):
        sandbox.push_image(f"docker-dev/team/app:{version}", content=version)
    digest = sandbox.push_image("docker-qa/team/app:1.0", content="1.0")
    sandbox.push_image("docker-dev/other/app:1.0")
    board = read_board(api_server, headers)

    [row] = board["rows"]
    assert (row["image"], row["ladder"]) == ("team/app", "nightly")
    assert [(cell["stage"], cell["tag"], cell["word"]) for cell in row["cells"]] == [
        ("dev", "1.2", "current"),
        ("qa", "1.0", "behind by 2"),
        ("prod", None, "empty"),
    ]
    assert row["cells"][1]["digest"] == digest
    assert row["cells"][0]["tags"] == 3
    assert [(gate["from"], gate["to"], gate["tag"]) for gate in row["gates"]] == [
        ("dev", "qa", "1.2"),
        ("qa", "prod", "1.0"),
    ]
    [ladder] = board["ladders"]
    assert [stage["repository"] for stage in ladder["stages"]] == ["docker-dev", "docker-qa", "docker-prod"]
    assert board["counts"]["behind"] == 1
    assert board["trouble"] is None


def test_the_first_answer_waits_for_nothing_and_says_that_the_registry_is_being_looked_at(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None]
) -> None:
    pipelines()
    first = api_server.get(BOARD, headers=headers).json()
    assert first["is_refreshing"]
    assert first["as_of"] is None
    assert read_board(api_server, headers)["as_of"] is not None


def test_nobody_sees_the_board_without_a_session(api_server: TestClient) -> None:
    assert api_server.get(BOARD).status_code == 401
