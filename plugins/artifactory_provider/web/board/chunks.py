"""What plans have handed on in chunks, as the board reads it: whatever stands there, the good part of it counts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.chunks import MOST_CHUNKS
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import read_promotions
from artifactory_provider.web.board.airflow_internals import XComPlace, read_handed_on
from artifactory_provider.web.board.shipped import BULK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.web.board.airflow_internals import TaskRow

RETURNED = "return_value"
PLAN = "plan"
"""The task of a bulk run that has made its plan."""
_NAME = re.compile(r"[\w.-]{1,250}")
"""What Airflow takes as the name of a task; no database gets anything else."""
_APPROVE, _PROMOTE = "approve", "promote"
_MOST_RUNS = 20
_MOST_CHANGES = 10_000
"""How many promotions of bulk runs a look reads, those of the newest runs first."""
_MOST_READ = 2_000
"""In how many chunks: each is named in the query."""

TaskKey = tuple[str, str, int]
"""A bulk run, a task of it, and which of its instances."""


class ChunkPlace(NamedTuple):
    """Where a part of a plan is.

    :param place: where its promotions are.
    :param size: how many promotions it has.
    """

    place: XComPlace
    size: int


class BulkTask(NamedTuple):
    """What a task of a bulk run is about.

    :param changes: the promotions, as far as a look reads them.
    :param size: how many there are.
    """

    changes: Sequence[Change]
    size: int


def read_chunks(told: Any, run_id: str) -> list[ChunkPlace]:
    """Return the chunks that descriptors describe.

    :param told: what a plan's task has returned; anything.
    :param run_id: its run.
    """
    return [_read_chunk(one, run_id) for one in told[:MOST_CHUNKS]] if isinstance(told, list) else []


def read_changes(told: Any) -> list[Change]:
    """Return the promotions of a list; what is none is left out.

    :param told: JSON objects with source and target; anything.
    """
    if not isinstance(told, list):
        return []
    return [change for one in told for change in _read_change(one)]


def find_bulk_tasks(session: Session, tasks: Sequence[TaskRow]) -> dict[TaskKey, BulkTask]:
    """Return what tasks of bulk runs are about: a question about the whole plan, a promotion about its chunk.

    It takes two queries, and none where no such task is at work or has failed.

    :param session: a session of Airflow's database.
    :param tasks: tasks, the oldest first; those of other DAGs are passed over.
    """
    meant = [task for task in reversed(tasks) if task.dag_id == BULK and task.task_id in {_APPROVE, _PROMOTE}]
    runs = list(dict.fromkeys(task.run_id for task in meant))[:_MOST_RUNS]
    told = read_handed_on(session, BULK, [XComPlace(run_id, PLAN, RETURNED) for run_id in runs])
    plans = {run_id: read_chunks(told.get(XComPlace(run_id, PLAN, RETURNED)), run_id) for run_id in runs}
    wanted = {_key(task): list(_find_chunks(task, plans.get(task.run_id, ()))) for task in meant}
    chosen = dict(_choose(chunk for chunks in wanted.values() for chunk in chunks))
    values = read_handed_on(session, BULK, list(chosen))
    changes = {place: read_changes(values.get(place)) for place in chosen}
    # What has another size than its plan says is another plan's, which has been made since.
    found = {place: some for place, some in changes.items() if len(some) == chosen[place]}
    return {
        key: BulkTask(
            [change for chunk in chunks for change in found.get(chunk.place, ())], sum(chunk.size for chunk in chunks)
        )
        for key, chunks in wanted.items()
    }


def _key(task: TaskRow) -> TaskKey:
    return task.run_id, task.task_id, task.map_index


def _find_chunks(task: TaskRow, plan: Sequence[ChunkPlace]) -> Iterator[ChunkPlace]:
    if task.task_id == _APPROVE:
        yield from plan
    elif 0 <= task.map_index < len(plan):
        yield plan[task.map_index]  # the task is mapped over the list


def _choose(chunks: Iterable[ChunkPlace]) -> Iterator[ChunkPlace]:
    """Yield the chunks that are read: as many as have no more promotions together than a look reads."""
    left = _MOST_CHANGES
    for chunk in itertools.islice(dict.fromkeys(chunks), _MOST_READ):
        if 0 < chunk.size <= left:
            left -= chunk.size
            yield chunk


def _read_chunk(told: Any, run_id: str) -> ChunkPlace:
    descriptor = told if isinstance(told, Mapping) else {}
    task_id, key, size = descriptor.get("task_id"), descriptor.get("key"), descriptor.get("promotions")
    is_named = _NAME.fullmatch(f"{task_id}") and _NAME.fullmatch(f"{key}")
    number = size if is_named and isinstance(size, int) and not isinstance(size, bool) else 0
    return ChunkPlace(XComPlace(run_id, str(task_id), str(key)), max(0, number))


def _read_change(told: Any) -> Iterator[Change]:
    try:
        [(source, target)] = read_promotions([told])
    except (InvalidPromotion, InvalidReference):
        return
    if source.tag is not None and target.tag is not None:
        yield Change(source, target)
