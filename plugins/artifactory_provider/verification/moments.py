"""Moments and spans of time in evidence: read strictly, never better than they are, shown as people write them."""

from __future__ import annotations

import datetime
import math

CLOCK_SKEW = datetime.timedelta(minutes=5)
"""How far ahead the clock of whoever wrote a moment may be."""
_LONGEST = 64
_UNITS = (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48), ("days", 86400, math.inf))


class NoMoment(ValueError):
    """What was written is no moment that can be counted from; the message says why, as the end of a sentence."""


def read_moment(text: str) -> datetime.datetime:
    """Return the moment that a text means, in UTC.

    :param text: as ISO 8601 has it, with a time zone, such as ``2026-11-27T10:00:00Z``.
    :raises NoMoment: when it means none, or none for certain.
    """
    try:
        moment = datetime.datetime.fromisoformat(text if len(text) <= _LONGEST else "")
        if moment.tzinfo is None:
            raise NoMoment("has no time zone: write it with one, such as 2026-11-27T10:00:00Z")
        return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, NoMoment):
            raise
        raise NoMoment("is no time of ISO 8601: write it as 2026-11-27T10:00:00Z") from None


def age_at(now: datetime.datetime, moment: datetime.datetime) -> datetime.timedelta:
    """Return how old something is, 0 where its clock is a little ahead.

    :param now: the moment of the look.
    :param moment: when it was made.
    :raises NoMoment: when it lies in the future.
    """
    if moment - now > CLOCK_SKEW:
        raise NoMoment(f"lies in the future ({show_moment(moment)}): check the clocks")
    return max(now - moment, datetime.timedelta())


def show_moment(moment: datetime.datetime) -> str:
    """Return a moment as people read it, such as ``2026-11-27 10:00 UTC``.

    :param moment: with a time zone.
    """
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def show_span(span: datetime.timedelta) -> str:
    """Return a span of time roughly, such as ``24 h`` or ``3 days``; what is left of the unit is dropped.

    :param span: 0 or more.
    """
    seconds = span.total_seconds()
    unit, size = next((unit, size) for unit, size, most in _UNITS if seconds < most * size)
    return f"{seconds // size:.0f} {unit}"


def check_seconds(value: object, what: str) -> None:
    """Make sure that a span of time is a number of seconds that can be counted with.

    :param value: what was given.
    :param what: what it is called in the message.
    :raises ValueError: when it is none.
    """
    most = datetime.timedelta.max.total_seconds() / 1000
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < most:
        raise ValueError(f"{what} is a number of seconds greater than 0, such as 86400 for a day, not {value!r:.60}.")
