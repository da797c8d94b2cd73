"""How each room names what is public: it is imported when it is first used.

Airflow reads DAG files in processes that live for a moment, and a command is one, too: who needs one class of a room
does not pay for the others, nor for an HTTP client.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def import_when_used(room: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a room (PEP 562), which imports what is asked of it.

    :param room: the room's ``__name__``.
    :param modules: for each module in the room, the names that it has.
    """
    places = {name: module for module, names in modules.items() for name in names}

    class Room(ModuleType):
        def __setattr__(self, name: str, value: object) -> None:
            # What imports a module names it in its room, too: a public name of the same letters stands before it.
            if not (name in places and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        found = getattr(import_module(f"{room}.{places[name]}"), name)
        setattr(sys.modules[room], name, found)
        return found

    sys.modules[room].__class__ = Room
    return find
