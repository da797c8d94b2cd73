"""Windows in words: weekly ranges, such as ``Mon-Fri 09:00-17:00``, and dates, such as ``2026-12-18/2027-01-04``.

They are what the clock on the wall shows: ``09:00`` is nine o'clock in summer and in winter.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from artifactory_provider.policy.series import Series, Span
from artifactory_provider.policy.zones import (
    DAY,
    FIRST_YEAR,
    HOUR,
    LAST_YEAR,
    MINUTE,
    WEEK,
    count_wall,
    find_week,
    naive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.policy.zones import Zone

Range = tuple[int, int]

EXAMPLES = (
    "'Mon-Fri 09:00-17:00', 'Sat,Sun', 'Fri 16:00-Mon 08:00', '2026-12-24', '2026-12-18/2027-01-04' and "
    "'2026-12-18T16:00/2027-01-04T08:00'"
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = r"[A-Za-z]{3,9}"
_TIME = r"(\d{1,2}):(\d{2})"
_WEEKLY = re.compile(rf"({_DAY}(?:-{_DAY})?(?:,\s*{_DAY}(?:-{_DAY})?)*)(?:\s+{_TIME}\s*-\s*{_TIME})?")
_ACROSS = re.compile(rf"({_DAY})\s+{_TIME}\s*-\s*({_DAY})\s+{_TIME}")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?))?")


def read_interval(text: str, zone: Zone, *, ends_late: bool) -> Series:
    """Read a weekly range or dates.

    :param text: the window as it is written.
    :param zone: whose clock it is about.
    :param ends_late: whether an end that the clock shows twice is the second one.
    :raises ValueError: when it is neither, or holds no time at all.
    """
    written = text.strip()
    if across := _ACROSS.fullmatch(written):
        return _make_weekly(written, [_read_across(across)], zone, ends_late=ends_late)
    if weekly := _WEEKLY.fullmatch(written):
        return _make_weekly(written, _read_weekly(weekly), zone, ends_late=ends_late)
    if written[:1].isdigit() and "-" in written[:5]:
        return _make_dates(written, _read_dates(written), zone, ends_late=ends_late)
    raise ValueError(f"{written!r:.80} is no window. Right ones are {EXAMPLES}.")


def read_date(text: str) -> tuple[int, bool]:
    """Return what a date, or a date with a time, is on the wall, in seconds since 1970, and whether it has a time.

    :param text: such as ``2026-12-24`` or ``2026-12-18T16:00``.
    :raises ValueError: when it is none, or so far away that it must be a mistake.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r:.60} is no date: write 2026-12-24, or 2026-12-24T16:00 (without an offset: it is read in the "
            "timezone of the rule)."
        )
    try:
        moment = datetime.datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}")
    except ValueError as error:
        raise ValueError(f"There is no {text!r:.60}: {error}.") from error
    if not FIRST_YEAR < moment.year <= LAST_YEAR:
        raise ValueError(f"{text!r:.60} is not in the years {FIRST_YEAR + 1} to {LAST_YEAR}.")
    return count_wall(moment), found[2] is not None


def _make_weekly(text: str, ranges: list[Range], zone: Zone, *, ends_late: bool) -> Series:
    merged = _merge(ranges)
    find_end = zone.last if ends_late else zone.first

    def begin(second: int) -> Iterator[Span]:
        # A range may reach into the week after the one that it begins in.
        week = find_week(zone.wall(second)) - WEEK
        while True:
            for start, end in merged:
                span = Span(zone.first(week + start), find_end(week + end))
                if span.end > second:
                    yield span
            week += WEEK

    # In a year, the clock is put forward and back.
    return Series(text, begin, cycle=53 * WEEK)


def _make_dates(text: str, dates: Range, zone: Zone, *, ends_late: bool) -> Series:
    span = Span(zone.first(dates[0]), (zone.last if ends_late else zone.first)(dates[1]))
    if span.end <= span.start:
        raise ValueError(f"{text!r:.80} holds no time: the clock in {zone.name} skips it.")
    return Series(text, lambda second: iter([span] if span.end > second else []), is_finite=True, starts=span.start)


def _read_across(found: re.Match[str]) -> Range:
    start = _day(found[1]) * DAY + _time(found[2], found[3], is_end=False)
    end = _day(found[4]) * DAY + _time(found[5], found[6], is_end=True)
    if start == end % WEEK:
        raise ValueError(f"{found[0]!r:.80} holds no time, or all: for all days, write 'Mon-Sun'.")
    return start, end if end > start else end + WEEK


def _read_weekly(found: re.Match[str]) -> list[Range]:
    days: list[int] = []
    for part in found[1].split(","):
        first, _, last = part.strip().partition("-")
        number = (_day(last) - _day(first)) % 7 if last else 0
        days += [(_day(first) + offset) % 7 for offset in range(number + 1)]
    start, end = 0, DAY
    if found[2] is not None:
        start = _time(found[2], found[3], is_end=False)
        end = _time(found[4], found[5], is_end=True)
        if start == end:
            raise ValueError(f"{found[0]!r:.80} holds no time: for whole days, leave the times out.")
        end += DAY if end < start else 0
    return [(day * DAY + start, day * DAY + end) for day in days]


def _merge(ranges: list[Range]) -> tuple[Range, ...]:
    """Join ranges that touch or overlap, so that what looks like one window is one."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    # A window that goes from Sunday on into Monday is one as well.
    if len(merged) > 1 and merged[-1][1] >= WEEK + merged[0][0]:
        first = merged.pop(0)
        merged[-1] = (merged[-1][0], max(merged[-1][1], first[1] + WEEK))
    return tuple(merged)


def _read_dates(text: str) -> Range:
    first, slash, last = text.partition("/")
    start, has_time = read_date(first)
    if not slash and has_time:
        end_shown = f"{naive(start + DAY):%Y-%m-%d}"
        raise ValueError(f"{text!r:.80} is a moment: write from when to when, such as {first}/{end_shown}.")
    end, has_time = read_date(last) if slash else (start, False)
    end += 0 if has_time else DAY
    if end <= start:
        raise ValueError(f"{text!r:.80} holds no time: it ends before it begins.")
    return start, end


def _day(name: str) -> int:
    matching = [number for number, day in enumerate(_DAYS) if name.lower() in {day, day[:3]}]
    if not matching:
        raise ValueError(
            f"{name!r:.20} is no day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun. Right windows are {EXAMPLES}."
        )
    return matching[0]


def _time(hours: str, minutes: str, *, is_end: bool) -> int:
    time = int(hours) * HOUR + int(minutes) * MINUTE
    if int(minutes) > 59 or time > (DAY if is_end else DAY - 1):
        raise ValueError(f"{hours}:{minutes} is no time: write 00:00 to 23:59{', or 24:00' if is_end else ''}.")
    return time
