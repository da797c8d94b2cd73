"""Variables in Airflow's database, for processes of Airflow's own; tasks cannot reach it. (Read of Airflow 3.3.2.)"""

from __future__ import annotations

import os
import sys


def is_server() -> bool:
    """Whether this process asks Airflow's database: as ``ensure_secrets_backend_loaded`` tells it."""
    is_task = hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS")
    return not is_task and os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server"


def list_stored(prefix: str) -> list[str]:
    """Return the keys of the Variables in the database that begin with a text.

    :param prefix: the text.
    """
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    # Of the table, not of the model, which would load those of all of Airflow.
    key = Variable.__table__.c.key
    with create_session() as session:
        keys = session.scalars(select(key).where(key.startswith(prefix, autoescape=True)))
        return [str(key) for key in keys]


def write_stored(name: str, text: str, *, description: str) -> None:
    """Set a Variable in the database.

    :param name: the Variable's key.
    :param text: its text.
    :param description: what people read beside it.
    """
    from airflow.models.variable import Variable

    Variable.set(name, text, description=description)
