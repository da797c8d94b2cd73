"""From the context of an Airflow callback to what is told: what has happened, why, and what to do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import TaskInstanceState
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from artifactory_provider.notifications.digests import describe_audit, describe_bulk_run, describe_climb
from artifactory_provider.notifications.messages import Message
from artifactory_provider.notifications.places import image_links, run_links, task_links
from artifactory_provider.operators.audit import ArtifactoryAuditOperator
from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.operators.ladder import ArtifactoryLadderOperator
from artifactory_provider.operators.question import ArtifactoryQuestionOperator
from artifactory_provider.promotion.errors import TagsNotPromoted
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.sensors.verification import VerificationSuperseded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from artifactory_provider.notifications.messages import Event

log = logging.getLogger(__name__)

_TITLES: dict[Event, str] = {
    "refused": "Held back",
    "failed": "Failed",
    "late": "Late",
    "superseded": "Superseded",
    "retry": "Failed, and is tried again",
    "skipped": "Skipped",
    "done": "Done",
}
_ENDS: dict[TaskInstanceState, Event] = {
    TaskInstanceState.SUCCESS: "done",
    TaskInstanceState.SKIPPED: "skipped",
    TaskInstanceState.UP_FOR_RETRY: "retry",
}
_LOST = "Its process has ended without a word: the worker was killed, say, or ran out of memory."
_CLEAR_LATER = "The task has failed of it: clear it once that has ended."
_MOST_LINES = 8


def describe(context: Mapping[str, Any], *, wanted: frozenset[Event]) -> Message | None:
    """Return what is to be told, or None where that is nothing of what is wanted.

    :param context: the context of a callback of a task or a DAG, of a question's notifiers, or of a missed deadline.
    :param wanted: what is to be told.
    """
    if "deadline" in context:
        return _describe_deadline(context) if "late" in wanted else None
    if "reason" in context or context.get("ti") is None:
        return _describe_run(context, wanted=wanted)
    ti, task = context["ti"], context.get("task")
    event = _find_event(context)
    facts = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
    try:
        if _has_reported(context):
            if isinstance(task, ArtifactoryLadderOperator):
                return describe_climb(ti, facts, wanted=wanted, is_over=not _is_under_way(ti))
            if isinstance(task, ArtifactoryBatchReportOperator):
                return describe_bulk_run(task, ti, facts, wanted=wanted)
            if isinstance(task, ArtifactoryAuditOperator):
                return describe_audit(ti, facts, wanted=wanted)
    except ValueError as error:
        log.warning("%s It is told of as of any other task.", error)
    return _describe_task(context, event, facts) if event in wanted else None


def _find_event(context: Mapping[str, Any]) -> Event:
    ti, error = context["ti"], context.get("exception")
    if _is_under_way(ti) and error is None and isinstance(context.get("task"), HITLOperator):
        return "waits"
    if ti.state in _ENDS:
        return _ENDS[ti.state]
    reasons = list(_list_errors(error))
    if any(isinstance(one, Refused) for one in reasons):
        return "refused"
    if any(isinstance(one, AirflowSensorTimeout) for one in reasons):
        return "late"
    if any(isinstance(one, VerificationSuperseded) or getattr(one, "is_superseded", False) for one in reasons):
        return "superseded"
    return "failed"


def _has_reported(context: Mapping[str, Any]) -> bool:
    """Tell whether a task that reports has come that far: else its error says more than its report does."""
    ti, error = context["ti"], context.get("exception")
    is_told = _is_under_way(ti) or ti.state in {TaskInstanceState.SUCCESS, TaskInstanceState.FAILED}
    return is_told and (error is None or isinstance(error, AirflowFailException))


def _is_under_way(ti: Any) -> bool:
    """Tell whether the task runs still; Airflow tells of one that was lost without its start."""
    return ti.state in {None, TaskInstanceState.RUNNING} and getattr(ti, "start_date", None) is not None


def _list_errors(error: object) -> Iterator[BaseException]:
    """Give an error, what has led to it, and those of the tags of a whole image where a rule refuses all of them."""
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, TagsNotPromoted):
            failures = list(error.failures.values())
            if failures and all(isinstance(one, Refused) for one in failures):
                yield from failures
        error = error.__cause__


def _describe_task(context: Mapping[str, Any], event: Event, facts: Mapping[str, Any]) -> Message:
    ti, task = context["ti"], context.get("task")
    if event == "waits" and isinstance(task, HITLOperator):
        wanted = [task.describe_wanted()] if isinstance(task, ArtifactoryQuestionOperator) else []
        return Message(
            event=event,
            title=f"Waits for you: {task.subject}",
            lines=tuple(wanted),
            links=(*task_links(ti, asks=True), *run_links(ti.dag_id, ti.run_id)),
            facts=facts,
        )
    name = getattr(ti, "rendered_map_index", None)
    what = f"{ti.dag_id}: {ti.task_id}{f' of {name}' if name else ''}"
    return Message(
        event=event,
        title=f"{_TITLES[event]}: {what}",
        lines=tuple(_list_reasons(context, event)),
        links=(*task_links(ti), *run_links(ti.dag_id, ti.run_id), *image_links(task)),
        facts=facts,
    )


def _list_reasons(context: Mapping[str, Any], event: Event) -> Iterator[str]:
    """Give what there is to know of a task's end, line by line."""
    ti, error = context["ti"], context.get("exception")
    if event == "done":
        yield from _list_promotions(ti)
    elif event == "refused":
        for one in [one for one in _list_errors(error) if isinstance(one, Refused)][:_MOST_LINES]:
            yield one.refusal.reason
            if one.refusal.until is not None:
                yield f"It ends at {one.refusal.until:%Y-%m-%d %H:%M} UTC."
            yield one.refusal.lifted_by
        yield "The task waits for that, and goes on by itself." if _is_under_way(ti) else _CLEAR_LATER
    elif isinstance(error, BaseException):
        lines = (str(error) or type(error).__name__).splitlines()
        yield from lines[:_MOST_LINES]
    elif event == "failed":
        yield _LOST
    if event == "retry":
        yield f"This was try {ti.try_number} of {ti.max_tries + 1}."
    if event in {"failed", "late"}:
        yield "See to the reason, then clear the task."


