"""Tasks tell people when they begin to wait, for an answer or the end of a refusal: once, not at each look."""

from __future__ import annotations

import datetime
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tests.unit.operators.asking import Asking, Store, promotion

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.notifications import PromotionNotifier
from artifactory_provider.operators import (
    ArtifactoryApprovalOperator,
    ArtifactoryLadderOperator,
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
)
from artifactory_provider.operators.override import ArtifactoryOverrideOperator
from artifactory_provider.pipelines import read_pipeline
from artifactory_provider.pipelines.standing import LadderReport, Position
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.rules import Refusal, Refused
from artifactory_provider.tasks.waiting import wait_if_refused

DOCUMENT = Path(__file__).parents[3] / "docs" / "notifications.md"
PIPELINE = read_pipeline(
    "image: a\nstages: [{name: dev, repository: docker-dev}, {name: qa, repository: docker-qa}]", name="telling"
)
FROZEN = Refused(Refusal("docker-prod is frozen."))


class Told(list[dict[str, Any]]):
    """A notifier that keeps what it is called with."""

    def __call__(self, context: Any) -> None:
        self.append(dict(context))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ArtifactoryApprovalOperator, "1 person has to approve, other than who started the run."),
        (ArtifactoryOverrideOperator, "Whoever may answer may override this with a reason, for at most 1 day."),
    ],
)
def test_a_question_is_told_once_however_often_it_is_put(
    monkeypatch: pytest.MonkeyPatch, kind: type[Any], said: str
) -> None:
    told, asking = Told(), Asking(monkeypatch)
    question = kind(task_id="question", promotions=[promotion()], notifiers=[told])
    asking.start(question)
    asking.answer(question, None, question.yes)
    assert len(asking.questions) == 2
    assert [one["task"].subject for one in told] == ["Promote docker-staging/api:1.4.2 to docker-prod/api:1.4.2?"]
    assert question.describe_wanted() == said


class Killed(BaseException):
    """What the worker is killed by."""


def killed(context: Any) -> None:
    raise Killed


def broken(context: Any) -> None:
    raise ConnectionError("no such channel")


@pytest.mark.parametrize("kind", [ArtifactoryApprovalOperator, ArtifactoryOverrideOperator])
def test_a_question_is_told_by_the_next_try_where_the_worker_was_killed_before_that(
    monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    told, asking = Told(), Asking(monkeypatch)
    with pytest.raises(Killed):
        asking.start(kind(task_id="question", promotions=[promotion()], notifiers=[killed]))
    question = kind(task_id="question", promotions=[promotion()], notifiers=[told])
    for _ in range(3):
        asking.start(question)
    assert len(told) == 1
    asking.tries += 1
    asking.start(question)
    assert len(told) == 2, "somebody has cleared it"


@pytest.mark.parametrize("kind", [ArtifactoryApprovalOperator, ArtifactoryOverrideOperator])
def test_a_question_waits_for_its_answer_though_a_notifier_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[Any]
) -> None:
    told, asking = Told(), Asking(monkeypatch)
    asking.start(kind(task_id="question", promotions=[promotion()], notifiers=[broken, told]))
    assert asking.waits is not None
    assert len(told) == 1
    log = capsys.readouterr().out
    assert "broken" in log
    assert "no such channel" in log


def waiting(store: Store, notifiers: Any, *errors: Exception) -> None:
    def defer(**_: Any) -> None:
        raise TaskDeferred(trigger=SimpleNamespace(), method_name="resume")

    task: Any = SimpleNamespace(log=logging.getLogger("task"), defer=defer)
    context: Any = {"task_state_store": store, "ti": SimpleNamespace(max_tries=3)}
    wait_if_refused(task, context, errors, longest=datetime.timedelta(days=1), notifiers=notifiers)


def test_a_promotion_that_is_held_back_is_told_once_with_what_refuses_it() -> None:
    told, store = Told(), Store()
    for _ in range(3):
        with pytest.raises(TaskDeferred):
            waiting(store, [told], ValueError("another"), FROZEN)
    assert [one["exception"] for one in told] == [FROZEN]


def test_a_promotion_that_is_held_back_is_told_by_the_next_try_where_the_worker_was_killed_before_that() -> None:
    told, store = Told(), Store()
    with pytest.raises(Killed):
        waiting(store, [killed], FROZEN)
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            waiting(store, [told], FROZEN)
    assert [one["exception"] for one in told] == [FROZEN]


def test_a_promotion_that_is_held_back_waits_though_a_notifier_fails(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    with pytest.raises(TaskDeferred):
        waiting(Store(), [broken, told], FROZEN)
    assert len(told) == 1
    assert "no such channel" in caplog.text


def climbing(store: Store, notifiers: Any) -> None:
    now = datetime.datetime.now(datetime.UTC)
    held = Position(
        reference=ImageReference("docker-dev", "a", "1.0", f"sha256:{'a' * 64}"), level=0, standing="refused", since=now
    )
    report = LadderReport(stages=("dev", "qa"), positions=(held,), at=now)
    task: Any = ArtifactoryLadderOperator(
        task_id="climb", pipeline=PIPELINE, source_task_id="select", notifiers=notifiers
    )
    task._ladder = SimpleNamespace(awaited=list)
    with pytest.raises(TaskDeferred):
        task._wait({"task_state_store": store, "ti": SimpleNamespace(max_tries=3)}, report)


def test_a_fleet_that_is_held_back_is_told_once_and_by_the_next_try_where_the_worker_was_killed() -> None:
    told, store = Told(), Store()
    with pytest.raises(Killed):
        climbing(store, [killed])
    for _ in range(2):
        climbing(store, [broken, told])
    assert len(told) == 1


def test_nobody_is_told_of_a_promotion_that_fails_of_something_else() -> None:
    told = Told()
    waiting(Store(), [told], InvalidPromotion("no"))
    assert told == []


KINDS: dict[type[Any], dict[str, Any]] = {
    ArtifactoryApprovalOperator: {"promotions": [promotion()]},
    ArtifactoryOverrideOperator: {"promotions": [promotion()]},
    ArtifactoryPromoteOperator: {"source_repository": "a", "target_repository": "b", "image": "c", "tag": "1"},
    ArtifactoryPromoteBatchOperator: {"promotions": []},
    ArtifactoryLadderOperator: {"pipeline": PIPELINE, "source_task_id": "select"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_notifier_or_several_or_none_may_be_given(kind: type[Any]) -> None:
    def call(context: Any) -> None:
        """A notifier without more."""

    one, other = PromotionNotifier("people"), Told()
    for given, expected in ((one, [one]), (call, [call]), ([one, other], [one, other]), (None, []), ((), [])):
        assert list(kind(task_id="task", notifiers=given, **KINDS[kind]).notifiers) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["people", ["people"], [None], 7])
def test_what_cannot_tell_is_refused_when_the_dag_is_read(kind: type[Any], wrong: Any) -> None:
    with pytest.raises(ValueError, match="notifiers is one that is called with a task's context"):
        kind(task_id="task", notifiers=wrong, **KINDS[kind])


def test_the_example_of_the_document_tells_by_all_of_its_tasks() -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example.replace("}):", "}) as dag:"), "docs/notifications.md", "exec"), names)  # noqa: S102 - the example itself
    tasks: list[Any] = list(names["dag"].tasks)
    assert [type(task) for task in tasks] == [ArtifactoryApprovalOperator, ArtifactoryPromoteOperator]
    for task in tasks:
        assert list(task.notifiers) == list(task.on_failure_callback) == [names["tell"]]
