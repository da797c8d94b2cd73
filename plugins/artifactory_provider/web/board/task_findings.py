"""What Airflow's tasks are at with the board's images: those of ladders, and of the shipped DAGs."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.artifactory.references import is_tag
from artifactory_provider.audit import kind_of
from artifactory_provider.board.tasks import TaskFinding
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION
from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.pipelines.standing import ReadReport
from artifactory_provider.promotion.selection import NEWEST
from artifactory_provider.tasks.ladders import LADDER
from artifactory_provider.web.board.airflow_internals import list_reports, list_tasks
from artifactory_provider.web.board.chunks import find_bulk_tasks
from artifactory_provider.web.board.shipped import ON_DEMAND, ROLLBACK, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.board.tasks import Deed, GateKey, Stand
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.pipelines.standing import Row
    from artifactory_provider.promotion.rules import Change
    from artifactory_provider.web.board.airflow_internals import ReportRow, TaskRow
    from artifactory_provider.web.board.chunks import BulkTask

_FAILED_FOR = datetime.timedelta(days=14)
_ON_DEMAND_DEEDS: Mapping[str, Deed] = {"approve": "approve", "override": "override", "promote": "promote"}
_ROLLBACK_DEEDS: Mapping[str, Deed] = {"approve": "approve", "override": "override", "roll_back": "promote"}
_STANDS: Mapping[str, Stand] = {"deferred": "waits", "awaiting_input": "waits", "failed": "failed"}
_DEEDS: Sequence[tuple[str, Deed]] = (("verify_", "verify"), ("approve_", "approve"), ("promote_to_", "promote"))


class _Step(NamedTuple):
    deed: Deed
    target: str


def find_all_tasks(
    session: Session, pipelines: Sequence[Pipeline], *, now: datetime.datetime
) -> dict[GateKey, list[TaskFinding]]:
    """Return what tasks of ladders, and of the shipped DAGs, are at, the newest last.

    :param session: a session of Airflow's database.
    :param pipelines: the ladders.
    :param now: the moment.
    """
    by_dag = {name: one for one in pipelines for name in (one.name, f"{one.name}{ON_PUSH}")}
    found: dict[GateKey, list[TaskFinding]] = {}
    arrived: dict[tuple[str, str], list[tuple[str, Row]]] = {}
    for report in list_reports(session, list(by_dag), key=LADDER):
        pipeline = by_dag[report.dag_id]
        for target, row in _read_rows(report, pipeline):
            if row.standing == "arrived":
                arrived.setdefault((report.dag_id, report.run_id), []).append((target, row))
            elif (made := _read_standing(report, row, target)) is not None:
                found.setdefault((pipeline.connection, target, row.image), []).append(made)
    tasks = list_tasks(session, [*by_dag, *SHIPPED], failed_since=now - _FAILED_FOR)
    bulk = find_bulk_tasks(session, tasks)
    stages = {stage.repository for one in pipelines for stage in one.stages}
    for task in tasks:
        ladder = by_dag.get(task.dag_id)
        if ladder is not None:
            read = _read_task(task, ladder, arrived.get((task.dag_id, task.run_id), ()))
        else:
            read = _read_shipped(task, bulk.get((task.run_id, task.task_id, task.map_index)), stages)
        for one in read:
            conn_id = ladder.connection if ladder else DEFAULT_CONNECTION
            found.setdefault((conn_id, one.target, one.image), []).append(one)
    return found


def _read_task(task: TaskRow, pipeline: Pipeline, arrived: Sequence[tuple[str, Row]]) -> Iterator[TaskFinding]:
    """Yield what a ladder's task is at with each image; nothing for what is no step of an image.

    :param pipeline: its ladder.
    :param arrived: what the tasks of a fleet have brought to where people are asked: target repository and row.
    """
    step = _find_step(task.task_id.rpartition(".")[2], pipeline)
    image, _, tag = task.label.rpartition(":")
    if step is not None and image:
        # The label of a question is the target.
        yield describe_task(
            task, *step, image.removeprefix(f"{step.target}/") if step.deed == "approve" else image, tag
        )
    elif step is not None and step.deed == "approve":
        asked = [row for target, row in arrived if target == step.target]
        covers = len(asked) if task.state == "awaiting_input" else 0
        yield from (replace(describe_task(task, *step, row.image, row.tag), covers=covers) for row in asked)


def _find_step(name: str, pipeline: Pipeline) -> _Step | None:
    """Return the step that a task is: of the stage that it names whole, or of the further tags of one."""
    for is_meant in (_names_stage, _names_further_tag):
        for prefix, deed in _DEEDS:
            for level, stage in enumerate(pipeline.stages):
                if not is_meant(name, f"{prefix}{stage.name}"):
                    continue
                if deed == "verify" and level + 1 < len(pipeline.stages):
                    return _Step(deed, pipeline.stages[level + 1].repository)
                if deed != "verify" and level:
                    return _Step(deed, stage.repository)
    return None


def _names_stage(name: str, expected: str) -> bool:
    return name == expected


def _names_further_tag(name: str, expected: str) -> bool:
    return name.startswith(f"{expected}_") and name[len(expected) + 1 :].isdecimal()


def _read_shipped(task: TaskRow, bulk: BulkTask | None, stages: Container[str]) -> Iterator[TaskFinding]:
    """Yield what a task of a shipped DAG is at.

    :param bulk: what it is about, of a bulk run.
    :param stages: the repositories that the board shows.
    """
    if task.dag_id == ON_DEMAND:
        yield from _read_on_demand(task)
    elif task.dag_id == ROLLBACK:
        yield from _read_rollback(task)
    elif bulk is not None:
        step: Deed = "approve" if task.task_id == "approve" else "promote"
        for change in bulk.changes:
            if change.target.repository in stages:
                yield describe_change(task, step, change, size=bulk.size)


def describe_change(task: TaskRow, deed: Deed, change: Change, *, size: int) -> TaskFinding:
    """Return what a task is at with one of its promotions.

    :param task: the task.
    :param deed: what it does.
    :param change: the promotion.
    :param size: how many promotions the task is about.
    """
    source, target = change.source, change.target
    found = describe_task(task, deed, target.repository, target.image, str(target.tag))
    # A rollback gives a tag back what a backup beside it has kept.
    is_rollback = kind_of(str(target.unpinned()), str(source.unpinned())) == "rollback"
    digest = str(source.digest or "").removeprefix("sha256:")
    return replace(found, digest=digest, covers=size if found.covers else 0, is_rollback=is_rollback)


def _read_rollback(task: TaskRow) -> Iterator[TaskFinding]:
    repository, image = task.conf.get("repository"), task.conf.get("image")
    deed, tag = _ROLLBACK_DEEDS.get(task.task_id), _read_tag(task.conf.get("tag"))
    if deed is not None and tag and isinstance(image, str) and isinstance(repository, str):
        yield replace(describe_task(task, deed, repository.strip(), image.strip(), tag), is_rollback=True)


def _read_on_demand(task: TaskRow) -> Iterator[TaskFinding]:
    image, target = task.conf.get("image"), task.conf.get("target_repository")
    deed = _ON_DEMAND_DEEDS.get(task.task_id)
    if deed is not None and isinstance(image, str) and isinstance(target, str):
        yield describe_task(task, deed, target.strip(), image.strip(), _read_tag(task.conf.get("tag")))


def _read_tag(said: object) -> str:
    """Return the tag that a form names; empty for the newest one, a pattern or a range."""
    text = said.strip() if isinstance(said, str) else ""
    return text if text != NEWEST and is_tag(text) else ""


def describe_task(row: TaskRow, deed: Deed, target: str, image: str, tag: str) -> TaskFinding:
    """Return what a task is at with one image.

    :param row: the task.
    :param deed: what it does.
    :param target: the repository that the image is to come to.
    :param image: the image name.
    :param tag: the tag that it has below, or there; empty for any.
    """
    return TaskFinding(
        image=image,
        target=target,
        tag=tag or None,
        deed=deed,
        stand=_STANDS.get(row.state, "runs"),
        since=row.since,
        until=row.until,
        may_answer=None if row.assignees is None else tuple(row.assignees),
        covers=int(row.state == "awaiting_input"),
        dag_id=row.dag_id,
        run_id=row.run_id,
        task_id=row.task_id,
        map_index=row.map_index,
    )


def _read_rows(report: ReportRow, pipeline: Pipeline) -> Iterator[tuple[str, Row]]:
    """Yield where the images of a fleet go next, and how they stand; nothing where that is no report."""
    try:
        rows = ReadReport.from_dict(report.value).rows
    except ValueError:
        return
    for row in rows:
        if row.level + 1 < len(pipeline.stages):
            yield pipeline.stages[row.level + 1].repository, row


def read_waiting(report: ReportRow, pipeline: Pipeline) -> Iterator[tuple[TaskFinding, str]]:
    """Yield what a fleet's task says of each image that waits, and the repository where that stands.

    :param report: what the task has told; it waits itself.
    :param pipeline: its ladder.
    """
    for target, row in _read_rows(report, pipeline):
        made = _read_standing(report, row, target)
        if made is not None and made.stand == "waits":
            yield made, pipeline.stages[row.level].repository


def _read_standing(report: ReportRow, row: Row, target: str) -> TaskFinding | None:
    """Return what a fleet's task says of an image that waits, or has ended badly."""
    is_bad = row.standing in {"failed", "late"}
    if not is_bad and not (report.is_running and row.standing in {"waiting", "refused", "climbing"}):
        return None
    return TaskFinding(
        image=row.image,
        target=target,
        tag=row.tag or None,
        digest=row.digest,
        deed="verify" if row.standing == "waiting" else "promote",
        stand="failed" if is_bad else "waits" if row.standing != "climbing" else "runs",
        reason=row.reason,
        since=row.since,
        dag_id=report.dag_id,
        run_id=report.run_id,
        task_id=report.task_id,
    )
