"""Spans of time as people write them: ``90m``, ``24h``, ``2d``, ``1h30m``."""

from __future__ import annotations

import datetime
import re

_DURATION = re.compile(r"(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_UNITS = (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_EXAMPLES = "write it with its units, such as 90m, 24h, 2d or 1h30m"


def read_duration(text: str) -> datetime.timedelta:
    """Return the span of time that a text says; a day is 24 hours.

    :param text: numbers with the units w, d, h, m and s, from the longest to the shortest.
    :raises ValueError: when it says none, or a span of nothing.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r:.60} is no span of time: {_EXAMPLES}.")
    seconds = sum(int(number or 0) * size for number, (_, size) in zip(found.groups(), _UNITS, strict=True))
    if seconds == 0:
        raise ValueError(f"{text!r:.60} is a span of nothing: {_EXAMPLES}.")
    return datetime.timedelta(seconds=seconds)


def show_duration(span: datetime.timedelta) -> str:
    """Return a span of time as ``read_duration`` reads it, such as ``1h30m``.

    :param span: a second or more; fractions of a second are dropped.
    """
    left, parts = int(span.total_seconds()), []
    for unit, size in _UNITS[1:]:
        number, left = divmod(left, size)
        parts += [f"{number}{unit}"] if number else []
    return "".join(parts)
