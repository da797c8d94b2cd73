"""What the tab of a task says it waits for: of any DAG, with thousands of images, with odd texts, and to whom."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from tests.integration.web.board_api import (
    api_server,
    headers,
    login,
    pipelines,
    read_board,
    refuse,
    sandbox,
    store_handed_on,
    store_run,
    store_task,
    store_wait,
)
from tests.integration.web.test_board import promote

from artifactory_provider import operators, sensors
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.pipelines.standing import LadderReport, Position
from artifactory_provider.tasks.ladders import LADDER
from artifactory_provider.triggers.ladder import LadderTrigger
from artifactory_provider.triggers.verification import BatchVerificationTrigger, VerificationTrigger
from artifactory_provider.verification import PropertyCheck
from artifactory_provider.verification.check import check_to_dict
from artifactory_provider.web.board import subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi.testclient import TestClient

    from artifactory_provider.pipelines.standing import Standing
    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

TASK = "/artifactory/board/task.json"
RUN = "manual__9"
UNTIL = "2027-03-01 00:00:00+00:00"
CHECKS = [check_to_dict(PropertyCheck(name="scan.verdict"))]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def image(pipelines: Callable[..., None], sandbox: RunningSandbox) -> ImageReference:
    """An image in dev, whose tests have said nothing yet."""
    pipelines()
    digest = sandbox.push_image("docker-dev/team/app:1.0")
    return ImageReference("docker-dev", "team/app", "1.0", digest)


def store_waiting(dag_id: str, run_id: str, task_id: str, state: str, **more: Any) -> None:
    """Let Airflow know a task instance with what it waits with."""
    own = {name: more.pop(name) for name in ("map_index", "asks") if name in more}
    store_wait(store_task(dag_id, run_id, task_id, state, **own), **more)


def read_task(
    server: TestClient, headers: dict[str, str], dag_id: str, task_id: str, map_index: int = -1, **query: Any
) -> dict[str, Any]:
    """Return what is told of a task once the board's snapshot has been taken."""
    asked = {"dag_id": dag_id, "run_id": RUN, "task_id": task_id, "map_index": map_index, **query}
    return read_board(server, headers, TASK, **asked)


