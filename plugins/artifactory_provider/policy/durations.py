"""Spans of time as people write them: ``90m``, ``24h``, ``2d``, ``1h30m``."""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple

_DURATION = re.compile(r"(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_EXAMPLES = "write it with its units, such as 90m, 24h, 2d or 1h30m"


class Duration(NamedTuple):
    """A span of time: days by the calendar, which may have 23 or 25 hours, and seconds."""

    days: int
    seconds: int

    @property
    def span(self) -> datetime.timedelta:
        """The span, with days of 24 hours."""
        return datetime.timedelta(days=self.days, seconds=self.seconds)

    def __str__(self) -> str:
        days = f"{self.days}d" if self.days else ""
        return days + (show_duration(datetime.timedelta(seconds=self.seconds), days=False) if self.seconds else "")


def read_duration(text: str) -> Duration:
    """Return the span of time that a text says; weeks are seven days.

    :param text: numbers with the units w, d, h, m and s, from the longest to the shortest.
    :raises ValueError: when it says none, or a span of nothing.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r:.60} is no span of time: {_EXAMPLES}.")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    duration = Duration(weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)
    if duration == (0, 0):
        raise ValueError(f"{text!r:.60} is a span of nothing: {_EXAMPLES}.")
    return duration


def show_duration(span: datetime.timedelta, *, days: bool = True) -> str:
    """Return a span of time as ``read_duration`` reads it, such as ``1h30m``.

    :param span: a second or more; fractions of a second are dropped.
    :param days: whether 24 hours are shown as a day.
    """
    left, parts = int(span.total_seconds()), []
    for unit, size in _UNITS if days else _UNITS[1:]:
        number, left = divmod(left, size)
        parts += [f"{number}{unit}"] if number else []
    return "".join(parts)
