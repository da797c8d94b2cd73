"""What tasks of runs have handed on, read inside Airflow: from its database, or from wherever XComs are kept."""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from artifactory_provider.tasks.handover import PLAN_SUMMARY
from artifactory_provider.tasks.plan_rows import CHUNK, OTHERS, REPLACED, ToldRows
from artifactory_provider.web.airflow_internals import needed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+")


class XComsUnreadable(Exception):
    """What tasks have handed on cannot be read here."""


def read_xcoms(session: Session, *, dag_id: str, run_id: str, key: str, limit: int) -> list[Any]:
    """Return what tasks of a run have handed on under a key, the oldest first, from wherever it is kept.

    Airflow's own API gives for an XCom in an object store only the path; here the configured backend is asked.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :param key: the key.
    :param limit: how many at most.
    :raises XComsUnreadable: where the XCom backend cannot read one.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.xcom import XComModel

        query = (
            select(XComModel)
            .where(XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key == key)
            .order_by(XComModel.timestamp)
            .limit(limit)
        )
        read, found = find_xcom_reader(), session.scalars(query).all()
    return [read(entry) for entry in found]


def read_rows_of_plans(session: Session, *, dag_id: str, run_id: str, limit: int) -> list[ToldRows]:
    """Return the rows that tasks of a run have handed on beside the summary of a plan, the oldest first.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :param limit: how many XComs at most.
    :raises XComsUnreadable: where the XCom backend cannot read one.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.xcom import XComModel

        of_run = (XComModel.dag_id == dag_id, XComModel.run_id == run_id)
        planners = select(XComModel.task_id).where(*of_run, XComModel.key == PLAN_SUMMARY)
        keys = [XComModel.key.startswith(start, autoescape=True) for start in (CHUNK, REPLACED, OTHERS)]
        query = (
            select(XComModel)
            .where(*of_run, XComModel.task_id.in_(planners), or_(*keys))
            .order_by(XComModel.timestamp, XComModel.key)
            .limit(limit)
        )
        read, found = find_xcom_reader(), session.scalars(query).all()
    return [ToldRows(task_id=one.task_id, map_index=one.map_index, key=one.key, value=read(one)) for one in found]


def find_xcom_reader() -> Callable[[Any], Any]:
    """Return what reads Airflow's own entry of what a task has handed on, from wherever that is kept.

    What it returns raises ``XComsUnreadable`` where an entry cannot be read: whoever may write XComs may write what
    names a class that is nowhere, or is nested deeper than any document.

    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.xcom import XComModel
        from airflow.sdk.bases.xcom import BaseXCom
        from airflow.sdk.execution_time.xcom import XCom

        return partial(_read, XComModel) if XCom is BaseXCom else partial(_ask_backend, XCom)


def _read(source: Any, entry: Any) -> Any:
    """Return what an entry holds, as a model or a backend of Airflow's reads it."""
    try:
        return source.deserialize_value(entry)
    except Exception as error:
        log.warning("What %s has handed on as %s cannot be read.", entry.task_id, entry.key, exc_info=error)
        raise XComsUnreadable(type(error).__name__) from error


def _ask_backend(backend: Any, entry: Any) -> Any:
    if isinstance(entry.value, str) and _ADDRESS.fullmatch(entry.value) and ".." in entry.value.split("/"):
        # Airflow's own backend for object stores follows such an address out of its folder.
        raise XComsUnreadable("its address leads out of the store")
    value = _read(backend, entry)
    # A backend gives back the address itself where nothing is there any more.
    if value == entry.value and isinstance(value, str) and _ADDRESS.fullmatch(value):
        raise XComsUnreadable("nothing is there any more")
    return value
