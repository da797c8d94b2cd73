"""What the tasks of a fleet hand to each other, and to the page that shows it: each XCom of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines.standing import Position, ReadReport
from artifactory_provider.policy import rule_as_dict
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import APPROVALS, pull_chunk, read_promotions
from artifactory_provider.tasks.metrics import count_ends, count_refusals, count_waits, time_waits

if TYPE_CHECKING:
    import datetime
    from collections.abc import Container, Mapping, Sequence

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.pipelines.standing import LadderReport
    from artifactory_provider.tasks.metrics import WaitReason
    from artifactory_provider.tasks.rules import VariableRules

LADDER = "ladder"
"""Where the images stand: what ``LadderReport.as_dict`` returns."""
ARRIVED = "arrived"
"""Descriptors of the chunks of what goes on from the goal."""
UNSELECTED = "unselected"
"""``[what was asked for, why nothing was selected]`` each."""
Source = tuple["ImageReference", "datetime.datetime | None"]

_CHUNK = 500
_MOST = 10_000


def push_next(
    ti: RuntimeTaskInstanceProtocol, pipeline: Pipeline, sources: Sequence[Source], *, rules: VariableRules
) -> list[dict[str, Any]]:
    """Hand on what goes to the next stage, in chunks, and who has to approve that; return their descriptors.

    :param ti: the task instance that hands it on.
    :param pipeline: the pipeline.
    :param sources: repository, image and tag, pinned, all in one stage; and when each was created, where that counts.
    :param rules: what says who has to approve.
    :raises InvalidPromotion: when they are too many.
    :raises ContradictoryRules: when nobody could approve it.
    """
    if len(sources) > _MOST:
        raise InvalidPromotion(
            f"A run takes {_MOST:,} images at most, not {len(sources):,}: make pipelines of fewer images."
        )
    descriptors, rule = [], None
    targets = [_targets(pipeline, source, created) for source, created in sources]
    for number, start in enumerate(range(0, len(sources), _CHUNK), start=1):
        promotions = [
            {"source": str(source), "target": str(target)}
            for (source, _), of_source in zip(sources[start : start + _CHUNK], targets[start:], strict=False)
            for target in of_source
        ]
        key, last = f"{ARRIVED}_{number:04}", min(start + _CHUNK, len(sources))
        name = f"{pipeline.name} {start + 1}–{last}"
        ti.xcom_push(key=key, value=promotions)
        descriptors.append({"key": key, "task_id": ti.task_id, "name": name, "promotions": len(promotions)})
    if sources and pipeline.stages[pipeline.level(sources[0][0].repository) + 1].asks_approval:
        rule = rules.find_approvals(target for of_source in targets for target in of_source)
    ti.xcom_push(key=APPROVALS, value=rule_as_dict(rule) if rule else {})
    ti.xcom_push(key=ARRIVED, value=descriptors)
    return descriptors


def pull_starts(ti: RuntimeTaskInstanceProtocol, task_id: str) -> list[list[Change]]:
    """Return the changes of each chunk that a task has handed on.

    :param ti: the task instance that asks.
    :param task_id: the task.
    :raises InvalidPromotion: when it has handed on nothing, or a chunk is not there.
    """
    chunks = ti.xcom_pull(task_ids=task_id, key=ARRIVED)
    if not isinstance(chunks, list):
        raise InvalidPromotion(
            f"The task {task_id} has handed on no images: nothing was promoted. Check that it ran, then clear it."
        )
    return [[Change(source, target) for source, target in read_promotions(pull_chunk(ti, chunk))] for chunk in chunks]


def read_positions(told: Any, starts: Sequence[ImageReference], pipeline: Pipeline) -> dict[ImageReference, Position]:
    """Return where images stood, as a task's own report says, by where they began.

    :param told: the report, as ``LadderReport.as_dict`` has written it.
    :param starts: the images where they began, in the report's order.
    :param pipeline: the pipeline.
    :raises ValueError: when that is no report of them.
    """
    rows = ReadReport.from_dict(told).rows[: len(starts)]
    if [(row.image, row.digest) for row in rows] != [(start.image, _short(start)) for start in starts]:
        raise ValueError("The report is about other images.")
    return {
        start: Position(
            reference=ImageReference(pipeline.stages[row.level].repository, row.image, row.tag, start.digest),
            level=row.level,
            standing=row.standing,
            since=row.since,
            reason=row.reason,
            counts_from=row.counts_from,
            is_unsure=row.is_unsure,
        )
        for start, row in zip(starts, rows, strict=True)
    }


def count_standings(
    report: LadderReport,
    starts: Sequence[ImageReference],
    known: Mapping[ImageReference, Position],
    pipeline: Pipeline,
    *,
    awaited: Container[ImageReference],
) -> None:
    """Count what images have begun to wait for, and which have ended badly, since they were looked at last.

    :param report: where they stand.
    :param starts: where they began, in the report's order.
    :param known: where they stood before, by where they began.
    :param pipeline: the pipeline.
    :param awaited: those that wait for verdicts.
    """
    ends, refusals, waits, times = [], [], [], []
    for start, now in zip(starts, report.positions, strict=True):
        before = known.get(start)
        if before and (before.level, before.standing) == (now.level, now.standing):
            continue
        if before and before.standing in {"waiting", "refused"}:
            place, reason = _name_wait(before, pipeline, is_for_verdict=True)
            times.append((place, reason, report.at - before.since))
        if now.standing in {"waiting", "refused"}:
            waits.append(_name_wait(now, pipeline, is_for_verdict=now.reference in awaited))
        if now.standing == "refused":
            refusals.append((waits[-1][0], now.rule or "unreadable"))
        elif now.has_ended and now.standing != "arrived":
            ends.append((_above(now, pipeline), now.standing))
    count_ends(ends)
    count_refusals(refusals)
    count_waits(waits)
    time_waits(times)


def _name_wait(position: Position, pipeline: Pipeline, *, is_for_verdict: bool) -> tuple[str, WaitReason]:
    """Return where and for what an image waits: for the verdicts on what it is, or to get into the next stage."""
    if position.standing == "refused":
        return _above(position, pipeline), "rule"
    return position.reference.repository, "verdict" if is_for_verdict else "server"


def _above(position: Position, pipeline: Pipeline) -> str:
    """Return the repository that an image would be promoted to."""
    return pipeline.stages[min(position.level + 1, len(pipeline.stages) - 1)].repository


def _short(reference: ImageReference) -> str:
    return str(reference.digest or "").removeprefix("sha256:")[:12]


def _targets(pipeline: Pipeline, source: ImageReference, created: datetime.datetime | None) -> list[ImageReference]:
    """Return what an image becomes in the next stage."""
    stage = pipeline.stages[pipeline.level(source.repository) + 1]
    return list(dict.fromkeys(stage.targets(source, created=created)))
