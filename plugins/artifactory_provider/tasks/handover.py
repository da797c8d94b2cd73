"""What the tasks of a backfill hand to each other, and to the page that shows it: XComs, each of bounded size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference, InvalidReference, explain_no_text
from artifactory_provider.policy import ContradictoryRules
from artifactory_provider.policy.problems import InvalidDocument
from artifactory_provider.promotion.errors import InvalidPromotion, RulesUnreadable
from artifactory_provider.promotion.reports import ChunkOutcome
from artifactory_provider.tasks.plan_rows import push_rows
from artifactory_provider.tasks.refusals import PlanRefused, form_titles, in_form_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.promotion.planning.chunks import Chunk
    from artifactory_provider.promotion.planning.plan import Plan

PLAN_SUMMARY, REPORT_SUMMARY = "plan_summary", "report_summary"
"""Markdown for people: what a run would promote, and what became of it."""
PLAN_PROBLEM = "plan_problem"
"""Text for people: why there is no plan."""
COUNTS = "counts"
"""How many rows a plan has of each action."""
DRY_RUN = "dry_run"
"""Of a dry run: ``field``, the field of the DAG's form that made it one, and ``titles``, the fields' name → title."""
AUDIT = "audit"
"""What an audit comes to, as ``AuditReport.as_dict`` has it."""
APPROVALS = "approvals"
"""The policy's rule for who has to approve a plan, as a JSON object: empty where nobody has to, as None is no XCom."""
_DRY_RUN_FIELD = "dry_run"
_PROBLEMS, _OUTCOME = "problems", "outcome"
_PROBLEM_ACTIONS = ("conflict", "refused", "missing")
_MOST_PROBLEMS = 50


@dataclass(frozen=True, kw_only=True)
class HandedOn:
    """What a plan's task has handed on.

    :param counts: how many promotions there are of each action.
    :param problems: the first 50 in conflict, refused and missing, as they describe themselves.
    :param chunks: the descriptors of the chunks.
    """

    counts: Mapping[str, int]
    problems: Sequence[Mapping[str, Any]]
    chunks: Sequence[Mapping[str, Any]]


def push_plan(
    ti: RuntimeTaskInstanceProtocol,
    plan: Plan,
    *,
    summary: str,
    chunks: Sequence[Chunk],
    approvals: Mapping[str, Any],
) -> None:
    """Hand on a plan.

    :param ti: the task instance that has made it.
    :param plan: the plan.
    :param summary: the plan as Markdown.
    :param chunks: what it leaves to promote.
    :param approvals: the rule for who has to approve it; empty where nobody has to.
    """
    by_action = {
        action: [each for each in plan.promotions if each.action == action]
        for action in ("conflict", "refused", "missing", "promote", "unchanged")
    }
    problems = [each.as_dict() for action in _PROBLEM_ACTIONS for each in by_action[action][:_MOST_PROBLEMS]]
    in_chunks = {each.target for chunk in chunks for each in chunk.promotions}
    ti.xcom_push(key=PLAN_SUMMARY, value=summary)
    ti.xcom_push(key=COUNTS, value=plan.counts)
    ti.xcom_push(key=_PROBLEMS, value=problems)
    ti.xcom_push(key=APPROVALS, value=approvals)
    for chunk in chunks:
        ti.xcom_push(key=chunk.key, value=chunk.as_list())
    others = (each for found in by_action.values() for each in found if each.target not in in_chunks)
    push_rows(ti, chunks=chunks, others=(each.as_dict() for each in others))


@contextmanager
def tell_problems(task: BaseOperator, ti: RuntimeTaskInstanceProtocol, *, names: Iterable[str]) -> Iterator[None]:
    """Let people read on the run's page why there is no plan; a refusal needs no traceback.

    :param task: the task that plans.
    :param ti: its instance.
    :param names: the names that fields of a form may have.
    :raises PlanRefused: when the plan is refused, in the words of the DAG's form.
    """
    try:
        yield
    except (ContradictoryRules, InvalidDocument, InvalidPromotion, InvalidReference) as error:
        reason = in_form_words(str(error), form_titles(task, names))
        ti.xcom_push(key=PLAN_PROBLEM, value=f"The plan was refused. {reason}")
        task.log.error("The plan was refused. %s", reason)
        raise PlanRefused(reason) from error
    except (ArtifactoryError, RulesUnreadable) as error:
        ti.xcom_push(key=PLAN_PROBLEM, value=f"The plan could not be made. {error}")
        raise


def end_dry_run(
    task: BaseOperator,
    context: Context,
    *,
    is_worth_a_run: bool,
    deed: str = "promoted",
    seen: Mapping[str, str] | None = None,
) -> None:
    """Say that this was a dry run; where a field of the form made it one, its page offers to run the form for real.

    :param task: the task that has planned.
    :param context: its context.
    :param is_worth_a_run: whether a run for real would do anything.
    :param deed: what that would do with tags, as a participle.
    :param seen: fields of the form by which a run for real does what was seen here, or nothing; where the form has
        them all.
    """
    ti, fields = context["ti"], context.get("params", {})
    task.log.info("This is a dry run: nothing is %s.", deed)
    ti.xcom_push(key=REPORT_SUMMARY, value=f"This was a dry run: **nothing was {deed}**.\n")
    if is_worth_a_run and fields.get(_DRY_RUN_FIELD) is True:
        pinned = dict(seen or {}) if set(seen or {}) <= set(fields) else {}
        ti.xcom_push(key=DRY_RUN, value={"field": _DRY_RUN_FIELD, "titles": form_titles(task, fields), "seen": pinned})


