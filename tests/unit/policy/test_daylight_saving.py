"""Clocks that are put forward and back: Berlin and New York by an hour, Lord Howe by half an hour, in other months."""

from __future__ import annotations

import datetime

import pytest
from tests.unit.policy.documents import ask, moment, open_times, problems_with, with_windows

SPRING = "2026-03-29"  # Berlin: 02:00 +01:00 is 03:00 +02:00, at 01:00 UTC
AUTUMN = "2026-10-25"  # Berlin: 03:00 +02:00 is 02:00 +01:00, at 01:00 UTC


def first_and_last(window: str, zone: str, day: str, *, denied: bool = False) -> tuple[str, str, int]:
    """Return from when to when changes may be made, or may not, in UTC around a day, and how many minutes there are."""
    noon = datetime.datetime.fromisoformat(f"{day}T12:00+00:00")
    policy = with_windows(f"{'deny' if denied else 'allow'}: [{window}]", zone)
    begin, end = noon - datetime.timedelta(hours=36), noon + datetime.timedelta(hours=36)
    times = open_times(policy, begin, end, minutes=5)
    if denied:
        every = open_times(with_windows("deny: ['1999-01-01']", zone), begin, end, minutes=5)
        times = [time for time in every if time not in times]
    return times[0], times[-1], len(times) * 5


@pytest.mark.parametrize(
    ("window", "zone", "day", "begins", "minutes"),
    [
        # what begins in the gap begins when the clock is put forward
        (f"'{SPRING}T02:30/{SPRING}T05:00'", "Europe/Berlin", SPRING, "29 01:00", 120),
        ("Sun 02:30-05:00", "Europe/Berlin", SPRING, "29 01:00", 120),
        # what ends in the gap ends then
        ("Sun 01:00-02:30", "Europe/Berlin", SPRING, "29 00:00", 60),
        # what spans the gap is an hour shorter, what spans the fold an hour longer
        ("Sun 01:00-05:00", "Europe/Berlin", SPRING, "29 00:00", 180),
        ("Sun 01:00-05:00", "Europe/Berlin", AUTUMN, "24 23:00", 300),
        ("Sun", "Europe/Berlin", SPRING, "28 23:00", 23 * 60),
        (f"'{AUTUMN}'", "Europe/Berlin", AUTUMN, "24 22:00", 25 * 60),
        ("Sun 01:30-04:00", "America/New_York", "2026-03-08", "08 06:30", 90),
        ("Sun 00:30-04:00", "America/New_York", "2026-11-01", "01 04:30", 270),
        # half an hour: forward at 02:00 +10:30 in October, back at 02:00 +11:00 in April
        ("Sun 02:15-04:00", "Australia/Lord_Howe", "2026-10-04", "03 15:30", 90),
        ("Sun 01:00-03:00", "Australia/Lord_Howe", "2026-04-05", "04 14:00", 150),
        # a clock without summer time
        ("Sun 02:30-05:00", "Asia/Tokyo", SPRING, "28 17:30", 150),
    ],
)
def test_a_window_is_what_the_clock_on_the_wall_shows(
    window: str, zone: str, day: str, begins: str, minutes: int
) -> None:
    for denied in (False, True):
        begin, _, length = first_and_last(window, zone, day, denied=denied)
        assert (begin, length) == (begins, minutes)


def test_an_end_that_is_shown_twice_is_the_first_for_what_is_allowed_and_the_last_for_what_is_denied() -> None:
    assert first_and_last("Sun 01:00-02:30", "Europe/Berlin", AUTUMN) == ("24 23:00", "25 00:25", 90)
    assert first_and_last("Sun 01:00-02:30", "Europe/Berlin", AUTUMN, denied=True) == ("24 23:00", "25 01:25", 150)


def test_a_start_that_is_shown_twice_is_the_first() -> None:
    for denied in (False, True):
        assert first_and_last("Sun 02:30-05:00", "Europe/Berlin", AUTUMN, denied=denied)[0] == "25 00:30"


@pytest.mark.parametrize(
    ("window", "day", "begins", "minutes"),
    [
        ("{cron: '30 2 * * SUN', duration: 90m}", SPRING, "29 01:00", 90),
        ("{cron: '30 2 * * SUN', duration: 90m}", AUTUMN, "25 00:30", 90),
        ("{rrule: FREQ=WEEKLY, start: '2026-01-04T02:30', duration: 90m}", SPRING, "29 01:00", 90),
        # hours are hours; a day ends at the same time of the day
        ("{cron: '0 12 * * SAT', duration: 24h}", SPRING, "28 11:00", 24 * 60),
        ("{cron: '0 12 * * SAT', duration: 48h}", AUTUMN, "24 10:00", 48 * 60),
        ("{cron: '0 12 * * SAT', duration: 1d}", SPRING, "28 11:00", 23 * 60),
        ("{cron: '0 12 * * SAT', duration: 1d}", AUTUMN, "24 10:00", 25 * 60),
    ],
)
def test_a_recurring_window_begins_by_the_clock_and_lasts_hours_exactly_and_days_by_the_clock(
    window: str, day: str, begins: str, minutes: int
) -> None:
    begin, _, length = first_and_last(window, "Europe/Berlin", day)
    assert begin == begins
    assert length == minutes


def test_office_hours_open_at_the_same_time_of_the_day_all_year() -> None:
    policy = with_windows("allow: [Mon-Fri 09:00-17:00]")
    for day in ("2026-03-27", "2026-10-23"):
        refusal = ask(policy, f"{day}T17:00")
        assert refusal is not None
        assert refusal.until is not None
        local = refusal.until.astimezone(moment(f"{day}T17:00").tzinfo)
        assert f"{local:%a %H:%M}" == "Mon 09:00"


def test_a_window_in_the_hour_that_the_clock_skips_holds_no_time_and_is_refused() -> None:
    [(field, message)] = problems_with(f"windows: {{timezone: Europe/Berlin, deny: ['{SPRING}T02:10/{SPRING}T02:50']}}")
    assert field == "windows.deny[0]"
    assert "skips it" in message
