"""Spans of time that come one after the other, and a reader of them that knows where it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.policy.zones import DAY
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FAR = DAY
_QUIET = 366 * DAY


class Span(NamedTuple):
    """From one moment up to another, in seconds since 1970 in UTC; the end is no part of it."""

    start: int
    end: int


class Segment(NamedTuple):
    """A time in which a series stays what it is: within one of its spans, or between them."""

    since: int
    until: int
    is_inside: bool


@dataclass(frozen=True, eq=False)
class Series:
    """The spans of one window.

    :param text: the window as it is written.
    :param begin: returns the spans that end after a moment, by their starts, and possibly some that end before it.
    :param is_finite: whether there is a last one.
    :param cycle: how many seconds it takes until all has been seen that there may be.
    :param starts: the moment before which there is none; the earliest one that is told apart, where there is no first.
    """

    text: str
    begin: Callable[[int], Iterator[Span]]
    is_finite: bool = False
    cycle: int = 8 * 366 * DAY
    starts: int = 0

    @property
    def in_words(self) -> str:
        """The window as it is written, for a message."""
        return printable(self.text, longest=120)


class Reader:
    """Tells where moments lie in a series. Moments that move on cost little; the spans are made one after the other.

    :param series: the series.
    """

    def __init__(self, series: Series) -> None:
        self.series = series
        self._segment = Segment(0, 0, False)
        self._asked = 0
        self._known: list[Span] = []
        self._coming: Iterator[Span] | None = None
        self._lock = threading.Lock()

    def find(self, second: int) -> Segment:
        """Return the time around a moment in which nothing changes; it may be longer still.

        :param second: seconds since 1970 in UTC.
        """
        segment = self._segment
        if segment.since <= second < segment.until:
            return segment
        with self._lock:
            self._segment = segment = self._look(second)
        return segment

    def _look(self, second: int) -> Segment:
        reached = self._known[-1].start if self._known else self._asked
        if self._coming is None or not self._asked <= second <= reached + _FAR:
            self._known, self._coming = [], self.series.begin(second)
        self._asked = second
        self._known = known = [span for span in self._known if span.end > second]
        while not known or known[-1].start <= second:
            span = next(self._coming, None)
            if span is None:
                break
            if span.end > max(second, span.start):
                known.append(span)
        ends = [span.end for span in known if span.start <= second]
        # Nothing is said of a time so far ahead that nobody has looked at it.
        following = min((span.start for span in known if span.start > second), default=second + _QUIET)
        return Segment(second, min(max(ends), following) if ends else following, bool(ends))
