"""A stage as a table, two stages side by side, and both as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.web.board_api import api_server, headers, login, pipelines, read_board, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

STAGE, DIFFERENCE = "/artifactory/board/stage", "/artifactory/board/difference"
REVISION, SOURCE = (f"docker.label.org.opencontainers.image.{name}" for name in ("revision", "source"))


def label(sandbox: RunningSandbox, reference: str, revision: str, source: str = "https://git.example/team/app") -> None:
    sandbox.set_properties(reference, {REVISION: revision, SOURCE: source})


def read_csv(server: TestClient, headers: dict[str, str], path: str, **query: str) -> list[dict[str, str]]:
    answer = server.get(path, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(answer.text.splitlines()))


def test_a_stage_is_shown_tag_by_tag_searched_and_paged_on_the_server(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for number in range(12):
        sandbox.push_image(f"docker-dev/team/app-{number:02}:1.{number}", content="the same")
    page = read_board(api_server, headers, f"{STAGE}.json", repository="docker-dev", start=10, limit=5)
    assert (page["found"], [row["image"] for row in page["rows"]]) == (12, ["team/app-10", "team/app-11"])
    found = read_board(api_server, headers, f"{STAGE}.json", repository="docker-dev", q="APP-07 1.7")
    assert [row["tag"] for row in found["rows"]] == ["1.7"]
    assert found["rows"][0]["is_shown"]
    rows = read_csv(api_server, headers, f"{STAGE}.csv", repository="docker-dev")
    assert [row["tag"] for row in rows] == [f"1.{number}" for number in range(12)]


def test_more_than_a_page_of_a_stage_is_one_answer_where_that_is_asked_for(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for number in range(501):
        sandbox.push_image(f"docker-dev/team/app:1.{number}", content="the same")
    whole = read_board(api_server, headers, f"{STAGE}.json", repository="docker-dev", limit=100_000)
    assert len(whole["rows"]) == whole["found"] == 501


def test_two_stages_are_compared_image_by_image_with_a_link_to_what_changed(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for repository, tag, revision in (("docker-qa", "1.1", "b" * 40), ("docker-prod", "1.0", "a" * 40)):
        sandbox.push_image(f"{repository}/team/app:{tag}", content=tag)
        label(sandbox, f"{repository}/team/app:{tag}", revision)
        sandbox.push_image(f"{repository}/team/same:1.0", content="same")
    sandbox.push_image("docker-qa/team/new:1.0")
    found = read_board(api_server, headers, f"{DIFFERENCE}.json", **{"from": "docker-prod", "to": "docker-qa"})
    assert [(row["image"], row["difference"]) for row in found["rows"]] == [
        ("team/app", "another tag"),
        ("team/new", "only in the second"),
        ("team/same", "same"),
    ]
    assert found["counts"]["same"] == 1
    assert (found["from"], found["to"]) == ("docker-prod", "docker-qa")
    assert found["rows"][0]["compare"] == f"https://git.example/team/app/compare/{'a' * 40}...{'b' * 40}"
    assert found["rows"][0]["after"]["revision"] == "b" * 40
    rows = read_csv(
        api_server,
        headers,
        f"{DIFFERENCE}.csv",
        **{"from": "docker-prod", "to": "docker-qa", "difference": "another tag"},
    )
    assert [(row["first_tag"], row["second_tag"]) for row in rows] == [("1.0", "1.1")]


@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert(1)",
        "https://me:secret@git.example/a",
        "//git.example/a",
        "https://git.example/?a",
        "https://[",
    ],
)
def test_a_label_that_is_no_web_address_becomes_no_link(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    source: str,
) -> None:
    pipelines()
    for repository, revision in (("docker-qa", "b" * 40), ("docker-prod", "a" * 40)):
        sandbox.push_image(f"{repository}/team/app:1.0", content=repository)
        label(sandbox, f"{repository}/team/app:1.0", revision, source)
    found = read_board(api_server, headers, f"{DIFFERENCE}.json", **{"from": "docker-prod", "to": "docker-qa"})
    assert found["rows"][0]["compare"] == ""


def test_no_cell_of_the_csv_is_a_formula(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for repository in ("docker-dev", "docker-qa"):
        sandbox.push_image(f"{repository}/team/app:1.0")
        label(sandbox, f"{repository}/team/app:1.0", '=HYPERLINK("https://git.example","x")')
    rows = read_csv(api_server, headers, f"{DIFFERENCE}.csv", **{"from": "docker-dev", "to": "docker-qa"})
    assert rows == []  # nothing is known before the first look
    read_board(api_server, headers)
    [row] = read_csv(api_server, headers, f"{DIFFERENCE}.csv", **{"from": "docker-dev", "to": "docker-qa"})
    assert row["first_revision"].startswith("'=HYPERLINK")


def test_what_is_no_stage_of_a_ladder_that_the_user_may_read_is_not_shown(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    pipelines()
    pipelines("other", "images: [secret/*]", stages="stages: [{repository: docker-dev}, {repository: docker-transit}]")
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.push_image("docker-dev/secret/app:1.0")
    read_board(api_server, headers)
    monkeypatch.setattr(SimpleAuthManager, "get_authorized_dag_ids", lambda *_, **__: {"nightly"})
    viewer = login("viewer")
    board: dict[str, Any] = read_board(api_server, viewer)
    assert [row["image"] for row in board["rows"]] == ["team/app"]
    assert [ladder["name"] for ladder in board["ladders"]] == ["nightly"]
    stage = read_board(api_server, viewer, f"{STAGE}.json", repository="docker-dev")
    assert [row["image"] for row in stage["rows"]] == ["team/app"]
    for path in (f"{STAGE}.json", f"{STAGE}.csv"):
        assert api_server.get(path, params={"repository": "docker-transit"}, headers=viewer).status_code == 404
    other = {"from": "docker-dev", "to": "docker-transit"}
    assert api_server.get(f"{DIFFERENCE}.json", params=other, headers=viewer).status_code == 404


@pytest.mark.parametrize("path", [f"{STAGE}.json", f"{STAGE}.csv", f"{DIFFERENCE}.json", f"{DIFFERENCE}.csv"])
def test_nobody_sees_a_stage_without_a_session(api_server: TestClient, path: str) -> None:
    query = {"repository": "docker-dev", "from": "docker-dev", "to": "docker-qa"}
    assert api_server.get(path, params=query).status_code in {401, 403}
