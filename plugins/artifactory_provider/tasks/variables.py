"""Reading an Airflow Variable so that "there is none" is certain, and setting one.

``Variable.get`` says "not found" of a Variable, too, when Airflow's API server does not answer, or a secrets backend
fails. For rules that nobody may get past, that is no answer: so the list of Variables is asked as well, which fails
where nothing can be asked. (Read of Airflow 3.3.2, ``airflow.sdk.execution_time.secrets.execution_api``.)

Tasks ask Airflow's API server. Airflow's own processes and its command line ask the database, as tasks cannot.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk import Variable

from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.tasks.stored_variables import is_server, list_stored, write_stored

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_TRIES = 5
_SETTLED_AFTER = 1.0
"""Seconds after which whoever had read the Variable before it was written has written, too: Airflow has no compare and
set."""


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


def change_variable(
    name: str,
    change: Callable[[T], T],
    *,
    read: Callable[[str | None, str], T],
    write: Callable[[T], str],
    what: str,
    description: str,
) -> T:
    """Change a document in a Variable that others may change at the same time, and return it as it stands then.

    :param name: the Variable's key.
    :param change: returns the document as it should be; once it is so, the same again.
    :param read: reads the document, of a name for messages; what it raises leaves the Variable as it is.
    :param write: returns the document as text.
    :param what: what the change is called where nobody could read the document with it.
    :param description: what people read beside it.
    :raises RulesUnreadable: when the change did not stay there, or nobody can tell.
    """
    for _ in range(_TRIES):
        now = read(read_variable(name), name)
        wanted = change(now)
        if wanted == now:
            return now
        text = write(wanted)
        # What nobody could read would hold for everything, and nobody could take it back.
        read(text, what)
        write_variable(name, text, description=description)
        time.sleep(random.uniform(_SETTLED_AFTER, 2 * _SETTLED_AFTER))  # noqa: S311 - keeps writers out of step
        if change(settled := read(read_variable(name), name)) == settled:
            return settled
    raise RulesUnreadable(f"Others have changed the Variable {name!r} each time: run this again at once.")


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
