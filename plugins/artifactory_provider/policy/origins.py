"""Who or what starts a run, as far as rules tell the difference."""

from __future__ import annotations

from typing import Literal, get_args

Origin = Literal["person", "schedule", "event", "backfill", "rollback"]
"""``rollback`` is a promotion that the rollback operator makes, whoever has started it."""

ORIGINS: tuple[Origin, ...] = get_args(Origin)
DEFAULT_ORIGINS: frozenset[Origin] = frozenset(ORIGINS) - {"rollback"}
"""Whom a rule applies to that does not say so. A rollback is the way out of trouble: a rule has to name it."""

IN_WORDS: dict[Origin, str] = {
    "person": "a person's run",
    "schedule": "a scheduled run",
    "event": "a run that an event starts",
    "backfill": "a backfill",
    "rollback": "a rollback",
}


def check_origin(origin: str) -> Origin:
    """Return what was given when it is an origin.

    :param origin: who or what started the run.
    :raises ValueError: when it is none.
    """
    for known in ORIGINS:
        if origin == known:
            return known
    raise ValueError(f"{origin!r:.60} is no origin of a run: give one of {', '.join(ORIGINS)}.")
