"""All that the board takes from inside Airflow: one query for tasks and questions, one for reports, one for events.

Two more read what bulk runs are about, where some are under way or have failed.

(Read of Airflow 3.3.2.) What an Airflow lacks costs what is joined, and never the board itself.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.fernet import InvalidToken
from sqlalchemy import and_, func, or_, select, tuple_

from artifactory_provider.web.airflow_internals import needed
from artifactory_provider.web.airflow_xcoms import XComsUnreadable, find_xcom_reader
from artifactory_provider.web.events import AssetEvent

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

_MOST_TASKS = 20_000
_MOST_REPORTS = 200
_RUNS_OF_A_DAG = 3
_MOST_EVENTS = 20_000
_AT_WORK = (
    "running",
    "queued",
    "scheduled",
    "restarting",
    "up_for_retry",
    "up_for_reschedule",
    "deferred",
    "awaiting_input",
)


class TaskRow(NamedTuple):
    """A task instance that is at work, waits, or has failed.

    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: the task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :param state: its state; empty before it has one.
    :param label: what a mapped instance is called.
    :param since: when it began.
    :param until: when what it waits for is given up.
    :param conf: what its run was triggered with.
    :param assignees: who may answer its question; none where anybody may, or it asks none; None where that is not told.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str
    label: str
    since: datetime.datetime | None
    until: datetime.datetime | None
    conf: Mapping[str, Any]
    assignees: Sequence[str] | None


class TaskDetails(NamedTuple):
    """A task instance, with what it waits with.

    :param row: the task instance; who may answer is told where its question is open.
    :param operator: the name of its operator's class.
    :param subject: what its open question asks; empty where it asks none.
    :param fields: its arguments as they were rendered; Airflow cuts long ones into a text.
    :param trigger: where the class of its trigger is; empty where it has none.
    :param arguments: those of the trigger, which may hold what nobody is to see.
    """

    row: TaskRow
    operator: str
    subject: str
    fields: Mapping[str, Any]
    trigger: str
    arguments: Mapping[str, Any]


class ReportRow(NamedTuple):
    """What a task has handed on.

    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: the task.
    :param is_running: whether the run is not over.
    :param value: what it has handed on; anything.
    """

    dag_id: str
    run_id: str
    task_id: str
    is_running: bool
    value: Any


class XComPlace(NamedTuple):
    """Where something is that a task of a DAG has handed on.

    :param run_id: the run.
    :param task_id: the task, which is not mapped.
    :param key: the key.
    """

    run_id: str
    task_id: str
    key: str


def open_session() -> Any:
    """Return a context manager that opens a session of Airflow's database.

    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.utils.session import create_session

        return create_session(scoped=False)


def find_paused(session: Session, dag_ids: Iterable[str]) -> dict[str, bool]:
    """Return of those of some DAGs that there are whether each is paused.

    :param session: a session of Airflow's database.
    :param dag_ids: the DAGs.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.dag import DagModel

        query = select(DagModel.dag_id, DagModel.is_paused)
        query = query.where(DagModel.dag_id.in_(list(dag_ids)), DagModel.is_stale.is_(False))
        return {dag_id: bool(is_paused) for dag_id, is_paused in session.execute(query)}


