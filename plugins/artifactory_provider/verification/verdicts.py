"""The answers that checks give."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from artifactory_provider.artifactory.errors import ArtifactoryError

_LONGEST = 200
_LONGEST_REASON = 600


class State(enum.Enum):
    """The state of a check or of a whole verification."""

    PASSED = "passed"
    PENDING = "pending"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    """The tag shows another digest now: whatever is said of it is not said of the verified one."""
    UNREADABLE = "unreadable"
    """The evidence cannot be read, and asking again cannot help: no pass."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer, with its reason.

    :param state: the state.
    :param reason: one sentence that a person can act on.
    :param value: what was found, in a word or two, such as ``passed`` or ``2 findings``; for the record.
    :param since: when the evidence was written, where that is known.
    :param author: who wrote the evidence, where that is known.
    :param error: what the server answered, where that is why nothing is known; a transient one is asked about again.
    """

    state: State
    reason: str
    value: str = ""
    since: datetime.datetime | None = None
    author: str | None = None
    error: ArtifactoryError | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Keep what outsiders wrote short and printable: it goes into logs and Airflow's database."""
        object.__setattr__(self, "reason", printable(self.reason, longest=_LONGEST_REASON))
        object.__setattr__(self, "value", printable(self.value))
        if self.author is not None:
            object.__setattr__(self, "author", printable(self.author))

    def as_dict(self) -> dict[str, Any]:
        """Return it as a small JSON object."""
        return {
            "state": self.state.value,
            "reason": self.reason,
            "value": self.value,
            "since": self.since.isoformat(timespec="seconds") if self.since else None,
            "author": self.author,
        }


def worst(states: Iterable[State]) -> State:
    """Return what several states come to together; no state at all is no pass.

    :param states: the states.
    """
    there = set(states)
    order = (State.SUPERSEDED, State.FAILED, State.UNREADABLE, State.PENDING, State.PASSED)
    return next((state for state in order if state in there), State.PENDING)


def printable(text: str, *, longest: int = _LONGEST) -> str:
    """Return a text in one line of printable characters, shortened.

    :param text: anything that outsiders wrote.
    :param longest: how many characters are kept.
    """
    shown = text[:longest] if text[:longest].isprintable() else repr(text[:longest])[1:-1]
    return shown if len(text) <= longest and len(shown) <= longest else f"{shown[: longest - 1]}…"


def quoted(values: tuple[str, ...] | list[str]) -> str:
    """Return values as they are, each in quotes, in one short line.

    :param values: what outsiders wrote.
    """
    shown = ", ".join(repr(value[:_LONGEST]) for value in values[:_LONGEST])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