def pull_plan(ti: RuntimeTaskInstanceProtocol, task_id: str) -> HandedOn | None:
    """Return what a plan's task has handed on, or None where it has not come that far.

    :param ti: the task instance that asks.
    :param task_id: the plan's task.
    """
    counts = ti.xcom_pull(task_ids=task_id, key=COUNTS)
    if not counts:
        return None
    problems = ti.xcom_pull(task_ids=task_id, key=_PROBLEMS)
    return HandedOn(counts=counts, problems=problems or [], chunks=ti.xcom_pull(task_ids=task_id) or [])


def pull_problem(ti: RuntimeTaskInstanceProtocol, task_id: str) -> str | None:
    """Return why a plan's task has made no plan, or None where it has not told.

    :param ti: the task instance that asks.
    :param task_id: the plan's task.
    """
    problem: str | None = ti.xcom_pull(task_ids=task_id, key=PLAN_PROBLEM)
    return problem


def refuse_without_plan(task: BaseOperator, ti: RuntimeTaskInstanceProtocol, task_id: str) -> PlanRefused:
    """Return the end of a task that nothing can be done in, as there is no plan.

    :param task: the task.
    :param ti: its instance.
    :param task_id: the plan's task.
    """
    reason = pull_problem(ti, task_id) or f"The log of the task {task_id} says why."
    task.log.error("There is no plan, so nothing was promoted. %s", reason)
    return PlanRefused(f"There is no plan, so nothing was promoted. {reason}")


def pull_chunk(ti: RuntimeTaskInstanceProtocol, chunk: Mapping[str, Any] | None) -> Sequence[Mapping[str, str]]:
    """Return the promotions of a chunk.

    :param ti: the task instance that asks.
    :param chunk: its descriptor.
    :raises InvalidPromotion: when the chunk is not there, or not whole, or that is no descriptor.
    """
    if not isinstance(chunk, Mapping) or not {"key", "name", "promotions", "task_id"} <= chunk.keys():
        raise InvalidPromotion(
            f"The chunk is {chunk!r:.120}, and none that a plan has handed on: nothing was promoted. Check that the "
            "plan's task ran, and map this one over what it returned."
        )
    promotions: list[dict[str, str]] | None = ti.xcom_pull(task_ids=chunk["task_id"], key=chunk["key"])
    found = len(promotions or [])
    if promotions is None or found != chunk["promotions"]:
        raise InvalidPromotion(
            f"The chunk {chunk['name']} should have {chunk['promotions']} promotions, but {found} were found under "
            f"the XCom {chunk['key']} of the task {chunk['task_id']}: clear that task, which plans anew."
        )
    return promotions


def read_promotions(
    promotions: Sequence[Mapping[str, str]] | None,
) -> tuple[tuple[ImageReference, ImageReference], ...]:
    """Return source and target of each promotion.

    :param promotions: JSON objects with ``source`` and ``target``, each ``repository/image:tag[@digest]``.
    :raises InvalidPromotion: when there is no list of them, or one has no source or target.
    :raises InvalidReference: when one is malformed.
    """
    if not isinstance(promotions, Sequence) or isinstance(promotions, str):
        raise InvalidPromotion(
            f"The promotions are {promotions!r:.120}, and no list: nothing was promoted. Check that the task that "
            "should hand them on ran, and that it returned a list."
        )
    try:
        return tuple((_read_end(each, "source"), _read_end(each, "target")) for each in promotions)
    except (KeyError, TypeError):
        raise InvalidPromotion(
            "Each promotion has a source and a target, such as {'source': 'docker-dev/payments/api:1.4.2', 'target': "
            "'docker-qa/payments/api:1.4.2'}."
        ) from None


def push_outcome(ti: RuntimeTaskInstanceProtocol, outcome: ChunkOutcome) -> None:
    """Hand on what became of a chunk, also where the task fails afterwards.

    :param ti: the task instance that has promoted.
    :param outcome: what became of it.
    """
    ti.xcom_push(key=_OUTCOME, value=outcome.as_dict())


def pull_outcomes(ti: RuntimeTaskInstanceProtocol, task_id: str) -> list[ChunkOutcome]:
    """Return what became of the chunks whose tasks have told.

    :param ti: the task instance that asks.
    :param task_id: the mapped task that promotes.
    """
    told = ti.xcom_pull(task_ids=[task_id], key=_OUTCOME)
    return [ChunkOutcome.from_dict(document) for document in told if document]


def _read_end(promotion: Mapping[str, str], end: Literal["source", "target"]) -> ImageReference:
    value: object = promotion[end]
    if not isinstance(value, str):
        raise InvalidPromotion(f"The {end} of a promotion: {explain_no_text(value, 'an image reference')}")
    return ImageReference.parse(value)