def list_tasks(session: Session, dag_ids: Sequence[str], *, failed_since: datetime.datetime) -> list[TaskRow]:
    """Return the task instances of DAGs that are at work, wait, or have failed, the oldest first.

    :param session: a session of Airflow's database.
    :param dag_ids: the DAGs.
    :param failed_since: failures before that moment are left out.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance as Ti

        is_failed = and_(Ti.state == "failed", Ti.end_date >= failed_since)
        query = (
            _tasks()
            .where(Ti.dag_id.in_(dag_ids), or_(Ti.state.in_(_AT_WORK), is_failed))
            .order_by(DagRun.run_after.desc(), Ti.start_date.desc())
            .limit(_MOST_TASKS)
        )
        rows = session.execute(query).all()
    return [_read_task(*row) for row in reversed(rows)]


def find_task(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskDetails | None:
    """Return one task instance with what it waits with, or None where there is none.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: the task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.hitl import HITLDetail
        from airflow.models.renderedtifields import RenderedTaskInstanceFields as Fields
        from airflow.models.taskinstance import TaskInstance as Ti
        from airflow.models.trigger import Trigger

        is_own = [getattr(Fields, name) == getattr(Ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")]
        query = (
            _tasks()
            .add_columns(
                Ti.operator, HITLDetail.subject, Fields.rendered_fields, Trigger.classpath, Trigger.encrypted_kwargs
            )
            .outerjoin(Fields, and_(*is_own))
            .outerjoin(Trigger, Trigger.id == Ti.trigger_id)
            .where(Ti.dag_id == dag_id, Ti.run_id == run_id, Ti.task_id == task_id, Ti.map_index == map_index)
        )
        found = session.execute(query).one_or_none()
    if found is None:
        return None
    *row, operator, subject, fields, trigger, arguments = found
    return TaskDetails(
        row=_read_task(*row),
        operator=operator or "",
        subject=subject or "",
        fields=fields if isinstance(fields, dict) else {},
        trigger=trigger or "",
        arguments=_read_arguments(arguments),
    )


def _tasks() -> Any:
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance as Ti

    return (
        select(
            Ti.dag_id,
            Ti.run_id,
            Ti.task_id,
            Ti.map_index,
            Ti.state,
            Ti._rendered_map_index,
            Ti.start_date,
            Ti.trigger_timeout,
            DagRun.conf,
            HITLDetail.assignees,
        )
        .join(DagRun, and_(DagRun.dag_id == Ti.dag_id, DagRun.run_id == Ti.run_id))
        .outerjoin(HITLDetail, and_(HITLDetail.ti_id == Ti.id, HITLDetail.responded_at.is_(None)))
    )


def _read_task(
    dag_id: str, run_id: str, task_id: str, map_index: int, state: Any, label: Any, since: Any, until: Any, *told: Any
) -> TaskRow:
    conf, assignees = told
    return TaskRow(
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        state=str(getattr(state, "value", state or "")),
        label=label or "",
        since=since,
        until=until,
        conf=conf if isinstance(conf, dict) else {},
        assignees=tuple(str(one.get("name", "")) for one in assignees or () if isinstance(one, dict)),
    )


def _read_arguments(kept: str | None) -> Mapping[str, Any]:
    """Return a trigger's arguments as plain JSON: nothing that they name is imported, or made."""
    if not kept:
        return {}
    try:
        with needed():
            from airflow.models.crypto import get_fernet

        told = json.loads(kept if kept.startswith("{") else get_fernet().decrypt(kept.encode()))
    except (InvalidToken, ValueError, RecursionError) as error:
        log.info("The arguments of a trigger cannot be read: %s", type(error).__name__)
        return {}
    return told if isinstance(told, dict) else {}


def list_reports(session: Session, dag_ids: Sequence[str], *, key: str) -> list[ReportRow]:
    """Return what tasks of the newest runs of DAGs have handed on under a key, the oldest first.

    What cannot be read is left out.

    :param session: a session of Airflow's database.
    :param dag_ids: the DAGs.
    :param key: the key.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.dagrun import DagRun
        from airflow.models.xcom import XComModel

        place = func.row_number().over(partition_by=DagRun.dag_id, order_by=DagRun.run_after.desc())
        runs = (
            select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after, place.label("place"))
            .where(DagRun.dag_id.in_(dag_ids))
            .subquery()
        )
        query = (
            select(XComModel, runs.c.state)
            .join(runs, and_(runs.c.dag_id == XComModel.dag_id, runs.c.run_id == XComModel.run_id))
            .where(XComModel.key == key, or_(runs.c.place <= _RUNS_OF_A_DAG, runs.c.state == "running"))
            .order_by(runs.c.run_after.desc(), XComModel.timestamp.desc())
            .limit(_MOST_REPORTS)
        )
        read, found = find_xcom_reader(), list(reversed(session.execute(query).all()))
    reports = []
    for entry, state in found:
        try:
            value = read(entry)
        except XComsUnreadable as error:
            log.info("What %s of %s has handed on cannot be read: %s", entry.task_id, entry.run_id, error)
        else:
            is_running = str(getattr(state, "value", state)) == "running"
            reports.append(ReportRow(entry.dag_id, entry.run_id, entry.task_id, is_running, value))
    return reports


def read_handed_on(session: Session, dag_id: str, places: Sequence[XComPlace]) -> dict[XComPlace, Any]:
    """Return what tasks of a DAG have handed on, by where it is; what is not there, or cannot be read, is left out.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param places: where it is, at most some thousands; for none, nothing is asked.
    :raises AirflowLacks: where Airflow has changed.
    """
    if not places:
        return {}
    with needed():
        from airflow.models.xcom import XComModel

        place = tuple_(XComModel.run_id, XComModel.task_id, XComModel.key)
        query = select(XComModel).where(
            XComModel.dag_id == dag_id, XComModel.map_index == -1, place.in_(list(map(tuple, places)))
        )
        read, found = find_xcom_reader(), session.scalars(query).all()
    values = {}
    for entry in found:
        try:
            values[XComPlace(entry.run_id, entry.task_id, entry.key)] = read(entry)
        except XComsUnreadable as error:
            log.info("What %s of %s has handed on cannot be read: %s", entry.task_id, entry.run_id, error)
    return values


def list_newer_events(session: Session, *, uri_start: str, since: datetime.datetime | None) -> list[AssetEvent]:
    """Return the events on assets since a moment, the oldest first; of very many, the newest.

    :param session: a session of Airflow's database.
    :param uri_start: what the assets' URIs start with.
    :param since: the moment; None for all.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.asset import AssetEvent as Event
        from airflow.models.asset import AssetModel

        query = _events().where(AssetModel.uri.startswith(uri_start, autoescape=True))
        if since is not None:
            query = query.where(Event.timestamp >= since)
        rows = session.execute(query.order_by(Event.id.desc()).limit(_MOST_EVENTS)).all()
        return [AssetEvent.read(*row) for row in reversed(rows)]


def list_image_events(
    session: Session, event_filter: Any, uris: Sequence[str], *, limit: int, may_read_runs: bool
) -> list[AssetEvent]:
    """Return the events on some assets that a user may see, the newest first.

    :param session: a session of Airflow's database.
    :param event_filter: what leaves only those that the user may see, as ``EventFilterDep`` gives it.
    :param uris: the assets' URIs.
    :param limit: how many at most.
    :param may_read_runs: whether the user may know who started a run.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.asset import AssetEvent as Event
        from airflow.models.asset import AssetModel

        query = event_filter.to_orm(_events().where(AssetModel.uri.in_(uris)))
        rows = session.execute(query.order_by(Event.timestamp.desc(), Event.id.desc()).limit(limit)).all()
        return [
            AssetEvent.read(event, uri, started, user if may_read_runs else None) for event, uri, started, user in rows
        ]


def _events() -> Any:
    from airflow.models.asset import AssetEvent as Event
    from airflow.models.asset import AssetModel
    from airflow.models.dagrun import DagRun

    return (
        select(Event, AssetModel.uri, DagRun.run_type, DagRun.triggering_user_name)
        .join(AssetModel, AssetModel.id == Event.asset_id)
        .outerjoin(DagRun, and_(DagRun.dag_id == Event.source_dag_id, DagRun.run_id == Event.source_run_id))
    )