def only(task: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    [waiting] = task["images"]
    return waiting["ladder"], waiting["gate"]


def change(source: ImageReference, target: str = "docker-qa") -> dict[str, str]:
    return {"source": str(source), "target": f"{target}/{source.image}:{source.tag}"}


def test_the_names_of_operators_and_triggers_are_those_of_their_classes() -> None:
    for name in (*subjects.QUESTIONS, subjects.PROMOTE, subjects.PROMOTE_BATCH):
        assert getattr(operators, name).__name__ == name
    assert getattr(sensors, subjects.SENSOR).__name__ == subjects.SENSOR
    triggers = {
        subjects.VERIFICATION: VerificationTrigger,
        subjects.BATCH: BatchVerificationTrigger,
        subjects.CLIMB: LadderTrigger,
        subjects.MOMENT: DateTimeTrigger,
    }
    assert [f"{one.__module__}.{one.__qualname__}" for one in triggers.values()] == list(triggers)


def test_a_task_of_a_push_dag_says_what_each_image_waits_for_in_the_boards_words(
    api_server: TestClient, headers: dict[str, str], image: ImageReference
) -> None:
    dag_id = f"nightly{ON_PUSH}"
    store_run(dag_id, RUN)
    waits = [{"checks": CHECKS, "references": [str(image)]}]
    trigger = LadderTrigger(artifactory_conn_id="artifactory_default", waits=waits, poke_interval=60, until=UNTIL)
    store_waiting(dag_id, RUN, "climb_to_prod", "deferred", operator="ArtifactoryLadderOperator", trigger=trigger)
    task = read_task(api_server, headers, dag_id, "climb_to_prod")
    assert (task["is_waiting"], task["state"], task["found"]) == (True, "deferred", 1)
    ladder, gate = only(task)
    assert (ladder, gate["from"], gate["to"]) == ("nightly", "dev", "qa")
    assert (gate["state"], gate["reason"], gate["tag"]) == ("verifying", "test.status is not set.", "1.0")
    assert gate["link"] == {"dag_id": dag_id, "run_id": RUN, "task_id": "climb_to_prod", "map_index": -1}


def test_a_fleets_task_tells_of_those_that_wait_and_of_no_others(
    api_server: TestClient, headers: dict[str, str], image: ImageReference
) -> None:
    number, now = store_run("nightly", RUN), datetime.datetime.now(datetime.UTC)
    stood: Sequence[tuple[str, Standing]] = [("a", "refused"), ("b", "failed"), ("c", "arrived"), ("d", "waiting")]
    others = tuple(
        Position(
            reference=ImageReference("docker-dev", f"team/{name}", "2.0", f"sha256:{at:064x}"),
            level=0,
            standing=standing,
            since=now,
            reason=f"as {standing}",
        )
        for at, (name, standing) in enumerate(stood)
    )
    report = LadderReport(stages=("dev", "qa", "prod"), positions=others, at=now)
    store_handed_on(number, "nightly", RUN, "climb_to_prod", {LADDER: report.as_dict()})
    trigger = LadderTrigger(artifactory_conn_id="x", waits=[], poke_interval=60, until=UNTIL)
    store_waiting("nightly", RUN, "climb_to_prod", "deferred", trigger=trigger)
    task = read_task(api_server, headers, "nightly", "climb_to_prod")
    assert [(one["image"], one["gate"]["state"], one["gate"]["reason"]) for one in task["images"]] == [
        ("team/a", "refused", "as refused"),
        ("team/d", "verifying", "as waiting"),
    ]


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_sensor_of_a_dag_that_is_no_ladder_says_what_it_asks_itself(
    api_server: TestClient, headers: dict[str, str], image: ImageReference, is_batch: bool
) -> None:
    given: dict[str, Any] = {"artifactory_conn_id": "artifactory_default", "checks": CHECKS, "poke_interval": 60}
    trigger = (
        BatchVerificationTrigger(references=[str(image)], until=UNTIL, **given)
        if is_batch
        else VerificationTrigger(reference=str(image), until=UNTIL, **given)
    )
    store_run("own_chain", RUN)
    store_waiting("own_chain", RUN, "wait", "deferred", trigger=trigger, map_index=2)
    task = read_task(api_server, headers, "own_chain", "wait", 2)
    assert task["told"] == "It waits for verdicts: scan.verdict."
    ladder, gate = only(task)
    assert (ladder, gate["from"], gate["to"], gate["tag"]) == ("nightly", "docker-dev", "", "1.0")
    assert (gate["state"], gate["reason"]) == ("verifying", "It waits for scan.verdict.")


def test_a_question_of_any_dag_says_who_may_answer_and_about_what(
    api_server: TestClient, headers: dict[str, str], image: ImageReference
) -> None:
    store_run("own_chain", RUN)
    store_waiting(
        "own_chain", RUN, "ask", "awaiting_input", asks=["dana"], subject=HOSTILE,
        operator="ArtifactoryApprovalOperator", fields={"promotions": [change(image, "elsewhere")]},
    )  # fmt: skip
    task = read_task(api_server, headers, "own_chain", "ask")
    assert (task["subject"], task["may_answer"]) == (HOSTILE, ["dana"])
    assert task["told"] == "It waits for an answer of dana."
    ladder, gate = only(task)
    assert (gate["from"], gate["to"], gate["state"], gate["covers"]) == ("docker-dev", "elsewhere", "approval", 1)
    assert (ladder, gate["reason"]) == ("nightly", "The promotion is to be approved by dana.")


def test_a_promotion_on_demand_that_asks_stands_where_the_board_has_it(
    api_server: TestClient, headers: dict[str, str], image: ImageReference, sandbox: RunningSandbox
) -> None:
    sandbox.set_properties("docker-dev/team/app:1.0", {"test.status": "passed"})
    store_run("promote_on_demand", RUN, user="dana")
    store_waiting(
        "promote_on_demand", RUN, "approve", "awaiting_input", asks=[], operator="ArtifactoryApprovalOperator",
        fields={"promotions": [change(image)]},
    )  # fmt: skip
    ladder, gate = only(read_task(api_server, headers, "promote_on_demand", "approve"))
    assert (ladder, gate["from"], gate["to"], gate["state"]) == ("nightly", "dev", "qa", "approval")


async def test_a_rollback_and_a_deletion_are_called_so(
    api_server: TestClient, headers: dict[str, str], image: ImageReference, sandbox: RunningSandbox
) -> None:
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa")
    store_run("rollback", RUN, user="dana")
    backup = {
        "source": f"docker-qa/team/app:1.0-previous-{'a' * 12}@sha256:{'a' * 64}",
        "target": "docker-qa/team/app:1.0",
    }
    deletion = {"source": f"docker-qa/team/old:1@sha256:{'b' * 64}", "target": "docker-qa/team/old:1"}
    store_waiting(
        "rollback", RUN, "approve", "awaiting_input", asks=[], operator="ArtifactoryApprovalOperator",
        fields={"promotions": [backup, deletion]},
    )  # fmt: skip
    first, second = read_task(api_server, headers, "rollback", "approve")["images"]
    assert first["gate"]["reason"] == "The rollback of 1.0 is to be approved."
    assert (first["gate"]["is_rollback"], first["gate"]["to"]) == (True, "qa")
    assert second["gate"]["reason"] == "Its deletion is to be approved."


def store_bulk(image: ImageReference, *, size: int, chunk: int, fields: Any = None) -> None:
    """Let a bulk run ask about as many promotions, the last of them of the image."""
    made = [change(ImageReference("docker-dev", "team/x", f"0.{at}", f"sha256:{at:064x}")) for at in range(size - 1)]
    promotions = [*made, change(image)]
    number = store_run("retag_backfill", RUN, user="dana")
    chunks = {f"chunk_{at // chunk + 1:04}": promotions[at : at + chunk] for at in range(0, size, chunk)}
    plan = [{"key": key, "task_id": "plan", "name": key, "promotions": len(some)} for key, some in chunks.items()]
    store_handed_on(number, "retag_backfill", RUN, "plan", {"return_value": plan, **chunks})
    shown = {"chunks": plan} if fields is None else fields
    store_waiting(
        "retag_backfill", RUN, "approve", "awaiting_input", asks=[], operator="ArtifactoryApprovalOperator",
        fields=shown,
    )  # fmt: skip


@pytest.mark.parametrize("fields", [None, {"chunks": "Truncated. You can change this behaviour in [core]…"}])
def test_the_images_of_a_bulk_run_come_in_pages_though_airflow_has_cut_their_list(
    api_server: TestClient, headers: dict[str, str], image: ImageReference, fields: Any
) -> None:
    store_bulk(image, size=12_000, chunk=250, fields=fields)
    first = read_task(api_server, headers, "retag_backfill", "approve", limit=3)
    assert (first["found"], first["start"]) == (12_000, 0)
    assert [one["gate"]["tag"] for one in first["images"]] == ["0.0", "0.1", "0.2"]
    across = read_task(api_server, headers, "retag_backfill", "approve", start=248, limit=4)
    assert [one["gate"]["tag"] for one in across["images"]] == ["0.248", "0.249", "0.250", "0.251"]
    last = read_task(api_server, headers, "retag_backfill", "approve", start=11_999)
    assert (only(last)[1]["to"], only(last)[1]["covers"]) == ("qa", 12_000)
    assert read_task(api_server, headers, "retag_backfill", "approve", start=12_000)["images"] == []


async def test_a_chunk_that_waits_for_rules_says_what_is_done_already(
    api_server: TestClient, headers: dict[str, str], image: ImageReference, sandbox: RunningSandbox
) -> None:
    await promote(sandbox, "docker-dev/team/app:1.0", "docker-qa")
    digest = sandbox.push_image("docker-dev/team/web:1.0", content="web")
    store_run("retag_backfill", RUN, user="dana")
    promotions = [change(image), change(ImageReference("docker-dev", "team/web", "1.0", digest))]
    moment = DateTimeTrigger(moment=datetime.datetime(2027, 1, 4, 9, tzinfo=datetime.UTC))
    store_waiting(
        "retag_backfill", RUN, "promote", "deferred", map_index=0, operator="ArtifactoryPromoteBatchOperator",
        fields={"promotions": promotions}, trigger=moment,
    )  # fmt: skip
    task = read_task(api_server, headers, "retag_backfill", "promote", 0)
    assert task["told"] == "It waits for rules to end."
    assert [(one["image"], one["gate"]["state"]) for one in task["images"]] == [
        ("team/app", "nothing"),
        ("team/web", "refused"),
    ]


def test_a_promotion_that_waits_says_when_it_looks_again(
    api_server: TestClient, headers: dict[str, str], image: ImageReference
) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    store_run("own_chain", RUN)
    fields = {"source_repository": "docker-dev", "target_repository": "docker-qa", "image": "team/app", "tag": "1.0",
              "digest": image.digest, "target_tag": "stable"}  # fmt: skip
    moment = DateTimeTrigger(moment=datetime.datetime(2027, 1, 4, 9, tzinfo=datetime.UTC))
    operator = "ArtifactoryPromoteOperator"
    store_waiting("own_chain", RUN, "promote", "deferred", operator=operator, fields=fields, trigger=moment)
    with create_session() as session:  # as Airflow has it where a task has no time of its own
        session.execute(update(TaskInstance).values(trigger_timeout=None))
    task = read_task(api_server, headers, "own_chain", "promote")
    assert (task["told"], task["until"]) == ("It waits for a rule to end.", "2027-01-04T09:00:00Z")
    _, gate = only(task)
    assert (gate["state"], gate["reason"]) == ("refused", "A rule refuses it now, as the task's log says.")
    assert (gate["to"], gate["target_tag"]) == ("docker-qa", "stable")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("running", "It runs: nothing waits in it."),
        ("queued", "It has not begun."),
        ("success", "It has ended: success."),
        ("failed", "It has ended: failed."),
        ("up_for_retry", "Its last try has failed, and another one follows: nothing waits in it meanwhile."),
    ],
)
@pytest.mark.usefixtures("image")
def test_a_task_that_does_not_wait_says_so(
    api_server: TestClient, headers: dict[str, str], state: str, told: str
) -> None:
    store_run("own_chain", RUN)
    store_waiting("own_chain", RUN, "promote", state, operator="ArtifactoryPromoteOperator")
    task = read_task(api_server, headers, "own_chain", "promote")
    assert (task["is_waiting"], task["told"], task["images"], task["until"]) == (False, told, [], None)


