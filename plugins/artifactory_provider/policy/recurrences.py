"""Windows that recur: a cron expression, or a recurrence rule of iCalendar, and how long each one lasts.

They are made by croniter and dateutil in the wall's time. Neither can begin somewhere in the middle of a series that
counts: a recurrence rule is moved ahead by whole periods, so that a rule from years ago costs what a new one does.

Recurrence rules: RFC 5545, 3.3.10. What lasts days or weeks there ends at the same time of the day, and hours are
hours (3.3.6); here, too.
"""

from __future__ import annotations

import copy
import datetime
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from croniter import CroniterBadDateError, croniter
from dateutil.rrule import DAILY, HOURLY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr

from artifactory_provider.policy.intervals import read_date
from artifactory_provider.policy.series import Series, Span
from artifactory_provider.policy.zones import DAY, count_wall, naive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from artifactory_provider.policy.durations import Duration
    from artifactory_provider.policy.zones import Zone

_LONGEST = 366 * DAY
_MOST_A_DAY = 288
_MOST_AT_ONCE = 400
_MOST_COUNTED = 1000
_YEARS_BETWEEN = 8
_CRON_FIELD = re.compile(r"[0-9A-Za-z*?,/#-]+")
_DRAWN = re.compile(r"(?:^|,)[hr](?:[/(,]|$)", re.IGNORECASE)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_FREQUENCIES = {"YEARLY": YEARLY, "MONTHLY": MONTHLY, "WEEKLY": WEEKLY, "DAILY": DAILY, "HOURLY": HOURLY}
_DAY_PARTS = {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY"}
_PARTS = {"FREQ", "UNTIL", "COUNT", "INTERVAL", "BYMINUTE", "BYHOUR", "BYMONTH", "BYSETPOS", "WKST", *_DAY_PARTS}
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# How far the next one is looked for: a leap day that is a Sunday may be 40 years away.
_LAST_START = 9999 - 41
_CYCLE = 146_097 * DAY
_LOOKAHEAD = {YEARLY: 40, MONTHLY: 40, WEEKLY: 40, DAILY: 8, HOURLY: 2}


def read_cron(expression: str, duration: Duration, zone: Zone) -> Series:
    """Read windows that begin when a cron expression says.

    :param expression: its five fields: minute, hour, day of the month, month, day of the week.
    :param duration: how long each lasts.
    :param zone: whose clock it is about.
    :raises ValueError: when it is none, never occurs, or occurs too often.
    """
    text, parsed = _parse_cron(expression)
    minutes, hours = parsed.expanded[:2]
    _check_density(
        (60 if "*" in minutes else len(minutes)) * (24 if "*" in hours else len(hours)), duration, f"{expression!r:.80}"
    )

    def find_starts(wall: int) -> Iterator[int]:
        # To read the expression takes as long as to find a dozen of its moments.
        series = copy.copy(parsed)
        series.set_current(naive(wall - 1))
        try:
            while True:
                yield count_wall(series.get_next(datetime.datetime))
        except CroniterBadDateError:
            return

    return Series(f"cron {text} for {duration}", _lasting(find_starts, duration, zone))


def check_cron(expression: str) -> str:
    """Return a cron expression with one space between its five fields.

    :param expression: minute, hour, day of the month, month, day of the week.
    :raises ValueError: when it is none, or never occurs.
    """
    return _parse_cron(expression)[0]


def _parse_cron(expression: str) -> tuple[str, croniter]:
    fields = expression.split()
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) and not _DRAWN.search(field) for field in fields):
        raise ValueError(f"{expression!r:.80} is no cron expression: give five fields, such as '0 2 * * 1-5'.")
    text = " ".join(fields)
    try:
        parsed = croniter(text, datetime.datetime(2024, 1, 1), max_years_between_matches=_YEARS_BETWEEN)
        parsed.get_next(datetime.datetime)
    except CroniterBadDateError as error:
        raise ValueError(f"The cron expression {expression!r:.80} never occurs.") from error
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"{expression!r:.80} is no cron expression: {error}.") from error
    return text, parsed


