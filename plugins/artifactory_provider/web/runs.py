"""What the tabs of a DAG run share: the run itself, what is said where it cannot be shown, and its rows as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import HTTPException
from fastapi.responses import Response

from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.web.airflow_internals import find_run
from artifactory_provider.web.texts import make_sendable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel
    from sqlalchemy.orm import Session

    from artifactory_provider.web.airflow_internals import Run
    from artifactory_provider.web.airflow_xcoms import XComsUnreadable


def find_known_run(session: Session, dag_id: str, run_id: str) -> Run:
    """Return a run.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :raises HTTPException: where there is no such run.
    """
    run = find_run(session, dag_id=dag_id, run_id=run_id)
    if run is None:
        raise HTTPException(404, "There is no such run.")
    return run


def say_unreadable(error: XComsUnreadable) -> HTTPException:
    """Return the answer where what the tasks of a run have handed on cannot be read.

    :param error: why it cannot.
    """
    return HTTPException(503, f"What the tasks have handed on cannot be read: {error}")


def send_rows(model: type[BaseModel], rows: Iterable[BaseModel], *, name: str) -> Response:
    """Return rows as a CSV file, with the fields of their model as columns.

    :param model: what the rows are.
    :param rows: the rows.
    :param name: the name of the file, without its ending.
    """
    text = write_csv(tuple(model.model_fields), (tuple(vars(one).values()) for one in rows))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(make_sendable(text), media_type="text/csv", headers=headers)