def test_a_sensor_that_is_not_deferred_waits_while_it_runs(
    api_server: TestClient, headers: dict[str, str], image: ImageReference
) -> None:
    fields = {"repository": "docker-dev", "image": "team/app", "tag": "1.0", "digest": None}
    store_run("own_chain", RUN)
    store_waiting("own_chain", RUN, "wait", "running", operator="ArtifactoryVerificationSensor", fields=fields)
    task = read_task(api_server, headers, "own_chain", "wait")
    assert (task["is_waiting"], only(task)[1]["state"]) == (True, "verifying")


ODD: Sequence[dict[str, Any]] = (
    {"operator": "ArtifactoryApprovalOperator", "fields": {"promotions": [HOSTILE, 7, {"source": 1}, None]}},
    {"operator": "ArtifactoryApprovalOperator", "fields": {"chunks": [HOSTILE, {"key": "\ud800", "promotions": 1}]}},
    {"operator": "ArtifactoryApprovalOperator", "fields": {"chunks": "Truncated."}},
    {"operator": "ArtifactoryApprovalOperator", "fields": [1]},
    {"operator": "SomeOtherOperator", "fields": {"promotions": 7}},
    {"operator": "ArtifactoryPromoteOperator", "fields": {"tag": HOSTILE}},
)


