"""The board's JSON: what stands in each stage, and what stands between two."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.web.board_api import BOARD, api_server, headers, pipelines, read_board, sandbox

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.promote import promote as promote_one
from artifactory_provider.promotion.request import Promotion, PromotionOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]


async def test_a_row_shows_the_newest_tag_of_each_stage_and_by_how_many_it_is_behind(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for version in ("1.0", "1.1", "1.2"):
        sandbox.push_image(f"docker-dev/team/app:{version}", content=version)
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa")
    sandbox.push_image("docker-dev/other/app:1.0")
    board = read_board(api_server, headers)

    [row] = board["rows"]
    assert (row["image"], row["ladder"]) == ("team/app", "nightly")
    assert [(cell["stage"], cell["tag"], cell["word"]) for cell in row["cells"]] == [
        ("dev", "1.2", "current"),
        ("qa", "1.0", "behind by 2"),
        ("prod", None, "empty"),
    ]
    assert row["cells"][1]["digest"] == sandbox.digest("docker-dev/team/app:1.0")
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


def gate_of(row: dict[str, Any], to: str) -> dict[str, Any]:
    """Return the gate in front of a stage."""
    return next(gate for gate in row["gates"] if gate["to"] == to)


def test_a_gate_says_which_verdict_is_missing_and_how_long_it_is_waited_for(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for name, verdict in (("waits", None), ("failed", "failed"), ("ready", "passed")):
        sandbox.push_image(f"docker-dev/team/{name}:1.0")
        if verdict:
            sandbox.set_properties(f"docker-dev/team/{name}:1.0", {"test.status": verdict})
    rows = {row["image"]: row for row in read_board(api_server, headers)["rows"]}
    waits = gate_of(rows["team/waits"], "qa")
    assert (waits["state"], waits["reason"]) == ("verifying", "test.status is not set.")
    assert moment(waits["until"]) - moment(waits["since"]) == datetime.timedelta(hours=4)
    failed = gate_of(rows["team/failed"], "qa")
    assert (failed["state"], failed["reason"]) == ("failed", "test.status is 'failed'.")
    assert gate_of(rows["team/ready"], "qa")["state"] == "ready"


def test_what_stands_in_a_later_stage_and_no_promotion_explains_is_drift_with_who_has_pushed_it(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.push_image("docker-prod/team/app:1.0", content="by hand")
    board = read_board(api_server, headers, state="drift")
    [row] = board["rows"]
    prod = row["cells"][2]
    assert (prod["state"], prod["pushed_by"]) == ("drift", sandbox.username)
    assert "No promotion explains it. It was pushed by" in prod["reason"]
    assert board["counts"]["drift"] == 1


async def test_drift_under_an_older_tag_than_the_one_that_stands_for_the_image_is_shown_too(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    await promote(sandbox, "docker-dev/team/app:2.0", "docker-qa")
    for tag in ("1.0", "1.1", "1.2", "1.3"):
        sandbox.push_image(f"docker-qa/team/app:{tag}", content=tag)
    [row] = read_board(api_server, headers, state="drift")["rows"]
    qa = row["cells"][1]
    assert (qa["tag"], qa["state"], qa["pushed_by"]) == ("2.0", "drift", None)
    assert qa["reason"].startswith("1.0 stands there, too. No promotion explains it. It was pushed by")
    assert qa["reason"].endswith("Nor does one explain 1.1, 1.2 and 1 more.")


async def test_what_was_promoted_is_explained_by_its_record(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa")
    [row] = read_board(api_server, headers)["rows"]
    assert [cell["state"] for cell in row["cells"]] == ["current", "current", "empty"]


def test_a_rejected_digest_a_held_tag_and_a_conflict_stand_in_the_way_each_by_its_name(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for name in ("rejected", "held", "conflict"):
        sandbox.push_image(f"docker-dev/team/{name}:1.0")
    sandbox.set_properties("docker-dev/team/rejected:1.0", {"promotion.rejected": "it leaks"})
    for name in ("held", "conflict"):
        sandbox.push_image(f"docker-qa/team/{name}:1.0", content=name)
    sandbox.set_properties("docker-qa/team/held:1.0", {"promotion.hold": "wait for the fix"})
    rows = {row["image"]: row for row in read_board(api_server, headers)["rows"]}
    assert gate_of(rows["team/rejected"], "qa")["state"] == "rejected"
    assert "it leaks" in rows["team/rejected"]["cells"][0]["reason"]
    assert gate_of(rows["team/held"], "qa")["state"] == "held"
    assert "wait for the fix" in gate_of(rows["team/held"], "qa")["reason"]
    assert gate_of(rows["team/conflict"], "qa")["state"] == "conflict"


def test_a_stop_is_shown_and_refuses_what_would_be_ready(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed"})
    order = {
        "reason": "outage",
        "by": "dana",
        "since": "2026-11-01T00:00:00+00:00",
        "targets": {"repositories": ["docker-qa"]},
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps({"version": 1, "stops": [order]}))
    board = read_board(api_server, headers)
    assert [(stop["reason"], stop["by"], stop["repositories"]) for stop in board["stops"]] == [
        ("outage", "dana", ["docker-qa"])
    ]
    gate = gate_of(board["rows"][0], "qa")
    assert (gate["state"], "by dana" in gate["reason"]) == ("refused", True)


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


async def promote(sandbox: RunningSandbox, source: str, repository: str, **options: Any) -> None:
    """Push an image where it is not there yet, and promote it as tasks do."""
    if sandbox.digest(source) is None:
        sandbox.push_image(source)
    from_ = ImageReference.parse(source)
    settings = ServerSettings(base_url=sandbox.url, authentication=Basic(sandbox.username, sandbox.password))
    async with ArtifactoryClient(settings) as client:
        target = ImageReference(repository, from_.image, from_.tag)
        await promote_one(client, Promotion(source=from_, target=target, options=PromotionOptions(**options)))


@pytest.mark.parametrize(("further", "state"), [("", "ready"), ("other", "conflict")])
async def test_all_tags_that_an_image_would_get_are_judged_and_the_worst_is_said(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    further: str,
    state: str,
) -> None:
    stages = "stages: [{repository: docker-dev}, {repository: docker-qa, tags: ['{tag}', 'latest']}]"
    pipelines(stages=stages)
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa")
    if further:
        sandbox.push_image("docker-qa/team/app:latest", content=further)
    [gate] = read_board(api_server, headers)["rows"][0]["gates"]
    assert (gate["state"], gate["target_tag"]) == (state, "latest")


def test_people_who_may_see_the_same_share_one_view_whatever_else_they_may_read(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None]
) -> None:
    from artifactory_provider.web.board import access
    from artifactory_provider.web.board.views import Rights

    pipelines()
    read_board(api_server, headers)
    views = [
        access.snapshots.view(Rights(frozenset({"nightly", f"other-{number}"}), runs=True, tasks=True, questions=True))[
            0
        ]
        for number in range(50)
    ]
    assert len(set(map(id, views))) == 1
