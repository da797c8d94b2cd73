"""What the tasks of a retention hand to each other: the deletions that are planned, in chunks of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.rules import Refusal, Refused
from artifactory_provider.retention import PlannedDeletion, RetentionPlan, read_retention, render_retention
from artifactory_provider.tasks.arguments import NOT_GIVEN, is_literal
from artifactory_provider.tasks.handover import APPROVALS, COUNTS, PLAN_SUMMARY, pull_chunk
from artifactory_provider.tasks.plan_rows import push_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.retention import RetentionRules
    from artifactory_provider.tasks.rules import Answers

_CHUNK = 500


def check_document(document: object) -> None:
    """Check the rules of a retention where they are given as text, and not as a file's name or a template.

    :param document: the argument.
    :raises InvalidRetention: when they are none.
    """
    if isinstance(document, str) and "\n" in document and is_literal(document):
        read_rules(document)


def read_rules(document: object) -> RetentionRules:
    """Return the rules of a retention that an argument stands for.

    :param document: YAML or JSON, as text.
    :raises InvalidRetention: when it holds no such rules.
    """
    if not isinstance(document, str):
        raise InvalidPlan(f"retention is a document in YAML or JSON, as text, not {document!r:.120}.")
    if document.endswith((".yaml", ".yml")) and "\n" not in document:
        raise InvalidPlan(f"The file {document!r:.200} was not found beside the DAG: put the rules of retention there.")
    return read_retention(document)


def push_deletions(
    ti: RuntimeTaskInstanceProtocol, plan: RetentionPlan, *, approvals: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Hand on a plan, and return the descriptors of its chunks.

    :param ti: the task instance that has made it.
    :param plan: the plan.
    :param approvals: the policy's rule for who has to approve it; empty where nobody has to.
    """
    ti.xcom_push(key=PLAN_SUMMARY, value=render_retention(plan))
    ti.xcom_push(key=APPROVALS, value=approvals)
    ti.xcom_push(key=COUNTS, value=plan.counts)
    rows = plan.to_delete()
    descriptors = []
    for number, start in enumerate(range(0, len(rows), _CHUNK), start=1):
        chunk, key = rows[start : start + _CHUNK], f"chunk_{number:04}"
        ti.xcom_push(key=key, value=[row.as_dict() for row in chunk])
        name = f"{start + 1}–{start + len(chunk)}"
        descriptors.append({"key": key, "task_id": ti.task_id, "name": name, "promotions": len(chunk)})
    others = [row for action in ("refused", "keep") for row in plan.deletions if row.action == action]
    push_rows(ti, chunks=(), others=(row.as_dict() for row in others))
    return descriptors


def pull_deletions(ti: RuntimeTaskInstanceProtocol, chunks: object) -> list[PlannedDeletion]:
    """Return the deletions of a plan.

    :param ti: the task instance that asks.
    :param chunks: the descriptors that ``push_deletions`` has returned.
    :raises InvalidPromotion: when they are none, or a chunk is not there or not whole.
    """
    if not isinstance(chunks, list | tuple):
        raise InvalidPlan(f"The chunks are {chunks!r:.120}, and no list: nothing was deleted. Clear the plan's task.")
    try:
        return [PlannedDeletion.from_dict(row) for chunk in chunks for row in pull_chunk(ti, chunk)]
    except (InvalidReference, KeyError, TypeError) as error:
        raise InvalidPlan(f"The plan cannot be read, and nothing was deleted: {error}. Clear its task.") from error


def check_asked(rule: object, answers: Answers) -> None:
    """Make sure that people were asked where they had to be: the task that asks may have been marked as done.

    :param rule: who had to approve; empty where nobody had to; ``NOT_GIVEN`` where the DAG asks nobody.
    :param answers: what people have answered.
    :raises Refused: when nothing was handed on of what had to be.
    """
    is_free = rule is NOT_GIVEN or rule == {} or rule == "{}"
    if is_free or answers.approval is not None:
        return
    reason = (
        "The rule for who has to approve is missing."
        if rule in (None, "", "None")
        else "An approval was asked for, and there is none."
    )
    advice = "Nothing was deleted. Clear the task that asks, and do not mark it as a success."
    raise Refused(Refusal(reason, lifted_by=advice, may_pass=False, rule="approval"))