@pytest.mark.parametrize("name", ["promotions", "chunks"])
@pytest.mark.usefixtures("image")
def test_a_list_that_airflow_has_cut_is_said_to_be(api_server: TestClient, headers: dict[str, str], name: str) -> None:
    store_run("own_chain", RUN)
    cut = {name: "Truncated. You can change this behaviour in [core]…"}
    store_waiting("own_chain", RUN, "ask", "awaiting_input", operator="ArtifactoryApprovalOperator", fields=cut)
    task = read_task(api_server, headers, "own_chain", "ask")
    assert (task["images"], "too much for Airflow to keep" in task["told"]) == ([], True)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("state", ["awaiting_input", "deferred"])
@pytest.mark.usefixtures("image")
def test_odd_arguments_break_nothing_and_name_no_image(
    api_server: TestClient, headers: dict[str, str], odd: dict[str, Any], state: str
) -> None:
    trigger = DateTimeTrigger(moment=datetime.datetime(2027, 1, 4, tzinfo=datetime.UTC))
    store_run("own_chain", RUN)
    store_waiting(
        "own_chain", RUN, "ask", state, asks=[HOSTILE], trigger=trigger if state == "deferred" else None, **odd
    )
    task = read_task(api_server, headers, "own_chain", "ask")
    assert (task["is_waiting"], task["images"]) == (True, [])


