"""The answers that checks give."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.Enum):
    """The state of a check or of a whole verification."""

    PASSED = "passed"
    PENDING = "pending"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    """The tag shows another digest now: whatever is said of it is not said of the verified one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer, with its reason.

    :param state: the state.
    :param reason: one sentence that a person can act on.
    """

    state: State
    reason: str
