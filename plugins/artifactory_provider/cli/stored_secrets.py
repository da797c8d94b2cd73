"""Connections and Variables in Airflow's database, without the models of all of Airflow. (Read of Airflow 3.3.2.)

The first question to one of Airflow's models loads and configures all of them, with the DAG processor and the
scheduler behind them: most of a second, where a command has little else to do. Rows are read without them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from airflow.models.connection import Connection as StoredConnection
from airflow.models.crypto import FernetFieldsMixin
from airflow.models.variable import Variable as StoredVariable
from airflow.sdk import Connection
from airflow.secrets.metastore import MetastoreBackend
from airflow.utils.session import create_session
from sqlalchemy import Table, or_, select

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("conn_id", "conn_type", "description", "host", "schema", "login", "port")


class StoredSecretsBackend(MetastoreBackend):
    """What Airflow's own backend for its database finds there, found in less time."""

    def get_connection(self, conn_id: str, team_name: str | None = None) -> Connection | None:  # type: ignore[override]
        """Return a connection, or None where there is no such one.

        :param conn_id: the connection's id.
        :param team_name: the team whose connection it may be.
        """
        row = _find_row(StoredConnection.__table__, "conn_id", conn_id, team_name)
        if row is None:
            return None
        sealed: Any = SimpleNamespace(
            _password=row["password"],
            is_encrypted=row["is_encrypted"],
            _extra=row["extra"],
            is_extra_encrypted=row["is_extra_encrypted"],
        )
        return Connection(
            **{name: row[name] for name in _FIELDS},
            password=FernetFieldsMixin.get_password(sealed),
            extra=FernetFieldsMixin.get_extra(sealed),
        )

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:  # type: ignore[override]
        """Return the text of a Variable, or None where there is no such one.

        :param key: the Variable's key.
        :param team_name: the team whose Variable it may be.
        """
        row = _find_row(StoredVariable.__table__, "key", key, team_name)
        if row is None:
            return None
        sealed: Any = SimpleNamespace(
            key=key, _val=row["val"], is_encrypted=row["is_encrypted"], log=StoredVariable.logger()
        )
        return cast("str | None", StoredVariable.get_val(sealed))


def explain_no_connection() -> str:
    """Return what may be done where a connection was not found; Airflow says so, too, where its database is down."""
    try:
        StoredSecretsBackend().get_connection("")
    except Exception as error:  # noqa: BLE001 - a database fails in many ways
        return (
            f"Airflow's database could not be asked for it ({type(error).__name__}): check that it runs, that "
            "AIRFLOW_HOME and the configuration are those of your Airflow, and that its tables are there (airflow db "
            "check)."
        )
    return "Name another one with --conn-id, or add it: airflow connections add … --conn-type artifactory"


def _find_row(table: Any, column: str, name: str, team_name: str | None) -> Mapping[str, Any] | None:
    """Return what a table has of a name, for a team or for all."""
    columns = cast("Table", table).c
    wanted = select(table).where(
        columns[column] == name, or_(columns.team_name == team_name, columns.team_name.is_(None))
    )
    with create_session() as session:
        row = session.execute(wanted.limit(1)).mappings().one_or_none()
    return None if row is None else dict(row)
