"""Reading the files of one folder, and none that lies outside of it; one that is as it was is not read again."""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from artifactory_provider.pipelines.places import InvalidPipeline
from artifactory_provider.policy.document import LONGEST
from artifactory_provider.policy.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_SETTLED = 2 * 10**9
"""Nanoseconds after which each change of a file shows in its times, whatever the file system."""

T = TypeVar("T")


class Reading(NamedTuple):
    """What was made of a file.

    :param state: how the file was: another content has another state.
    :param context: what else it was made of.
    :param result: what was made of it.
    """

    state: tuple[int, ...]
    context: object
    result: Any


class Files:
    """The files of a folder.

    :param root: the folder, with no link in its path.
    :param known: what was made of them the last time.
    """

    def __init__(self, root: Path, known: Mapping[str, Reading]) -> None:
        self._root, self._known = root, known
        self.readings: dict[str, Reading] = {}

    def read(self, name: str, make: Callable[[bytes], T], *, context: object = None) -> T | None:
        """Return what is made of a file; None where it is gone.

        :param name: the file's name.
        :param make: makes something of its content.
        :param context: what else that is made of, by identity.
        :raises InvalidPipeline: when it cannot be read, or nothing can be made of it.
        """
        try:
            state = self._look(name)
            known = self._known.get(name)
            if known is not None and known.state == state and known.context is context:
                result: T = known.result
            else:
                result = make(self._read_bytes(name))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refuse(name, f"It cannot be read: {name_reason(error)}.") from None
        if _has_settled(state):
            self.readings[name] = Reading(state, context, result)
        return result

    def _look(self, name: str) -> tuple[int, ...]:
        path = self._root / name
        if path.is_symlink():
            target = _follow(path)
            if not target.is_relative_to(self._root):
                raise refuse(name, "It is a link to a file outside of the folder: put the file itself here.")
            if not target.exists():
                raise refuse(name, "It is a link that leads to no file: put the file itself here.")
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise refuse(name, "It is a folder: one file is one pipeline, and folders in this one are not read.")
        if not stat.S_ISREG(found.st_mode):
            raise refuse(name, "It is no regular file.")
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _read_bytes(self, name: str) -> bytes:
        with (self._root / name).open("rb") as file:
            return file.read(LONGEST + 1)


def _follow(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError:  # So is a circle of links told.
        raise refuse(path.name, "It is a link that leads back to itself: put the file itself here.") from None


def _has_settled(state: tuple[int, ...]) -> bool:
    return max(state[-2:]) + _SETTLED < time.time_ns()


def refuse(name: str, message: str) -> InvalidPipeline:
    """Return the error of a file that cannot be read.

    :param name: the file's name.
    :param message: what is wrong: a sentence.
    """
    return InvalidPipeline(show_name(name), [Problem(1, "", message)])


def show_name(name: str) -> str:
    """Return the name of a file as a text that can be printed and stored: names may hold bytes that are no UTF-8.

    :param name: the file's name.
    """
    return name.encode("utf-8", "backslashreplace").decode()


def name_reason(error: Exception) -> str:
    """Return why a file or folder cannot be read.

    :param error: what was raised.
    """
    return getattr(error, "strerror", None) or type(error).__name__
