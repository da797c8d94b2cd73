"""What was found, as the JSON API says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.links.artifactory import image_url
from artifactory_provider.web.board.models import (
    By,
    Cell,
    Gate,
    LadderStage,
    MetTag,
    RowChange,
    ShownLadder,
    ShownRow,
    ShownStop,
    TaskLink,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.audit import Maker, StandingTag
    from artifactory_provider.board.findings import GateFinding
    from artifactory_provider.board.tasks import TaskFinding
    from artifactory_provider.pipelines.model import Pipeline, Stage
    from artifactory_provider.policy import StopOrder
    from artifactory_provider.web.board.looking import Snapshot
    from artifactory_provider.web.board.views import SeenRow
    from artifactory_provider.web.history import RecordedPromotion


def show_ladder(pipeline: Pipeline, snapshot: Snapshot) -> ShownLadder:
    """Return the stages of a pipeline.

    :param pipeline: the pipeline.
    :param snapshot: where it is from.
    """
    return ShownLadder(
        name=pipeline.name,
        title=pipeline.title or pipeline.name,
        owner=pipeline.owner,
        as_of=snapshot.times.get(pipeline.connection),
        stages=[
            LadderStage(name=stage.name, repository=stage.repository, connection=pipeline.connection)
            for stage in pipeline.stages
        ],
    )


def show_stop(order: StopOrder) -> ShownStop:
    """Return an order to stop.

    :param order: the order.
    """
    return ShownStop(
        repositories=list(order.targets.repositories.include),
        images=list(order.targets.images.include),
        reason=order.reason,
        by=order.by,
        since=order.since,
        until=order.until,
    )


def show_row(
    row: SeenRow, snapshot: Snapshot, *, met: Sequence[MetTag] = (), changes: Sequence[RowChange] = ()
) -> ShownRow:
    """Return a row.

    :param row: the row as the user may see it.
    :param snapshot: where it is from.
    :param met: other tags of the image that a search has met.
    :param changes: what has changed of it.
    """
    pipeline = row.finding.pipeline
    steps = zip(pipeline.stages, pipeline.stages[1:], row.gates, strict=False)
    return ShownRow(
        image=row.finding.image,
        ladder=pipeline.name,
        owner=pipeline.owner,
        connection=pipeline.connection,
        cells=[_show_cell(row, level, stage, snapshot) for level, stage in enumerate(pipeline.stages)],
        gates=[show_gate(lower.name, upper.name, *gate) for lower, upper, gate in steps],
        met=list(met),
        changes=list(changes),
    )


def show_by(promotion: RecordedPromotion | Maker | None) -> By | None:
    """Return by which run something was promoted.

    :param promotion: the promotion, or the task that has made it; None where none is known.
    """
    if promotion is None or promotion.dag_id is None or promotion.run_id is None:
        return None
    return By(
        dag_id=promotion.dag_id,
        run_id=promotion.run_id,
        task_id=promotion.task_id,
        map_index=promotion.map_index,
        user=promotion.user or None,
        started=promotion.started or None,
    )


def show_url(snapshot: Snapshot, conn_id: str, tag: StandingTag) -> str:
    """Return where Artifactory's UI shows a tag.

    :param snapshot: where it is from.
    :param conn_id: the connection of its server.
    :param tag: the tag.
    """
    base = snapshot.base_urls.get(conn_id)
    return image_url(base, tag.place) if base else ""


def _show_cell(row: SeenRow, level: int, stage: Stage, snapshot: Snapshot) -> Cell:
    cell = row.finding.cells[level]
    shown = cell.shown
    return Cell(
        stage=stage.name,
        repository=stage.repository,
        tag=shown.name if shown else None,
        digest=shown.digest if shown else None,
        updated=shown.updated if shown else None,
        state=cell.state,
        word=cell.word,
        reason=cell.reason,
        behind=cell.behind,
        by=show_by(row.promoted[level]),
        pushed_by=shown.by or None if shown and shown.record is None else None,
        tags=cell.tags,
        url=show_url(snapshot, row.finding.pipeline.connection, shown) if shown else "",
    )


def show_gate(lower: str, upper: str, gate: GateFinding, task: TaskFinding | None) -> Gate:
    """Return what stands between two stages.

    :param lower: the name of the stage before.
    :param upper: the name of the stage after.
    :param gate: what was found there, joined with the task.
    :param task: what a task is at there, as far as the user may know.
    """
    going_back = task.tag if task is not None and task.is_rollback else None
    source, target = (gate.source, gate.target) if going_back is None else (None, None)
    return Gate(
        from_stage=lower,
        to=upper,
        state=gate.state,
        word=gate.word,
        reason=gate.reason,
        since=gate.since,
        until=gate.until,
        link=_show_link(task) if task else None,
        may_answer=_list_people(task) if task else [],
        covers=task.covers if task else 0,
        is_rollback=going_back is not None,
        tag=source.tag if source else going_back,
        target_tag=target.tag if target else going_back,
        digest=source.digest if source else None,
    )


def _list_people(task: TaskFinding) -> list[str] | None:
    return None if task.may_answer is None else list(task.may_answer)


def _show_link(task: TaskFinding) -> TaskLink:
    return TaskLink(dag_id=task.dag_id, run_id=task.run_id, task_id=task.task_id, map_index=task.map_index)