def read_rule(text: str, start: str, duration: Duration, zone: Zone) -> Series:
    """Read windows that begin when a recurrence rule says.

    :param text: the rule, such as ``FREQ=MONTHLY;BYDAY=-1FR``.
    :param start: date and time from which it counts, such as ``2026-01-30T16:00``.
    :param duration: how long each lasts.
    :param zone: whose clock it is about.
    :raises ValueError: when it is none, never occurs, or occurs too often.
    """
    wall, _ = read_date(start)
    parts = _read_parts(text)
    begins = naive(wall)
    frequency = _FREQUENCIES[parts["FREQ"]]
    minutes = len(parts.get("BYMINUTE", "").split(","))
    hours = len(parts["BYHOUR"].split(",")) if "BYHOUR" in parts else 24 if frequency == HOURLY else 1
    _check_density(minutes * hours, duration, f"{text!r:.120}")
    count, until = _read_number(parts.pop("COUNT", None)), _read_until(parts.pop("UNTIL", None), zone)
    if count is not None and count > _MOST_COUNTED:
        raise ValueError(f"COUNT={count} is more than {_MOST_COUNTED:,}: give UNTIL, or neither.")
    if until is not None and count is not None:
        raise ValueError("A recurrence rule has either COUNT or UNTIL: leave one out.")
    explicit = ";".join(f"{name}={value}" for name, value in _make_explicit(parts, begins).items())
    interval = _read_number(parts.get("INTERVAL")) or 1
    if not _has_days(parts):
        raise ValueError(f"The recurrence rule {text!r:.120} never occurs: there are no such days.")
    try:
        rule = cast("rrule", rrulestr(explicit, dtstart=begins))
        recurrence = _Recurrence(rule, begins, frequency, interval, parts["WKST"], until)
        find_starts = recurrence.find if count is None else _counted(recurrence, wall, count)
        occurs = next(find_starts(wall), None) is not None
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"{text!r:.120} is no recurrence rule: {error}.") from error
    if not occurs:
        raise ValueError(f"The recurrence rule {text!r:.120} never occurs from {start} on.")
    shown = f"rrule {text} from {start} for {duration}"
    return Series(
        shown,
        _lasting(find_starts, duration, zone),
        is_finite=count is not None or until is not None,
        starts=zone.first(wall),
    )


def _lasting(
    find_starts: Callable[[int], Iterator[int]], duration: Duration, zone: Zone
) -> Callable[[int], Iterator[Span]]:
    """Return the beginning of a series whose spans last so long; whole days end at the same time of the day."""
    days, rest = duration.days * DAY, duration.seconds

    def begin(second: int) -> Iterator[Span]:
        for wall in find_starts(max(zone.wall(max(second - rest, 0)) - days, 0)):
            start = zone.first(wall)
            span = Span(start, (zone.first(wall + days) if days else start) + rest)
            if span.end > second:
                yield span

    return begin


def _check_density(a_day: int, duration: Duration, shown: str) -> None:
    seconds = duration.span.total_seconds()
    if seconds > _LONGEST:
        raise ValueError(f"A duration of {duration} is longer than a year: give dates.")
    if a_day > _MOST_A_DAY:
        raise ValueError(f"{shown} occurs {a_day} times a day: {_MOST_A_DAY} at most, one in five minutes, are read.")
    if a_day * max(1, seconds / DAY) > _MOST_AT_ONCE:
        raise ValueError(f"Of {shown}, hundreds of windows are open at once: give a shorter duration.")


def _read_parts(text: str) -> dict[str, str]:
    """Return the parts of a recurrence rule, each known and there once."""
    pairs = [pair.partition("=") for pair in text.strip().upper().removeprefix("RRULE:").split(";")]
    names = [name for name, _, _ in pairs]
    wrong = [f"{name}{equals}{value}" for name, equals, value in pairs if name not in _PARTS or not value]
    if wrong or len(set(names)) < len(names) or not all(re.fullmatch(r"[0-9A-Z,+-]+", value) for _, _, value in pairs):
        shown = f"{wrong[0]!r:.60}" if wrong else f"{text!r:.120}"
        raise ValueError(
            f"{shown} cannot be read: a recurrence rule has parts such as FREQ=MONTHLY;BYDAY=-1FR, each of "
            f"{', '.join(sorted(_PARTS))} at most once."
        )
    parts = {name: value for name, _, value in pairs}
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"{text!r:.120} needs FREQ, one of {', '.join(_FREQUENCIES)}: nothing more frequent is read.")
    if _read_number(parts.get("INTERVAL", "1")) == 0 or _read_number(parts.get("COUNT", "1")) == 0:
        raise ValueError("INTERVAL and COUNT are 1 or more.")
    return {"WKST": "MO", **parts}


def _read_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,6}", text):
        raise ValueError(f"{text!r:.60} is no whole number, as INTERVAL and COUNT are.")
    return int(text)


def _read_until(text: str | None, zone: Zone) -> datetime.datetime | None:
    """Return when the last one may begin, on the wall; a date stands for all of that day."""
    if text is None:
        return None
    found = _UNTIL.fullmatch(text)
    try:
        moment = datetime.datetime.strptime(f"{found[1]}{found[2] or '235959'}" if found else text, "%Y%m%d%H%M%S")
    except ValueError as error:
        raise ValueError(f"UNTIL={text:.60} is no date: write 20271231, or 20271231T235900, with Z for UTC.") from error
    if found and found[3]:
        return naive(zone.wall(int(moment.replace(tzinfo=datetime.UTC).timestamp())))
    return moment


