"""How each room names what is public: it is imported when it is first used.

Airflow reads DAG files in processes that live for a moment, and a command is one, too: who needs one class of a room
does not pay for the others, nor for an HTTP client.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def import_when_used(room: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a room (PEP 562), which imports what is asked of it.

    A name is not that of one of the room's modules, which would stand in its place once it is imported.

    :param room: the room's ``__name__``.
    :param modules: for each module in the room, the names that it has.
    """
    places = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        found = getattr(import_module(f"{room}.{places[name]}"), name)
        setattr(sys.modules[room], name, found)
        return found

    return find
