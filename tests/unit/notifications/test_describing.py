"""What is told of a task says what has happened, why, and what to do, in a few lines that hold nothing but text."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import TaskInstanceState
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.notifications import PromotionNotifier
from artifactory_provider.notifications.describing import describe
from artifactory_provider.notifications.forms import mail_form, slack_form, teams_form
from artifactory_provider.notifications.messages import LONGEST_LINE, LONGEST_TITLE, MOST_LINES, Link, Message
from artifactory_provider.notifications.notifier import EVENTS
from artifactory_provider.operators import ArtifactoryApprovalOperator, ArtifactoryLadderOperator
from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.pipelines import read_pipeline
from artifactory_provider.pipelines.standing import LadderReport, Position
from artifactory_provider.promotion.errors import NotVerified, TagsNotPromoted
from artifactory_provider.promotion.rules import Refusal, Refused
from artifactory_provider.sensors.verification import VerificationSuperseded

ALL = frozenset(EVENTS)
RUN = "https://airflow.test/dags/nightly/runs/manual__1"
FROZEN = Refused(
    Refusal(
        "docker-prod is frozen by the rule 'winter freeze'.",
        until=datetime.datetime(2027, 1, 3, 23, tzinfo=datetime.UTC),
        lifted_by="carol may override it for at most 4h.",
    )
)
PROMOTION = {"source": f"docker-qa/api:1.4.2@sha256:{'a' * 64}", "target": "docker-prod/api:1.4.2"}


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.test/")


def context(
    error: BaseException | None = None, *, task: Any = None, xcoms: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    def pull(*, task_ids: Any, key: str = "return_value", map_indexes: Any = None) -> Any:
        found = (xcoms or {}).get(key)
        return [found] if isinstance(task_ids, list) else found

    ti: dict[str, Any] = {
        "dag_id": "nightly",
        "run_id": "manual__1",
        "task_id": "task",
        "map_index": -1,
        "state": TaskInstanceState.FAILED,
        "start_date": "then",
        "try_number": 2,
        "max_tries": 3,
        "xcom_pull": pull,
    }
    return {"ti": SimpleNamespace(**{**ti, **changes}), "task": task or SimpleNamespace(), "exception": error}


def told(*arguments: Any, wanted: frozenset[Any] = ALL, **keywords: Any) -> Message:
    message = describe(context(*arguments, **keywords), wanted=wanted)
    assert message is not None
    return message


def links(message: Message) -> dict[str, str]:
    return {link.text: link.url for link in message.links}


def test_a_question_leads_to_its_answer_and_says_who_may_give_it() -> None:
    task = ArtifactoryApprovalOperator(task_id="approve", promotions=[PROMOTION], count=2, users=["alice", "bob"])
    task.subject = "Promote docker-qa/api:1.4.2 to docker-prod/api:1.4.2?"
    message = told(task=task, state=None, task_id="approve", map_index=3)
    assert message.event == "waits"
    assert message.title == "Waits for you: Promote docker-qa/api:1.4.2 to docker-prod/api:1.4.2?"
    assert message.lines == ("2 of alice, bob have to approve, other than who started the run.",)
    assert links(message)["Answer"] == f"{RUN}/tasks/approve/mapped/3/required_actions"


def test_the_questions_of_airflows_own_operators_are_told_too() -> None:
    ask = ApprovalOperator(task_id="ask", subject="Go on?")
    assert told(task=ask, state=None, task_id="ask").title == "Waits for you: Go on?"


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (FROZEN, "refused"),
        (TagsNotPromoted("api", promoted=1, failures={"1.0": FROZEN}), "refused"),
        (TagsNotPromoted("api", promoted=1, failures={"1.0": FROZEN, "2.0": ValueError("no")}), "failed"),
        (AirflowSensorTimeout("It has waited for 4 hours."), "late"),
        (VerificationSuperseded("The tag was moved."), "superseded"),
        (NotVerified("The tag was moved.", is_superseded=True), "superseded"),
        (NotVerified("test.status is 'failed'."), "failed"),
        (ValueError("no"), "failed"),
        (KeyboardInterrupt(), "failed"),
        (None, "failed"),
    ],
)
def test_an_end_is_told_as_what_it_is(error: BaseException | None, event: str) -> None:
    assert told(error).event == event


def test_the_cause_of_a_wrapped_error_counts() -> None:
    error = AirflowFailException("failed for good")
    error.__cause__ = TagsNotPromoted("api", promoted=0, failures={"1.0": FROZEN})
    assert told(error).event == "refused"


def test_what_is_held_back_says_why_until_when_and_who_can_lift_it() -> None:
    message = told(FROZEN, rendered_map_index="api:1.4.2", task_id="promote_to_prod", state=None)
    assert message.title == "Held back: nightly: promote_to_prod of api:1.4.2"
    assert message.lines == (
        "docker-prod is frozen by the rule 'winter freeze'.",
        "It ends at 2027-01-03 23:00 UTC.",
        "carol may override it for at most 4h.",
        "The task waits for that, and goes on by itself.",
    )


def test_a_killed_task_is_told_of_as_lost_even_where_it_asks() -> None:
    ask = ApprovalOperator(task_id="ask", subject="Go on?")
    message = told(task=ask, state=None, start_date=None)
    assert message.event == "failed"
    assert message.lines[0].startswith("Its process has ended without a word")


def test_a_killed_task_is_told_of_as_the_dag_processor_knows_it() -> None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    ask = ApprovalOperator(task_id="ask", subject="Go on?")
    known: dict[str, Any] = {"dag_id": "nightly", "run_id": "manual__1", "task_id": "ask", "map_index": 2}
    ti = RuntimeTaskInstance.model_construct(**known, task=ask)  # as airflow/dag_processing/processor.py makes it
    message = describe({"ti": ti, "task": ask}, wanted=ALL)
    assert message is not None
    assert (message.event, message.title) == ("failed", "Failed: nightly: ask")
    assert links(message)["Task and log"] == f"{RUN}/tasks/ask/mapped/2"


def test_a_task_that_is_tried_again_says_which_try_it_was() -> None:
    message = told(ValueError("503"), state=TaskInstanceState.UP_FOR_RETRY)
    assert (message.event, message.lines) == ("retry", ("503", "This was try 2 of 4."))


def test_a_promotion_that_is_done_names_what_is_where() -> None:
    record = {
        "outcome": "promoted",
        "source": {"reference": PROMOTION["source"]},
        "target": {"reference": PROMOTION["target"]},
    }
    message = told(state=TaskInstanceState.SUCCESS, xcoms={"return_value": record})
    assert (message.event, message.lines) == ("done", ("promoted: docker-qa/api:1.4.2 → docker-prod/api:1.4.2",))


@pytest.mark.parametrize("error", [ValueError("no"), FROZEN, AirflowSensorTimeout("late")])
def test_nothing_is_told_that_nobody_wants_to_know(error: Exception) -> None:
    assert describe(context(error), wanted=frozenset({"waits", "digest"})) is None


def ladder() -> ArtifactoryLadderOperator:
    stages = "stages: [{name: dev, repository: docker-dev}, {name: prod, repository: docker-prod}]"
    pipeline = read_pipeline(f"image: api\n{stages}", name="nightly")
    return ArtifactoryLadderOperator(task_id="climb", pipeline=pipeline, source_task_id="select")


def report(**standings: int) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC)
    positions = [
        Position(
            reference=ImageReference("docker-dev", f"{standing}-{number}", "1.0", f"sha256:{'a' * 64}"),
            level=0,
            standing=standing,  # type: ignore[arg-type]
            since=now,
            reason="" if standing == "arrived" else f"reason of {standing}",
        )
        for standing, count in standings.items()
        for number in range(count)
    ]
    return {"ladder": LadderReport(stages=("dev", "prod"), positions=tuple(positions), at=now).as_dict()}


def test_a_fleet_of_thousands_is_one_short_message() -> None:
    xcoms = report(arrived=9_000, failed=700, late=300)
    message = told(AirflowFailException("1,000 of 10,000 …"), task=ladder(), xcoms=xcoms)
    assert message.event == "digest"
    assert message.title == "nightly: 9,000 of 10,000 images have arrived"
    assert message.lines[:2] == ("9,000 arrived, 700 failed, 300 late", "Failed: failed-0:1.0 in dev: reason of failed")
    assert "Failed: … and 695 more" in message.lines
    assert "Late: … and 295 more" in message.lines
    assert links(message)["Images"] == f"{RUN}/plugin/images"
    assert message.as_dict()["counts"]["failed"] == 700
    assert len(message.short().as_text()) < 4_000


def test_a_fleet_without_digests_tells_only_what_is_wanted() -> None:
    fine = context(task=ladder(), xcoms=report(arrived=3), state=TaskInstanceState.SUCCESS)
    assert describe(fine, wanted=ALL - {"digest"}) is None
    failed = context(AirflowFailException("no"), task=ladder(), xcoms=report(arrived=1, failed=1))
    assert describe(failed, wanted=frozenset({"late"})) is None
    late = told(AirflowFailException("no"), task=ladder(), xcoms=report(late=2), wanted=frozenset({"late"}))
    assert late.event == "late"


@pytest.mark.parametrize(
    ("standing", "title"),
    [
        ("failed", "Failed: failed-0:1.0 in dev"),
        ("late", "Late: late-0:1.0 in dev"),
        ("superseded", "Superseded: superseded-0:1.0 in dev"),
    ],
)
def test_the_run_of_one_image_names_it(standing: str, title: str) -> None:
    message = told(AirflowFailException("no"), task=ladder(), xcoms=report(**{standing: 1}), wanted=ALL - {"digest"})
    assert (message.event, message.title, message.lines) == (standing, title, (f"reason of {standing}",))


def test_a_climb_that_begins_to_wait_for_rules_says_which_images_are_held_back() -> None:
    message = told(task=ladder(), xcoms=report(arrived=1, refused=2, late=1), state=None)
    assert message.event == "refused"
    assert message.title == "nightly: 2 of 4 images are held back"
    assert not any(line.startswith("Late") for line in message.lines)


@pytest.mark.parametrize("xcoms", [None, report(arrived=1)])
def test_a_climb_that_failed_of_something_else_says_what(xcoms: dict[str, Any] | None) -> None:
    message = told(ValueError("The policy is broken."), task=ladder(), xcoms=xcoms)
    assert (message.event, message.lines[0]) == ("failed", "The policy is broken.")


def test_a_climb_whose_report_is_gone_is_told_of_nevertheless() -> None:
    assert told(AirflowFailException("7 of 9 images …"), task=ladder()).lines[0] == "7 of 9 images …"


def bulk_xcoms() -> dict[str, Any]:
    failures = [{**PROMOTION, "reason": f"reason {number}"} for number in range(20)]
    counts = {"promoted": 4_000, "unchanged": 900, "failed": 100}
    return {
        "return_value": [{"key": "chunk_1", "name": "1", "promotions": 5_000, "task_id": "plan"}],
        "counts": {"promote": 4_100, "unchanged": 900, "conflict": 2, "missing": 0, "refused": 0},
        "problems": [{**PROMOTION, "action": "conflict", "reason": None}] * 2,
        "outcome": {"key": "chunk_1", "name": "1", "counts": counts, "failures": failures},
    }


def test_a_bulk_run_is_one_short_message() -> None:
    message = told(
        AirflowFailException("100 promotions failed"),
        task=ArtifactoryBatchReportOperator(task_id="report"),
        xcoms=bulk_xcoms(),
    )
    assert message.event == "digest"
    assert message.title == "nightly: 4,000 promoted, 100 of 5,000 failed"
    assert message.lines[1] == "Failed: docker-qa/api:1.4.2 → docker-prod/api:1.4.2: reason 0"
    assert "Failed: … and 95 more" in message.lines
    assert message.lines[-1] == "In conflict: docker-qa/api:1.4.2 → docker-prod/api:1.4.2"
    assert links(message)["Plan"] == f"{RUN}/plugin/plan"


def test_a_bulk_run_that_nobody_has_approved_says_that_nothing_was_promoted() -> None:
    xcoms = {**bulk_xcoms(), "outcome": None, "problems": []}
    report = ArtifactoryBatchReportOperator(task_id="report")
    message = told(task=report, xcoms=xcoms, state=TaskInstanceState.SUCCESS)
    assert (message.event, message.title) == ("digest", "nightly: nothing was promoted")
    assert describe(context(task=report, xcoms=xcoms, state=TaskInstanceState.SUCCESS), wanted=ALL - {"digest"}) is None


def test_how_a_run_ends_is_told_by_the_callbacks_of_a_dag() -> None:
    dag = SimpleNamespace(dag_id="nightly")
    message = describe({"dag": dag, "run_id": "manual__1", "reason": "task_failure"}, wanted=ALL)
    assert message is not None
    assert (message.event, message.lines) == ("failed", ("The run manual__1 has ended: task_failure.",))


def test_links_are_left_out_where_nobody_knows_airflows_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    assert told(ValueError("no")).links == ()


@given(st.text(max_size=600), st.lists(st.text(max_size=900), max_size=30))
def test_whatever_is_told_is_bounded_and_stays_text(title: str, lines: list[str]) -> None:
    address = "https://a.test/?a=1&b=<x>|y"
    message = Message(event="failed", title=title, lines=tuple(lines), links=(Link(text="Run", url=address),)).short()
    assert len(message.title) <= LONGEST_TITLE
    assert len(message.lines) <= MOST_LINES + 1
    assert all(len(line) <= LONGEST_LINE and line.isprintable() for line in (message.title, *message.lines))

    slack = slack_form(message)
    for block in slack["blocks"][:-1]:
        assert block["text"]["type"] == "plain_text"
        assert not set("<>") & set(block["text"]["text"])
        assert len(block["text"]["text"]) <= (3_000 if block["type"] == "section" else 150)
    assert slack["blocks"][-1]["text"]["text"] == "<https://a.test/?a=1&amp;b=&lt;x&gt;%7Cy|Run>"
    [card] = [attachment["content"] for attachment in teams_form(message)["attachments"]]
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    subject, body = mail_form(message)
    assert subject.isprintable()
    assert body.count("<a ") == 1
    assert "<x>" not in body


@pytest.mark.parametrize(
    "arguments",
    [
        {"connection": "a b"},
        {"connection": "people", "on": ["fails"]},
        {"connection": "people", "on": "failed"},
        {"connection": "people", "to": "a@b.example"},
        {"connection": "people", "to": ["a@b.example\nBcc: c@d.example"]},
        {"connection": "people", "to": ["Team <a@b.example>"]},
    ],
)
def test_arguments_that_make_no_sense_fail_at_parse_time(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no id|nothing that is told|are lists|no address"):
        PromotionNotifier(**arguments)
