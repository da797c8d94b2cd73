"""The page of one image: tags, what they are made of, what belongs to them, and what happened to them."""

from __future__ import annotations

import datetime
import json
import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.integration.promotion.attaching import Document, Pusher
from tests.integration.web.board_api import (
    api_server,
    headers,
    let_time_go_by,
    pipelines,
    read_board,
    refuse,
    sandbox,
    store_run,
)
from tests.integration.web.test_board import promote
from tests.integration.web.test_promotions_page import OTHER, record, store
from tests.integration.web.test_trail_routes import store_task

from artifactory_provider.promotion.tags import name_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

PAGE = "/artifactory/board/image.json"
RUN = name_run("nightly", "r", "promote", -1)
PROVENANCE = "https://slsa.dev/provenance/v1"


@pytest.fixture(autouse=True)
def details(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of images is of this test alone."""
    from artifactory_provider.web.board import image_history, images
    from artifactory_provider.web.board.image_details import ImageDetails
    from artifactory_provider.web.trail.makers import KnownMakers

    monkeypatch.setattr(images, "details", ImageDetails(patience=20))
    monkeypatch.setattr(image_history, "makers", KnownMakers())


def read_image(server: TestClient, headers: dict[str, str], **query: Any) -> dict[str, Any]:
    read_board(server, headers)
    return read_board(server, headers, PAGE, image="team/app", **query)


def test_each_tag_is_shown_with_its_platforms_sizes_labels_and_what_belongs_to_it(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    digest = sandbox.push_image("docker-dev/team/app:1.1", platforms=("linux/amd64", "linux/arm64"))
    pusher = Pusher(sandbox, "docker-dev/team/app")
    pusher.sign(digest)
    pusher.sign(digest, suffix=".sbom")
    attestation = Document("application/vnd.dsse.envelope.v1+json", b"{}", {"predicateType": PROVENANCE})
    pusher.attach(digest, attestation, suffix=".att")
    pusher.attach(digest, artifact_type="application/spdx+json")
    page = read_image(api_server, headers)
    newest, older = page["stages"][0]["tags"]
    assert (newest["tag"], older["tag"], page["trouble"]) == ("1.1", "1.0", None)
    assert [platform["name"] for platform in newest["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert newest["size"] == sum(platform["size"] for platform in newest["platforms"]) > 0
    assert [platform["name"] for platform in older["platforms"]] == ["linux/amd64"]
    kinds = sorted((one["kind"], one["tag"] is None) for one in newest["attachments"])
    assert kinds == [("SBOM", False), ("SBOM", True), ("provenance", False), ("signature", False)]
    assert page["row"]["image"] == "team/app"


async def test_history_tells_each_promotion_once_with_who_has_started_it_and_what_it_was_promoted_on(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa", run=RUN)
    digest = str(sandbox.digest("docker-qa/team/app:1.0"))
    told = record("docker-qa/team/app", "1.0", digest=digest, verdicts=["test.status is 'passed'"])
    of_task = {"place": "docker-qa/team/app", "records": [told], "dag": "nightly", "run": "r", "user": "dana"}
    store(of_task, of_task, begun=datetime.datetime.now(datetime.UTC))  # one more try of the task may tell of it again
    sandbox.set_properties("docker-qa/team/app:1.0", {"promotion.verdicts": "test.status is 'passed'"})
    await promote(sandbox, "docker-qa/team/app:1.0", "docker-prod")
    hold = {"": "keep it", ".by": "erin", ".time": "2026-11-20T08:00:00+00:00", ".tag": "docker-prod/team/app:1.0"}
    sandbox.set_properties("docker-prod/team/app:1.0", {f"promotion.hold{name}": text for name, text in hold.items()})
    page = read_image(api_server, headers)
    found = [(one["what"], one["stage"], one["who"]) for one in page["history"] if one["what"] != "promoted"]
    assert found == [("held", "prod", "erin")]
    promoted = {one["stage"]: one for one in page["history"] if one["what"] == "promoted"}
    assert len(page["history"]) == 3
    assert promoted["qa"]["by"]["user"] == "dana"
    assert promoted["qa"]["verdicts"] == ["test.status is 'passed'"]
    assert (promoted["qa"]["disagreement"], promoted["qa"]["remark"]) == ("", "")
    assert promoted["prod"]["by"] is None
    assert promoted["prod"]["remark"] == "No run that Airflow knows has made it."
    assert page["stages"][1]["tags"][0]["by"]["run_id"] == "r"


async def test_by_which_run_an_image_was_promoted_is_for_those_alone_who_may_read_runs(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines()
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa", run=RUN)
    told = record("docker-qa/team/app", "1.0", digest=str(sandbox.digest("docker-qa/team/app:1.0")))
    of_task = {"place": "docker-qa/team/app", "records": [told], "dag": "nightly", "run": "r", "user": "dana"}
    store(of_task, begun=datetime.datetime.now(datetime.UTC))
    sandbox.set_properties("docker-qa/team/app:1.0", {"promotion.by": "dana"})
    assert [one["by"]["run_id"] for one in read_image(api_server, headers)["history"]] == ["r"]

    refuse(monkeypatch, "RUN")
    history = read_image(api_server, headers)["history"]
    assert [(one["what"], one["by"], one["who"]) for one in history] == [("promoted", None, "")]
    assert "dana" not in json.dumps(history)


async def test_where_event_and_record_of_a_promotion_disagree_history_tells_it_once_and_in_what(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa", run=RUN)
    digest = str(sandbox.digest("docker-qa/team/app:1.0"))
    told = record("docker-qa/team/app", "1.0", digest=digest, replaced=OTHER)
    store(
        {"place": "docker-qa/team/app", "records": [told], "dag": "nightly", "run": "r"},
        begun=datetime.datetime.now(datetime.UTC),
    )
    [one] = read_image(api_server, headers)["history"]
    assert one["by"]["run_id"] == "r"
    assert one["disagreement"] == f"It replaced nothing says the record, {OTHER} the event."


async def test_promotions_of_one_digest_by_two_runs_are_two_and_what_others_say_of_another_image_is_none(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa", run=RUN)
    digest = str(sandbox.digest("docker-qa/team/app:1.0"))
    told = record("docker-qa/team/app", "1.0", digest=digest)
    store(
        {"place": "docker-qa/team/app", "records": [told], "dag": "nightly", "run": "before"},
        {
            "place": "docker-qa/team/app",
            "records": [record("docker-qa/team/other", "1.0")],
            "dag": "nightly",
            "run": "x",
        },
    )
    store_run("nightly", "r")
    store_task("nightly", "r")
    now, before = read_image(api_server, headers)["history"]
    assert (now["by"]["run_id"], now["remark"].partition(":")[0]) == ("r", "No event tells of it")
    assert (before["by"]["run_id"], before["remark"].partition(" ")[2][:9]) == ("before", "later pro")


async def test_of_a_run_of_a_dag_that_the_user_may_not_read_an_images_history_tells_nothing(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    pipelines()
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa", run=name_run("secret", "r", "promote", -1))
    store()
    store_run("secret", "r", user="dana")
    store_task("secret", "r")
    [one] = read_image(api_server, headers)["history"]
    assert (one["by"]["dag_id"], one["by"]["user"]) == ("secret", "dana")

    def may(self: object, **question: Any) -> bool:
        return getattr(question.get("details"), "id", None) != "secret"

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", may)
    assert read_image(api_server, headers)["history"] == []


async def test_what_was_promoted_on_another_server_is_not_in_an_images_history(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines()
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_SERVER", os.environ["AIRFLOW_CONN_ARTIFACTORY_DEFAULT"])
    pipelines("elsewhere", "connection: other_server\nimages: [other/*]")
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa", run=RUN)
    digest = str(sandbox.digest("docker-qa/team/app:1.0"))

    def event(dag: str | None, *, tag: str = "1.0") -> dict[str, Any]:
        told = record("docker-qa/team/app", tag, digest=digest)
        return {"place": "docker-qa/team/app", "records": [told], "dag": dag, "run": dag and "r"}

    others = [event("elsewhere"), event("unknown", tag="2.0"), event(None, tag="3.0")]
    store(event("nightly"), *others, begun=datetime.datetime.now(datetime.UTC))
    [one] = read_image(api_server, headers, ladder="nightly")["history"]
    assert (one["tag"], one["by"]["dag_id"], one["disagreement"], one["remark"]) == ("1.0", "nightly", "", "")


def test_tasks_are_read_once_for_all_images_and_then_those_that_are_newer(
    api_server: TestClient, pipelines: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.taskinstance import uuid7
    from airflow.utils.session import create_session

    from artifactory_provider.web.trail import airflow_internals, makers

    pipelines()
    read: list[int] = []

    def list_makers(session: Any, *, after: Any) -> Any:
        found = airflow_internals.list_makers(session, after=after)
        read.append(len(found))
        return found

    monkeypatch.setattr(makers, "list_makers", list_makers)
    monkeypatch.setattr(makers, "_LATE", 0)
    known, names = makers.KnownMakers(), [name_run("nightly", run, "promote", -1) for run in ("1", "2", "3")]

    def find(*asked: str, dags: tuple[str, ...] = ("nightly",)) -> list[tuple[str, str | None]]:
        with create_session() as session:
            found = known.find(session, asked, readable_dags=dags, may_read_runs=False)
        return [(name, maker and maker.run_id) for name, maker in found.items()]

    for run in ("1", "2"):
        store_run("nightly", run, user="dana")
        store_task("nightly", run, number=uuid7())
    assert find(names[0], "by a command") == [(names[0], "1")]
    assert find(names[1], "by a command", names[0]) == [(names[1], "2"), (names[0], "1")]
    assert find(names[0], dags=()) == [(names[0], None)]
    assert read == [2], "neither a name that no task has, nor another image, has all tasks read again"
    store_run("nightly", "3")
    store_task("nightly", "3", number=UUID(int=uuid7().int + (60_000 << 80)))  # a minute later
    assert find(names[2], names[0]) == [(names[2], "3"), (names[0], "1")]
    assert len(read) == 2
    assert read[1] < 3
    monkeypatch.setattr(makers, "_KEPT", 2)
    find("by another command")
    assert len(known._known) == 2


def test_a_server_that_does_not_answer_costs_what_the_image_is_made_of_and_no_more(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from artifactory_provider.web.board import images
    from artifactory_provider.web.board.image_details import ImageDetails

    pipelines()
    sandbox.push_image("docker-dev/team/app:1.0")
    read_board(api_server, headers)
    monkeypatch.setattr(images, "details", ImageDetails(patience=0.05))
    sandbox.add_fault("latency", seconds=2, path="*/manifests/*")
    page = api_server.get(PAGE, params={"image": "team/app"}, headers=headers).json()
    assert page["is_refreshing"]
    assert page["stages"][0]["tags"][0]["tag"] == "1.0"
    tag = page["stages"][0]["tags"][0]
    assert (tag["platforms"], tag["attachments"]) == ([], None)


def test_what_was_not_asked_is_not_said_to_be_none(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for number in range(6):
        sandbox.push_image(f"docker-dev/team/app:1.{number}")
    tags = {tag["tag"]: tag for tag in read_image(api_server, headers)["stages"][0]["tags"]}
    assert (tags["1.5"]["attachments"], tags["1.0"]["attachments"]) == ([], None)
    sandbox.add_fault("status", status=500, path="*/referrers/*")
    sandbox.push_image("docker-dev/team/app:1.6")
    let_time_go_by()
    page = read_image(api_server, headers)
    assert page["stages"][0]["tags"][0]["attachments"] is None
    assert "referrers" in page["trouble"]


def test_an_image_of_no_ladder_that_the_user_may_read_is_not_there(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None]
) -> None:
    pipelines()
    read_board(api_server, headers)
    assert api_server.get(PAGE, params={"image": "other/app"}, headers=headers).status_code == 404
    assert api_server.get(PAGE, params={"image": "team/app"}).status_code == 401
