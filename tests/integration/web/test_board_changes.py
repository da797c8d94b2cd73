"""The board's answers to what has changed since some moment, and by whom; and to where any version stands."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

import pytest
from tests.integration.web.board_api import BOARD, api_server, headers, pipelines, read_board, sandbox
from tests.integration.web.test_board import promote

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.decisions import hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]


def next_second() -> str:
    """Return a moment that all is before which has happened, and nothing that will: decisions tell whole seconds."""
    begun = time.time()
    while time.time() < int(begun) + 1:
        time.sleep(0.01)
    return datetime.datetime.fromtimestamp(int(begun) + 1, datetime.UTC).isoformat()


async def test_what_has_changed_since_a_moment_is_told_with_who_did_it_the_last_change_first(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for name in ("old", "held", "climbs"):
        sandbox.push_image(f"docker-dev/team/{name}:1.0", content=name)
    await promote(sandbox, "docker-dev/team/held:1.0", "docker-qa")
    since = next_second()
    await promote(sandbox, "docker-dev/team/climbs:1.0", "docker-qa")
    async with ArtifactoryClient(
        ServerSettings(base_url=sandbox.url, authentication=Basic(sandbox.username, sandbox.password))
    ) as client:
        await hold(client, ImageReference("docker-qa", "team/held", "1.0"), reason="it loses orders", by="jane")
    sandbox.push_image("docker-qa/team/drift:0.9", content="from elsewhere")

    board = read_board(api_server, headers, since=since)
    told = {
        row["image"]: [(one["what"], one["tag"], one["stage"], one["who"], one["reason"]) for one in row["changes"]]
        for row in board["rows"]
    }
    assert told == {
        "team/drift": [("pushed", "0.9", "qa", sandbox.username, "")],
        "team/held": [("held", "1.0", "qa", "jane", "it loses orders")],
        "team/climbs": [("promoted", "1.0", "qa", "", "")],
    }
    assert next(iter(told)) == "team/drift"
    assert board["found"] == board["changed"] == 3
    assert board["counts"]["held"] == 1
    assert datetime.datetime.fromisoformat(board["since"]) == datetime.datetime.fromisoformat(since)

    page = read_board(api_server, headers, since=since, state="drift", limit=1)
    assert ([row["image"] for row in page["rows"]], page["found"], page["changed"]) == (["team/drift"], 1, 1)
    assert page["counts"]["held"] == 1, "of a state, all are counted"


def test_without_a_moment_what_has_changed_within_a_day_is_counted_and_nothing_is_left_out(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    board = read_board(api_server, headers)
    day = datetime.datetime.fromisoformat(board["as_of"]) - datetime.datetime.fromisoformat(board["since"])
    assert abs(day - datetime.timedelta(days=1)) < datetime.timedelta(seconds=1)
    assert board["changed"] == board["found"] == 1
    assert board["rows"][0]["changes"] == []
    later = read_board(api_server, headers, since="2999-01-01T00:00:00Z")
    assert (later["changed"], later["found"], later["rows"]) == (0, 0, [])


@pytest.mark.parametrize("since", ["yesterday", "2026-11-28T10:00:00", "1e400", "2026-13-41T00:00:00Z"])
def test_no_moment_or_one_without_a_zone_is_refused(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], since: str
) -> None:
    pipelines()
    assert api_server.get(BOARD, params={"since": since}, headers=headers).status_code == 422


async def test_a_version_that_is_not_the_newest_is_found_and_it_is_said_where_it_stands(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for version in ("1.0", "1.1", "1.2"):
        sandbox.push_image(f"docker-dev/team/app:{version}", content=version)
    for version in ("1.0", "1.2"):
        for repository in ("docker-qa", "docker-prod"):
            await promote(sandbox, f"docker-dev/team/app:{version}", repository)
    sandbox.push_image("docker-dev/team/other:2.0", content="other")
    digest = sandbox.digest("docker-dev/team/app:1.1") or ""
    assert digest
    for text, stages, word in (
        ("1.0", ["dev", "qa", "prod"], "1.0 stands in dev, qa, prod."),
        ("1.1", ["dev"], "1.1 stands in dev. A run takes the newest: 1.2."),
        (digest, ["dev"], "1.1 stands in dev. A run takes the newest: 1.2."),
        (digest[7:19], ["dev"], "1.1 stands in dev. A run takes the newest: 1.2."),
    ):
        [row] = read_board(api_server, headers, q=text)["rows"]
        assert [(one["stages"], one["word"]) for one in row["met"]] == [(stages, word)], text
    [row] = read_board(api_server, headers, q="1.2")["rows"]
    assert row["met"] == [], "its cells show it"