@pytest.mark.parametrize(
    ("trigger", "arguments"),
    [
        (subjects.VERIFICATION, {"reference": HOSTILE, "checks": HOSTILE}),
        (subjects.BATCH, {"references": {"a": 1}, "checks": [7], "until": HOSTILE}),
        (subjects.BATCH, {"references": ["a/b", None, "\ud800"], "checks": [{"kind": f"os:{HOSTILE}"}]}),
        (subjects.CLIMB, {"waits": [1, {"references": 7}], "until": 10**30}),
        (subjects.MOMENT, {"moment": {"__data__": {"timestamp": 10.0**300}}}),
        ("a.b.SecretTrigger", {"password": "hunter2"}),
    ],
)
@pytest.mark.usefixtures("image")
def test_a_trigger_of_anything_breaks_nothing_and_tells_nothing(
    api_server: TestClient, headers: dict[str, str], trigger: str, arguments: dict[str, Any]
) -> None:
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import update

    store_run("own_chain", RUN)
    some = DateTimeTrigger(moment=datetime.datetime(2027, 1, 4, tzinfo=datetime.UTC))
    store_waiting("own_chain", RUN, "wait", "deferred", trigger=some)
    kept = {"classpath": trigger, "encrypted_kwargs": Trigger.encrypt_kwargs(arguments)}
    with create_session() as session:
        session.execute(update(Trigger).values(**kept))
    task = read_task(api_server, headers, "own_chain", "wait")
    assert (task["is_waiting"], task["images"]) == (True, [])
    assert "hunter2" not in str(task)


@pytest.mark.usefixtures("image")
def test_arguments_that_cannot_be_opened_break_nothing(api_server: TestClient, headers: dict[str, str]) -> None:
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import update

    store_run("own_chain", RUN)
    trigger = VerificationTrigger(artifactory_conn_id="x", reference="a/b:1", checks=[], poke_interval=60)
    store_waiting("own_chain", RUN, "wait", "deferred", trigger=trigger)
    with create_session() as session:
        session.execute(update(Trigger).values(encrypted_kwargs="{" * 100_000))
    assert read_task(api_server, headers, "own_chain", "wait")["images"] == []


@pytest.mark.parametrize(
    ("refused", "status", "images", "may_answer"),
    [
        (set(), 200, 1, ["dana"]),
        ({"HITL_DETAIL"}, 200, 1, None),
        ({"XCOM"}, 200, 0, ["dana"]),
        ({"TASK_INSTANCE"}, 403, 0, []),
    ],
)
def test_nobody_reads_here_what_airflow_would_not_let_them(
    api_server: TestClient,
    headers: dict[str, str],
    image: ImageReference,
    monkeypatch: pytest.MonkeyPatch,
    refused: set[str],
    status: int,
    images: int,
    may_answer: list[str] | None,
) -> None:
    store_bulk(image, size=1, chunk=1)
    from airflow.models.hitl import HITLDetail
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(HITLDetail).values(subject="secret", assignees=[{"id": "dana", "name": "dana"}]))
    read_board(api_server, headers)

    refuse(monkeypatch, *refused)
    asked = {"dag_id": "retag_backfill", "run_id": RUN, "task_id": "approve"}
    answer = api_server.get(TASK, params=asked, headers=login("viewer"))
    assert answer.status_code == status
    if status == 200:
        task = answer.json()
        assert (len(task["images"]), task["may_answer"]) == (images, may_answer)
        assert ("secret" in answer.text, "dana" in answer.text) == (bool(may_answer), bool(may_answer))
        assert ("anybody" in task["told"]) is False


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"task_id": "other"}, 404),
        ({"dag_id": "~"}, 404),
        ({"map_index": -2}, 422),
        ({"limit": 501}, 422),
        ({"run_id": "x" * 251}, 422),
        ({"task_id": "a\0b"}, 400),
    ],
)
def test_what_there_is_not_is_no_error_of_the_server(
    api_server: TestClient, headers: dict[str, str], query: dict[str, Any], status: int
) -> None:
    asked = {"dag_id": "own_chain", "run_id": RUN, "task_id": "wait", **query}
    assert api_server.get(TASK, params=asked, headers=headers).status_code == status


def test_nobody_is_told_without_a_session(api_server: TestClient) -> None:
    assert api_server.get(TASK, params={"dag_id": "a", "run_id": "b", "task_id": "c"}).status_code == 401
