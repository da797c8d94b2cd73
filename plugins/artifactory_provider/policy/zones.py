"""What the clock on the wall of a zone shows, and when: seconds since 1970 there and in UTC, daylight saving included.

A time that the clock skips in spring is taken for the moment of the skip. A time that it shows twice in autumn is its
first moment where something begins; where a refusal ends, the last one, and where a permission ends, the first one:
the stricter reading.
"""

from __future__ import annotations

import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

import pendulum

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""The years that a document may name."""

_EPOCH = datetime.datetime(1970, 1, 1)
_MONDAY = 4 * DAY
_LATEST = int(datetime.datetime(2990, 1, 1, tzinfo=datetime.UTC).timestamp())
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Zone:
    """A time zone.

    :param name: as the IANA time zone database has it, such as ``Europe/Berlin``.
    :raises ValueError: when there is no such zone here.
    """

    def __init__(self, name: str) -> None:
        names = pendulum.timezones()
        if name not in names:
            raise ValueError(f"There is no time zone {name!r:.60}: {_find_meant(name, names)}")
        self.name = name
        self._zone = pendulum.timezone(name)

    def wall(self, second: int) -> int:
        """Return what the clock shows at a moment, in seconds since 1970-01-01 00:00 there.

        :param second: seconds since 1970 in UTC.
        """
        return second + _seconds(datetime.datetime.fromtimestamp(second, self._zone).utcoffset())

    def first(self, wall: int) -> int:
        """Return the first moment at which the clock shows a time, or where it skips it, that of the skip.

        :param wall: seconds since 1970-01-01 00:00 there.
        """
        early, late = self._read_both(wall)
        return early if early <= late else self._find_skip(late, early)

    def last(self, wall: int) -> int:
        """Return the last moment at which the clock begins to show a time, or that of the skip.

        :param wall: seconds since 1970-01-01 00:00 there.
        """
        early, late = self._read_both(wall)
        return late if early <= late else self._find_skip(late, early)

    def show(self, second: int) -> str:
        """Return a moment as people read it there, such as ``Monday 2027-01-04 09:00``.

        :param second: seconds since 1970 in UTC.
        """
        shown = naive(self.wall(second))
        return f"{_WEEKDAYS[shown.weekday()]} {shown:%Y-%m-%d %H:%M}"

    def _read_both(self, wall: int) -> tuple[int, int]:
        """Return the moment by the offset before a change of the clock, and the one by the offset after it."""
        moment = naive(wall)
        before = moment.replace(tzinfo=self._zone, fold=0).utcoffset()
        after = moment.replace(tzinfo=self._zone, fold=1).utcoffset()
        return wall - _seconds(before), wall - _seconds(after)

    def _find_skip(self, before: int, after: int) -> int:
        """Return the second at which the offset changes."""
        offset = self.wall(before) - before
        while after - before > 1:
            middle = (before + after) // 2
            if self.wall(middle) - middle == offset:
                before = middle
            else:
                after = middle
        return after


def naive(wall: int) -> datetime.datetime:
    """Return what a clock shows as a date and a time.

    :param wall: seconds since 1970-01-01 00:00 there.
    """
    return _EPOCH + datetime.timedelta(seconds=wall)


def count_wall(shown: datetime.datetime) -> int:
    """Return what a clock shows in seconds since 1970-01-01 00:00 there.

    :param shown: date and time, without a zone.
    """
    span = shown - _EPOCH
    return span.days * DAY + span.seconds


def find_week(wall: int) -> int:
    """Return the midnight with which the Monday of a week begins.

    :param wall: any time in that week.
    """
    return wall - (wall - _MONDAY) % WEEK


def count_second(at: datetime.datetime) -> int:
    """Return a moment in whole seconds since 1970 in UTC; one that no clock will show is the nearest that may be.

    :param at: with a time zone.
    :raises ValueError: when it has none.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"{at} has no time zone: give a moment with one.")
    return min(max(int(at.timestamp() // 1), 0), _LATEST)


def read_moment_of(second: int) -> datetime.datetime:
    """Return a moment in UTC.

    :param second: seconds since 1970.
    """
    return datetime.datetime.fromtimestamp(second, datetime.UTC)


def _seconds(offset: datetime.timedelta | None) -> int:
    return 0 if offset is None else round(offset.total_seconds())


def _find_meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name.lower(), [one.lower() for one in names], n=1)
    meant = [one for one in names if [one.lower()] == close]
    return f"did you mean {meant[0]}?" if meant else "give one of the IANA database, such as Europe/Berlin or UTC."
