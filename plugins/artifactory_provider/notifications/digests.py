"""One message about many images: what a fleet's climb, a bulk run and an audit have come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import TaskInstanceState

from artifactory_provider.audit.findings import HEADINGS
from artifactory_provider.notifications.messages import Message
from artifactory_provider.notifications.places import run_links, task_links
from artifactory_provider.pipelines.standing import ReadReport
from artifactory_provider.promotion.reports import sum_counts
from artifactory_provider.tasks.handover import AUDIT, pull_outcomes, pull_plan
from artifactory_provider.tasks.ladders import LADDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_provider.notifications.messages import Event
    from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
    from artifactory_provider.pipelines.model import Event as PipelineEvent
    from artifactory_provider.pipelines.standing import Row, Standing

_NAMED = 5
_TELLING: tuple[Standing, ...] = ("failed", "late", "refused", "superseded")
"""Which standings name their images, and in which order."""
_WORDS = {"failed": "Failed", "late": "Late", "refused": "Held back", "superseded": "Superseded"}


def describe_climb(ti: Any, facts: Mapping[str, Any], *, wanted: frozenset[Event], is_over: bool) -> Message | None:
    """Return what is to be told of a climb, or None where it is nothing of what is wanted.

    :param ti: the task instance that climbs.
    :param facts: what programs read of it.
    :param wanted: what is to be told.
    :param is_over: whether it has ended; else it begins to wait for rules to end.
    :raises ValueError: when it has handed on no report.
    """
    report = ReadReport.from_dict(ti.xcom_pull(task_ids=ti.task_id, key=LADDER, map_indexes=ti.map_index))
    counts, total = report.counts, len(report.rows)
    said = [one for one in _TELLING if counts[one] and (is_over or one == "refused")]
    found: list[Event] = [cast("PipelineEvent", one) for one in said if one in wanted]
    if is_over and "digest" in wanted:
        found.append("digest")
    if not found:
        return None
    if total == 1:
        [row] = report.rows
        event = found[0]
        title = f"{_WORDS.get(row.standing, row.standing.capitalize())}: {_name(row, report)}"
        lines = [row.reason] if row.reason else []
    else:
        event = "digest" if "digest" in found else found[0]
        of = facts["dag_id"]
        title = f"{of}: {counts['arrived']:,} of {total:,} images have arrived"
        if not is_over:
            title = f"{of}: {counts['refused']:,} of {total:,} images are held back"
        lines = [", ".join(f"{count:,} {name}" for name, count in counts.items() if count)]
        for standing in said:
            lines += _name_rows(report, standing)
    return Message(
        event=event,
        title=title,
        lines=tuple(lines),
        links=(*run_links(ti.dag_id, ti.run_id, tab="images"), *task_links(ti)),
        facts={**facts, "counts": counts},
    )


def describe_bulk_run(
    task: ArtifactoryBatchReportOperator, ti: Any, facts: Mapping[str, Any], *, wanted: frozenset[Event]
) -> Message | None:
    """Return what is to be told of a bulk run, or None where it is nothing of what is wanted.

    :param task: the task that has reported.
    :param ti: its instance.
    :param facts: what programs read of it.
    :param wanted: what is to be told.
    :raises ValueError: when there was no plan.
    """
    plan = pull_plan(ti, task.plan_task_id)
    if plan is None:
        raise ValueError(f"The task {task.plan_task_id} has handed on no plan.")
    outcomes = pull_outcomes(ti, task.batch_task_id)
    counts = sum_counts(outcomes)
    silent = len(plan.chunks) - len(outcomes)
    found: list[Event] = ["digest"] if "digest" in wanted else []
    found += ["failed"] if ti.state == TaskInstanceState.FAILED and "failed" in wanted else []
    if not found:
        return None
    lines = [", ".join(f"{count:,} {name}" for name, count in counts.items())]
    if silent:
        lines.append(f"{silent:,} of {len(plan.chunks):,} chunks have told nothing: they were skipped, or have failed.")
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    named = [f"{_unpinned(one.source)} → {one.target}: {one.reason}" for one in failures[:_NAMED]]
    lines += _some("Failed", named, counts["failed"])
    for action, word in (("conflict", "In conflict"), ("refused", "Refused"), ("missing", "Missing")):
        problems = [one for one in plan.problems if one.get("action") == action]
        lines += _some(word, map(_describe_problem, problems[:_NAMED]), plan.counts.get(action, 0))
    promoted, failed = f"{counts['promoted']:,} promoted", f"{counts['failed']:,} of {sum(counts.values()):,} failed"
    return Message(
        event=found[0],
        title=f"{facts['dag_id']}: {f'{promoted}, {failed}' if outcomes else 'nothing was promoted'}",
        lines=tuple(lines),
        links=(*run_links(ti.dag_id, ti.run_id, tab="plan"), *task_links(ti)),
        facts={**facts, "counts": counts, "planned": dict(plan.counts)},
    )


def describe_audit(ti: Any, facts: Mapping[str, Any], *, wanted: frozenset[Event]) -> Message | None:
    """Return what is to be told of an audit: one message about all open findings, or None where there are none.

    :param ti: the task instance that has audited.
    :param facts: what programs read of it.
    :param wanted: what is to be told.
    :raises ValueError: when it has handed on no report.
    """
    found = ti.xcom_pull(task_ids=ti.task_id, key=AUDIT, map_indexes=ti.map_index)
    if not isinstance(found, dict):
        raise ValueError(f"The task {ti.task_id} has handed on no report.")
    has_failed = ti.state == TaskInstanceState.FAILED
    events: list[Event] = [one for one in ("digest", "failed") if one in wanted and (one == "digest" or has_failed)]
    if not events or not found["open"]:
        return None
    count = f"{found['open']:,} open finding{'' if found['open'] == 1 else 's'}"
    lines = [f"{HEADINGS[kind]}: {number:,}" for kind, number in found["counts"].items()]
    lines += _some("Finding", (f"{one['finding']}: {one['what']}" for one in found["first"]), found["open"])
    return Message(
        event=events[0],
        title=f"{facts['dag_id']}: {count} in {', '.join(found['by_repository'])}",
        lines=tuple(lines),
        links=(*run_links(ti.dag_id, ti.run_id, tab="plan"), *task_links(ti)),
        facts={**facts, **{name: found[name] for name in ("open", "accepted", "counts", "by_repository")}},
    )


def _name_rows(report: ReadReport, standing: Standing) -> Sequence[str]:
    rows = [row for row in report.rows if row.standing == standing]
    named = (f"{_name(row, report)}{f': {row.reason}' if row.reason else ''}" for row in rows[:_NAMED])
    return _some(_WORDS[standing], named, len(rows))


def _name(row: Row, report: ReadReport) -> str:
    return f"{row.image}:{row.tag} in {report.stages[row.level]}" if row.tag else row.image


def _some(word: str, named: Iterable[str], number: int) -> list[str]:
    lines = [f"{word}: {one}" for one in named]
    return [*lines, f"{word}: … and {number - len(lines):,} more"] if number > len(lines) else lines


def _describe_problem(promotion: Mapping[str, Any]) -> str:
    reason = f": {promotion['reason']}" if promotion.get("reason") else ""
    return f"{_unpinned(str(promotion.get('source')))} → {promotion.get('target')}{reason}"


def _unpinned(reference: str) -> str:
    return reference.partition("@")[0]