def _list_promotions(ti: Any) -> Iterator[str]:
    """Give what a task has promoted, as its result says."""
    result = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
    if not isinstance(result, dict) or "outcome" not in result:
        return
    promotions = result.get("promotions") or [result]
    for one in promotions[:_MOST_LINES]:
        source, target = one["source"]["reference"], one["target"]["reference"]
        yield f"{one['outcome']}: {source.partition('@')[0]} → {target}"
    if len(promotions) > _MOST_LINES:
        yield f"… and {len(promotions) - _MOST_LINES:,} more"


def _describe_deadline(context: Mapping[str, Any]) -> Message:
    """Return that a run has missed its deadline: Airflow hands on the run as a JSON object then."""
    run: Any = context.get("dag_run") or {}
    dag_id, run_id = str(run.get("dag_id", "")), str(run.get("dag_run_id") or run.get("run_id") or "")
    return Message(
        event="late",
        title=f"Late: {dag_id}",
        lines=(f"The run {run_id} has not ended by {context['deadline'].get('deadline_time')}.",),
        links=tuple(run_links(dag_id, run_id)),
        facts={"dag_id": dag_id, "run_id": run_id},
    )


def _describe_run(context: Mapping[str, Any], *, wanted: frozenset[Event]) -> Message | None:
    """Return how a run has ended, as a DAG's own callbacks get to know it."""
    dag, run_id, reason = context.get("dag"), str(context.get("run_id") or ""), str(context.get("reason") or "")
    event: Event = "done" if reason == "success" else "failed"
    if event not in wanted:
        return None
    dag_id = str(getattr(dag, "dag_id", ""))
    return Message(
        event=event,
        title=f"{_TITLES[event]}: {dag_id}",
        lines=(f"The run {run_id} has ended: {reason or 'Airflow does not say why'}.",),
        links=tuple(run_links(dag_id, run_id)),
        facts={"dag_id": dag_id, "run_id": run_id},
    )
