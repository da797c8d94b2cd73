"""All that the commands take from inside Airflow, which promises to keep none of it. (Read of Airflow 3.3.2.)"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.cli.cli_config import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ActionCommand,
    Arg,
    CLICommand,
    GroupCommand,
    lazy_load_command,
    positive_int,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "ARG_OUTPUT",
    "ARG_VERBOSE",
    "ActionCommand",
    "Arg",
    "CLICommand",
    "GroupCommand",
    "find_dags_folder",
    "lazy_load_command",
    "positive_int",
    "print_rows",
    "use_database",
    "without_logs",
    "write_to_audit_log",
]

_METASTORE = "airflow.secrets.metastore.MetastoreBackend"
_STORED_SECRETS = "artifactory_provider.cli.stored_secrets.StoredSecretsBackend"

Run = TypeVar("Run", bound="Callable[[Namespace], None]")


def use_database() -> None:
    """Let this process find connections and Variables in Airflow's database, as Airflow's own commands do."""
    from airflow.sdk.execution_time import secrets

    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    # In the list itself, which is an argument's default. Where there is none, Airflow's own backend is used.
    backends = getattr(secrets, "_SERVER_DEFAULT_SECRETS_SEARCH_PATH", [])
    backends[:] = [_STORED_SECRETS if one == _METASTORE else one for one in backends]


def find_dags_folder() -> str:
    """Return the folder of the DAGs, as Airflow is set up."""
    from airflow.configuration import conf

    return str(conf.get_mandatory_value("core", "dags_folder"))


def without_logs(run: Run) -> Run:
    """Make a command print no lines of logs, unless it is run with ``--verbose``.

    :param run: the command.
    """
    from airflow.utils.cli import suppress_logs_and_warning

    quiet: Run = suppress_logs_and_warning(run)
    return quiet


def write_to_audit_log(run: Run) -> Run:
    """Make a command leave in Airflow's audit log who has run it, and how.

    :param run: the command.
    """
    from airflow.utils.cli import action_cli

    # A database that is not there is told by what needs it.
    recorded: Run = action_cli(run, check_db=False)
    return recorded


def print_rows(rows: Sequence[Mapping[str, Any]], output: str) -> None:
    """Print rows as Airflow's own commands do; no cell is taken for markup.

    :param rows: the rows, all with the same columns.
    :param output: ``table``, ``json`` or ``yaml``; ``plain`` where there are none.
    """
    from airflow.cli.simple_table import AirflowConsole

    AirflowConsole(markup=False, emoji=False, highlight=False).print_as(rows, output)
