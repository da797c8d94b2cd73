"""The route that tells what one task instance waits for, whichever DAG it is of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

from artifactory_provider.board.findings import GateFinding
from artifactory_provider.board.states import GateState
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION
from artifactory_provider.pipelines.model import ON_PUSH
from artifactory_provider.web.airflow_internals import SessionDep, UserDep, may
from artifactory_provider.web.board.access import Limit, Name, RightsDep, Start, view_board
from artifactory_provider.web.board.airflow_internals import find_task, read_handed_on
from artifactory_provider.web.board.looking import StagePlace
from artifactory_provider.web.board.shipped import SHIPPED
from artifactory_provider.web.board.showing import show_gate
from artifactory_provider.web.board.subjects import Page, find_wait
from artifactory_provider.web.board.task_models import WaitingImage, WaitingTask

if TYPE_CHECKING:
    from artifactory_provider.board.tasks import TaskFinding
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.web.board.airflow_internals import TaskDetails
    from artifactory_provider.web.board.models import Gate
    from artifactory_provider.web.board.subjects import WaitingSubject
    from artifactory_provider.web.board.views import SeenRow, View

_THERE = "The target tag shows it already."
_DELETION = "Its deletion is to be approved."

router = APIRouter()


@dataclass(frozen=True, kw_only=True)
class WantedTask:
    """Which task instance is asked for, and which of its images.

    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: the task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :param start: how many images are passed over.
    :param limit: how many at most.
    :param refresh: whether the registry is to be looked at anew.
    """

    dag_id: Name
    run_id: Name
    task_id: Name
    map_index: Annotated[int, Query(ge=-1, le=1_000_000)] = -1
    start: Start = 0
    limit: Limit = 100
    refresh: bool = False


WantedDep = Annotated[WantedTask, Depends()]


@router.get("/board/task.json")
def show_task(wanted: WantedDep, rights: RightsDep, user: UserDep, session: SessionDep) -> WaitingTask:
    """Return what a task instance waits for; this never waits for Artifactory."""
    dag_id = wanted.dag_id
    if not may(user, "GET", dag_id, "TASK_INSTANCE"):
        raise HTTPException(403, "You may not read the tasks of this DAG.")
    task = find_task(session, dag_id, wanted.run_id, wanted.task_id, wanted.map_index)
    if task is None:
        raise HTTPException(404, "There is no such task instance.")
    if not may(user, "GET", dag_id, "HITL_DETAIL"):
        task = task._replace(row=task.row._replace(assignees=None), subject="")
    view, is_refreshing = view_board(rights, refresh=wanted.refresh)
    ladder = next((one for one in view.pipelines if dag_id in {one.name, f"{one.name}{ON_PUSH}"}), None)
    read = partial(read_handed_on, session, dag_id) if may(user, "GET", dag_id, "XCOM") else None
    wait = find_wait(task, ladder, Page(wanted.start, wanted.limit), read)
    shown = _Shown(view, task, ladder)
    return WaitingTask(
        dag_id=dag_id,
        run_id=wanted.run_id,
        task_id=wanted.task_id,
        map_index=wanted.map_index,
        state=task.row.state,
        is_waiting=wait.is_waiting,
        told=wait.told,
        subject=task.subject if wait.is_waiting else "",
        may_answer=None if task.row.assignees is None else list(task.row.assignees),
        since=task.row.since,
        until=(task.row.until or wait.until) if wait.is_waiting else None,
        found=wait.found,
        start=wanted.start,
        images=[shown.show(one) for one in wait.subjects],
        is_refreshing=is_refreshing,
    )


class _Shown:
    """Shows what a task is at with its images as the board does.

    :param view: the board as the user may see it.
    :param task: the task instance.
    :param ladder: the ladder that it is a task of; None where it is of none that the user may see.
    """

    def __init__(self, view: View, task: TaskDetails, ladder: Pipeline | None) -> None:
        self._view, self._ladder = view, ladder
        # What a DAG of somebody's own asks is not what the gates of a ladder ask.
        self._has_gates = ladder is not None or task.row.dag_id in SHIPPED
        own = task.fields.get("artifactory_conn_id") or task.arguments.get("artifactory_conn_id")
        conn_id = ladder.connection if ladder else own or DEFAULT_CONNECTION
        self._conn_id = str(conn_id)
        self._rows: dict[str, list[SeenRow]] = {}
        for row in view.rows:
            pipeline = row.finding.pipeline
            if pipeline.connection == self._conn_id and (ladder is None or ladder.name == pipeline.name):
                self._rows.setdefault(row.finding.image, []).append(row)

    def show(self, subject: WaitingSubject) -> WaitingImage:
        finding = subject.finding
        rows = self._rows.get(finding.image, [])
        names = [row.finding.pipeline.name for row in rows]
        for row in rows if self._has_gates else ():
            stages = row.finding.pipeline.stages
            key = (self._conn_id, finding.target, finding.image)
            joined = replace(row.finding, tasks=()).with_tasks({key: [finding]})
            for level, (gate, task) in enumerate(joined.join_tasks({finding.dag_id}, names_people=True)):
                if task is not None:
                    shown = show_gate(stages[level].name, stages[level + 1].name, gate, task)
                    return WaitingImage(image=finding.image, ladder=row.finding.pipeline.name, gate=shown)
        return WaitingImage(image=finding.image, ladder=next(iter(names), ""), gate=self._show_own(subject, finding))

    def _show_own(self, subject: WaitingSubject, finding: TaskFinding) -> Gate:
        """Return what stands there by the task's own words."""
        source, target = subject.source, subject.target
        gate = GateFinding(state=GateState.READY, source=source, target=target).joined(finding)
        if self._is_there(subject):
            gate = replace(gate, state=GateState.NOTHING, reason=_THERE)
        elif source is not None and source.unpinned() == target:
            gate = replace(gate, reason=_DELETION)
        return show_gate(source.repository if source else "", finding.target, gate, finding)

    def _is_there(self, subject: WaitingSubject) -> bool:
        """Tell whether the board shows under the target tag what would be promoted."""
        source, target = subject.source, subject.target
        if source is None or target is None or source.unpinned() == target:
            return False
        place = self._view.find_place(target.repository, self._conn_id)
        stock = self._view.snapshot.find_stock(place or StagePlace(self._conn_id, ""))
        shown = stock.shows(target) if stock is not None else None
        return shown is not None and shown.digest == source.digest
