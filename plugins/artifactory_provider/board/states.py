"""How an image stands in a stage, and what stands between it and the next: words of code, pages and docs alike."""

from __future__ import annotations

from enum import StrEnum


class CellState(StrEnum):
    """What a stage shows of an image."""

    CURRENT = "current"
    """The newest that the ladder means, or what the stage before shows."""
    BEHIND = "behind"
    """An older one: the stages before have newer ones."""
    DRIFT = "drift"
    """It stands there, and no promotion explains it."""
    HELD = "held"
    """A person holds the tag on it."""
    REJECTED = "rejected"
    """A person has rejected the digest."""
    EMPTY = "empty"
    """There is none."""
    UNKNOWN = "unknown"
    """Nobody can tell: the registry has not said, or which tag is the newest is not certain."""


class GateState(StrEnum):
    """What stands between an image and the next stage."""

    NOTHING = "nothing"
    """There is nothing to promote."""
    READY = "ready"
    """Nothing that is known here stands against it; the next run takes it."""
    PROMOTING = "promoting"
    """A task is at it."""
    VERIFYING = "verifying"
    """A verdict is waited for."""
    FAILED = "failed"
    """A verdict, or the task that promotes, says no."""
    APPROVAL = "approval"
    """People are asked."""
    REFUSED = "refused"
    """A rule of the policy or a stop refuses it now."""
    HELD = "held"
    """The target tag is held on what it shows."""
    REJECTED = "rejected"
    """The digest is rejected."""
    CONFLICT = "conflict"
    """The target tag shows another digest, and the ladder does not overwrite."""
    UNKNOWN = "unknown"
    """Nobody can tell now."""


WORDS = {
    "current": "current",
    "behind": "behind",
    "drift": "drift",
    "held": "held",
    "rejected": "rejected",
    "empty": "empty",
    "unknown": "unknown",
    "nothing": "nothing to promote",
    "ready": "ready",
    "promoting": "promoting",
    "verifying": "verifying",
    "failed": "failed",
    "approval": "waits for approval",
    "refused": "refused by a rule",
    "conflict": "conflict",
}
"""What people read for each."""

COUNTED = tuple(dict.fromkeys([*map(str, GateState), *map(str, CellState)]))
"""All states, as they are counted and filtered by."""
