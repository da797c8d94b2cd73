"""What the tasks of a fleet hand to each other, and to the page that shows it: each XCom of bounded size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines.standing import ENDED, Position, ReadReport
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import pull_chunk, read_promotions

if TYPE_CHECKING:
    import datetime

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.pipelines.model import Pipeline

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
    ti: RuntimeTaskInstanceProtocol, pipeline: Pipeline, sources: Sequence[Source], *, name: str
) -> list[dict[str, Any]]:
    """Hand on what goes to the next stage, in chunks, and return their descriptors, as a plan's task does.

    :param ti: the task instance that hands it on.
    :param pipeline: the pipeline.
    :param sources: repository, image and tag, pinned, all in one stage; and when each was created, where that counts.
    :param name: what a person reads of them.
    """
    if len(sources) > _MOST:
        raise InvalidPromotion(
            f"A run takes {_MOST:,} images at most, not {len(sources):,}: make pipelines of fewer images."
        )
    descriptors = []
    for number, start in enumerate(range(0, len(sources), _CHUNK), start=1):
        promotions = [
            {"source": str(source), "target": str(target)}
            for source, created in sources[start : start + _CHUNK]
            for target in _targets(pipeline, source, created)
        ]
        key = f"{ARRIVED}_{number:04}"
        ti.xcom_push(key=key, value=promotions)
        last = min(start + _CHUNK, len(sources))
        descriptors.append(
            {"key": key, "task_id": ti.task_id, "name": f"{name} {start + 1}–{last}", "promotions": len(promotions)}
        )
    return descriptors


def pull_starts(ti: RuntimeTaskInstanceProtocol, chunks: Any) -> list[list[Change]]:
    """Return the changes of each chunk that was handed on.

    :param ti: the task instance that asks.
    :param chunks: the descriptors.
    :raises InvalidPromotion: when they are none, or a chunk is not there.
    """
    if not isinstance(chunks, Sequence) or isinstance(chunks, str | Mapping):
        raise InvalidPromotion(
            f"The images are {chunks!r:.120}, and no list of chunks: check that the task ran that selects them."
        )
    return [[Change(source, target) for source, target in read_promotions(pull_chunk(ti, chunk))] for chunk in chunks]


def read_ended(
    told: Any, starts: Sequence[ImageReference], pipeline: Pipeline, *, goal: int
) -> tuple[dict[ImageReference, Position], bool]:
    """Return how images have ended so far, as a task's own report says; and whether any is to be made sure of.

    :param told: the report, as ``LadderReport.as_dict`` has written it.
    :param starts: the images where they began, in the report's order.
    :param pipeline: the pipeline.
    :param goal: the level that they climb to.
    :raises ValueError: when that is no report of them.
    """
    rows = ReadReport.from_dict(told).rows[: len(starts)]
    if [(row.image, row.digest) for row in rows] != [(start.image, _short(start)) for start in starts]:
        raise ValueError("The report is about other images.")
    ended = {
        start: Position(
            reference=ImageReference(pipeline.stages[row.level].repository, row.image, row.tag, start.digest),
            level=row.level,
            standing=row.standing,
            since=row.since,
            reason=row.reason,
        )
        for start, row in zip(starts, rows, strict=True)
        if row.standing in ENDED
    }
    return ended, any(row.standing not in ENDED and row.level == goal for row in rows)


def _short(reference: ImageReference) -> str:
    return str(reference.digest or "").removeprefix("sha256:")[:12]


def _targets(pipeline: Pipeline, source: ImageReference, created: datetime.datetime | None) -> list[ImageReference]:
    """Return what an image becomes in the next stage."""
    stage = pipeline.stages[pipeline.level(source.repository) + 1]
    return list(dict.fromkeys(stage.targets(source, created=created)))