def _make_explicit(parts: dict[str, str], start: datetime.datetime) -> dict[str, str]:
    """Write out what a rule takes from its start, so that it stays what it is when it is moved ahead."""
    explicit = {"BYMINUTE": str(start.minute), "BYSECOND": str(start.second), **parts}
    if parts["FREQ"] != "HOURLY":
        explicit.setdefault("BYHOUR", str(start.hour))
    if not _DAY_PARTS & set(parts):
        if parts["FREQ"] == "YEARLY":
            explicit.setdefault("BYMONTH", str(start.month))
        if parts["FREQ"] in {"YEARLY", "MONTHLY"}:
            explicit["BYMONTHDAY"] = str(start.day)
        if parts["FREQ"] == "WEEKLY":
            explicit["BYDAY"] = _WEEKDAYS[start.weekday()]
    return explicit


def _has_days(parts: dict[str, str]) -> bool:
    """Tell whether there are days as the parts of a rule want them; what is no rule, is told elsewhere.

    A rule of many small periods would take long to find out that there are none.
    """
    days = {name: value for name, value in parts.items() if name in _DAY_PARTS}
    if parts["FREQ"] in {"YEARLY", "MONTHLY"} or not days:
        return True
    if "BYDAY" in days:
        days["BYDAY"] = re.sub(r"[0-9+-]", "", days["BYDAY"])
    days |= {"BYMONTH": parts["BYMONTH"]} if "BYMONTH" in parts else {}
    text = ";".join(["FREQ=YEARLY", *(f"{name}={value}" for name, value in days.items())])
    try:
        found = next(iter(rrulestr(text, dtstart=datetime.datetime(_LAST_START, 1, 1))), None)
    except (ValueError, TypeError, LookupError):
        return True
    return found is not None


@dataclass(frozen=True)
class _Recurrence:
    """A recurrence rule that can begin at any moment.

    :param rule: the rule, with all its parts written out.
    :param start: from when it counts.
    :param frequency: of what a period is.
    :param interval: how many of them a period is.
    :param week_start: the day with which weeks begin.
    :param until: when the last one may begin.
    """

    rule: rrule
    start: datetime.datetime
    frequency: int
    interval: int
    week_start: str
    until: datetime.datetime | None

    def find(self, wall: int) -> Iterator[int]:
        """Yield when the windows begin that begin no sooner than a moment, and possibly some that do."""
        begins = self._move_ahead(naive(wall))
        last = begins.replace(year=begins.year + _LOOKAHEAD[self.frequency], day=1)
        last = last if self.until is None else min(last, self.until)
        if last < begins:
            return
        # dateutil looks for what never occurs until the calendar ends, and takes its time. 400 years on, weekdays and
        # leap years are the same, and the end is near.
        cycles = (_LAST_START - begins.year) // 400
        begins, last = (one.replace(year=one.year + 400 * cycles) for one in (begins, last))
        for moment in self.rule.replace(dtstart=begins, until=last):
            yield count_wall(moment) - cycles * _CYCLE

    def _move_ahead(self, wanted: datetime.datetime) -> datetime.datetime:
        """Return the beginning of the last period but one before a moment, or the start."""
        start = self.start
        if self.frequency in {YEARLY, MONTHLY}:
            base = start.replace(day=1, hour=0, minute=0, second=0)
            base = base.replace(month=1) if self.frequency == YEARLY else base
            step = self.interval * (12 if self.frequency == YEARLY else 1)
            periods = ((wanted.year - base.year) * 12 + wanted.month - base.month) // step - 1
            months = base.month - 1 + periods * step
            return base.replace(year=base.year + months // 12, month=months % 12 + 1) if periods > 0 else start
        if self.frequency == HOURLY:
            base, period = start.replace(minute=0, second=0), datetime.timedelta(hours=self.interval)
        else:
            base = start.replace(hour=0, minute=0, second=0)
            period = datetime.timedelta(days=self.interval)
            if self.frequency == WEEKLY:
                base -= datetime.timedelta(days=(start.weekday() - _WEEKDAYS.index(self.week_start)) % 7)
                period *= 7
        periods = (wanted - base) // period - 1
        return base + periods * period if periods > 0 else start


def _counted(recurrence: _Recurrence, wall: int, count: int) -> Callable[[int], Iterator[int]]:
    """Return all of a rule that ends after some number: it can only be counted from its start."""
    starts = list(itertools.islice(recurrence.find(wall), count))
    return lambda _: iter(starts)
