"""Reading an Airflow Variable so that "there is none" is certain, and setting one.

``Variable.get`` says "not found" of a Variable, too, when Airflow's API server does not answer, or a secrets backend
fails. For rules that nobody may get past, that is no answer: so the list of Variables is asked as well, which fails
where nothing can be asked. (Read of Airflow 3.3.2, ``airflow.sdk.execution_time.secrets.execution_api``.)

Tasks ask Airflow's API server. Airflow's own processes and its command line ask the database, as tasks cannot.
"""

from __future__ import annotations

from airflow.sdk import Variable

from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.tasks.stored_variables import is_server, list_stored, write_stored


def read_variable(name: str) -> str | None:
    """Return a Variable's text, or None where there certainly is no such one.

    :param name: the Variable's key.
    :raises RulesUnreadable: when that cannot be found out.
    """
    try:
        text = Variable.get(name, default=None)
        if text is not None:
            return str(text)
        keys = _list_variables(name)
    except Exception as error:
        raise RulesUnreadable(
            f"Whether there is a Variable {name!r} cannot be found out now ({type(error).__name__}), so nothing is "
            "promoted."
        ) from error
    if name in keys:
        raise RulesUnreadable(f"The Variable {name!r} is there and cannot be read now, so nothing is promoted.")
    return None


def write_variable(name: str, text: str, *, description: str) -> None:
    """Set a Variable.

    :param name: the Variable's key.
    :param text: its text.
    :param description: what people read beside it.
    """
    if is_server():
        write_stored(name, text, description=description)
    else:
        Variable.set(name, text, description=description)


def _list_variables(prefix: str) -> list[str]:
    """Return the keys of Variables; none outside of tasks and Airflow's own processes, where only the environment and
    secrets backends have any.
    """
    if is_server():
        return list_stored(prefix)
    try:
        return list(Variable.keys(prefix=prefix))
    except ImportError:
        return []
