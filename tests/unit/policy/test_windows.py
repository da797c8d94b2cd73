from __future__ import annotations

import datetime

import pytest
from tests.unit.policy.documents import TARGET, ask, moment, with_windows


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (
            "Mon-Thu 09:00-16:00",
            ["2026-12-07T09:00", "2026-12-10T15:59:59.999"],
            ["2026-12-07T08:59:59", "2026-12-11T10:00"],
        ),
        ("Mon-Thu 09:00-16:00", [], ["2026-12-07T16:00"]),
        ("mon,WED,Friday 9:00-10:00", ["2026-12-09T09:30", "2026-12-11T09:30"], ["2026-12-08T09:30"]),
        ("Sat,Sun", ["2026-12-12T00:00", "2026-12-13T23:59"], ["2026-12-11T23:59", "2026-12-14T00:00"]),
        ("Fri-Mon", ["2026-12-11T00:00", "2026-12-14T23:59"], ["2026-12-15T00:00", "2026-12-10T23:59"]),
        ("Fri 16:00-Mon 08:00", ["2026-12-11T16:00", "2026-12-14T07:59"], ["2026-12-11T15:59", "2026-12-14T08:00"]),
        ("Mon-Fri 22:00-06:00", ["2026-12-11T22:00", "2026-12-12T05:59", "2026-12-08T03:00"], ["2026-12-12T22:00"]),
        ("Sun 22:00-06:00", ["2026-12-13T23:00", "2026-12-14T05:59"], ["2026-12-14T06:00", "2026-12-13T21:59"]),
        ("Mon-Fri 18:00-24:00", ["2026-12-07T23:59"], ["2026-12-08T00:00"]),
        ("2026-12-24", ["2026-12-24T00:00", "2026-12-24T23:59"], ["2026-12-23T23:59", "2026-12-25T00:00"]),
        ("2026-12-18/2027-01-04", ["2026-12-18T00:00", "2027-01-04T23:59"], ["2026-12-17T23:59", "2027-01-05T00:00"]),
        ("2026-12-18T16:00/2027-01-04T08:00", ["2026-12-18T16:00", "2027-01-04T07:59"], ["2027-01-04T08:00"]),
        ("2026-12-18T16:00/2026-12-20", ["2026-12-20T23:59"], ["2026-12-18T15:59", "2026-12-21T00:00"]),
        ("2028-02-29", ["2028-02-29T12:00"], ["2028-02-28T23:59", "2028-03-01T00:00"]),
        ("2028-02-28/2028-03-01", ["2028-02-29T23:59"], ["2028-03-02T00:00"]),
    ],
)
def test_a_window_holds_from_its_start_up_to_its_end_and_never_at_its_end(
    window: str, inside: list[str], outside: list[str]
) -> None:
    allowed, denied = with_windows(f"allow: ['{window}']"), with_windows(f"deny: ['{window}']")
    for at in inside:
        assert ask(allowed, at) is None, at
        assert ask(denied, at) is not None, at
    for at in outside:
        assert ask(allowed, at) is not None, at
        assert ask(denied, at) is None, at


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (
            "{cron: '0 2 * * 1-5', duration: 90m}",
            ["2026-12-07T02:00", "2026-12-07T03:29"],
            ["2026-12-07T03:30", "2026-12-06T02:30"],
        ),
        (
            "{cron: '0 22 * * *', duration: 8h}",
            ["2026-12-07T05:59", "2026-12-07T22:00"],
            ["2026-12-07T06:00", "2026-12-07T21:59"],
        ),
        (
            "{cron: '0 0 29 2 *', duration: 1d}",
            ["2028-02-29T00:00", "2028-02-29T23:59"],
            ["2027-03-01T00:00", "2028-03-01T00:00"],
        ),
        ("{cron: '0 9 * * MON#1', duration: 1h}", ["2026-12-07T09:30"], ["2026-12-14T09:30"]),
        ("{cron: '*/30 * * * *', duration: 10m}", ["2026-12-07T09:30", "2026-12-07T09:39"], ["2026-12-07T09:40"]),
        ("{cron: '0 0 1 1 *', duration: 2d}", ["2027-01-02T23:59"], ["2027-01-03T00:00"]),
        (
            "{rrule: FREQ=MONTHLY;BYDAY=-1FR, start: '2026-01-30T16:00', duration: 62h}",
            ["2026-11-27T16:00", "2026-11-30T05:59"],
            ["2026-11-27T15:59", "2026-11-30T06:00", "2025-12-26T17:00"],
        ),
        (
            "{rrule: 'RRULE:FREQ=WEEKLY;INTERVAL=2', start: 2026-11-30, duration: 1d}",
            ["2026-11-30T12:00", "2026-12-14T12:00"],
            ["2026-12-07T12:00"],
        ),
        (
            "{rrule: FREQ=YEARLY, start: '2024-02-29T00:00', duration: 1d}",
            ["2024-02-29T12:00", "2028-02-29T12:00"],
            ["2027-02-28T12:00", "2027-03-01T12:00"],
        ),
        (
            "{rrule: FREQ=DAILY;COUNT=3, start: '2026-12-01T08:00', duration: 1h}",
            ["2026-12-01T08:00", "2026-12-03T08:59"],
            ["2026-12-04T08:00"],
        ),
        (
            "{rrule: FREQ=DAILY;UNTIL=20261203, start: '2026-12-01T08:00', duration: 1h}",
            ["2026-12-03T08:00"],
            ["2026-12-04T08:00"],
        ),
        (
            "{rrule: FREQ=DAILY;UNTIL=20261203T070000Z, start: '2026-12-01T08:00', duration: 1h}",
            ["2026-12-03T08:00"],
            ["2026-12-04T08:00"],
        ),
        (
            "{rrule: FREQ=HOURLY;INTERVAL=5, start: '2026-12-01T01:30', duration: 1h}",
            ["2026-12-01T06:45"],
            ["2026-12-01T07:45"],
        ),
    ],
)
def test_a_window_that_recurs_lasts_as_long_as_it_says(window: str, inside: list[str], outside: list[str]) -> None:
    allowed, denied = with_windows(f"allow: [{window}]"), with_windows(f"deny: [{window}]")
    for at in inside:
        assert ask(allowed, at) is None, at
        assert ask(denied, at) is not None, at
    for at in outside:
        assert ask(allowed, at) is not None, at
        assert ask(denied, at) is None, at


def test_what_is_denied_wins_over_what_is_allowed() -> None:
    policy = with_windows("allow: [Mon-Fri 09:00-17:00], deny: ['2026-12-09', Tue 10:00-11:00]")
    assert ask(policy, "2026-12-08T09:30") is None
    assert ask(policy, "2026-12-08T10:30") is not None
    assert ask(policy, "2026-12-09T09:30") is not None


def test_of_several_allowed_windows_one_is_enough() -> None:
    policy = with_windows("allow: [Mon 09:00-10:00, Mon 12:00-13:00, '2026-12-09']")
    assert [ask(policy, at) is None for at in ("2026-12-07T12:30", "2026-12-09T03:00", "2026-12-07T11:00")] == [
        True,
        True,
        False,
    ]


def test_the_same_clock_time_is_another_moment_in_another_zone() -> None:
    noon = moment("2026-12-07T12:00+00:00")
    assert ask(with_windows("allow: [Mon 12:00-13:00]", "UTC"), noon) is None
    assert ask(with_windows("allow: [Mon 12:00-13:00]", "America/New_York"), noon) is not None
    assert ask(with_windows("allow: [Mon 07:00-08:00]", "America/New_York"), noon) is None


@pytest.mark.parametrize(
    ("windows", "at", "opens"),
    [
        ("allow: [Mon-Thu 09:00-16:00]", "2026-12-10T16:00", "2026-12-14T09:00"),
        ("allow: [Mon-Thu 09:00-16:00], deny: ['2026-12-18/2027-01-04']", "2026-12-17T20:00", "2027-01-05T09:00"),
        ("deny: ['2026-12-18/2027-01-04']", "2026-12-20T00:00", "2027-01-05T00:00"),
        ("deny: ['2026-12-18/2026-12-20', '2026-12-21', Tue]", "2026-12-18T00:00", "2026-12-23T00:00"),
        ("allow: [{cron: '0 0 29 2 *', duration: 1d}]", "2026-12-01T00:00", "2028-02-29T00:00"),
        ("allow: [Mon 09:00-10:00], deny: [Mon 09:00-09:30]", "2026-12-05T00:00", "2026-12-07T09:30"),
    ],
)
def test_a_refusal_ends_when_all_windows_let_changes_through(windows: str, at: str, opens: str) -> None:
    refusal = ask(with_windows(windows), at)
    assert refusal is not None
    assert refusal.until == moment(opens)


@pytest.mark.parametrize(
    "windows",
    [
        "deny: ['2026-01-01/2035-12-31']",
        "allow: ['2026-01-05']",
        "allow: [{rrule: FREQ=DAILY;COUNT=2, start: '2026-01-05T09:00', duration: 1h}]",
        "allow: [{cron: '0 0 29 2 *', duration: 1d}], deny: ['2028-01-01/2028-12-31']",
    ],
)
def test_an_opening_that_is_years_away_or_never_comes_is_no_moment_and_said(windows: str) -> None:
    refusal = ask(with_windows(windows), "2026-12-01T12:00")
    assert refusal is not None
    assert refusal.until is None
    assert "no opening found within two years" in refusal.reason


def test_windows_may_be_asked_in_any_order_of_time() -> None:
    policy = with_windows(
        "deny: [{cron: '0 2 * * *', duration: 90m}, {rrule: FREQ=MONTHLY, start: '2020-01-15T00:00', duration: 1d}]"
    )
    moments = [moment("2026-12-01T00:00") + datetime.timedelta(hours=7 * number) for number in range(200)]
    forwards = [ask(policy, at) is None for at in moments]
    assert [ask(policy, at) is None for at in reversed(moments)] == forwards[::-1]
    assert True in forwards
    assert False in forwards


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_moment_that_no_clock_will_show_is_an_answer_and_no_crash(year: int) -> None:
    at = datetime.datetime(year, 6, 1, tzinfo=datetime.UTC)
    daily = "{rrule: FREQ=DAILY, start: 2026-01-01, duration: 1h}"
    policy = with_windows(f"allow: [Mon 09:00-10:00, {{cron: '0 1 * * *', duration: 1h}}, {daily}]")
    assert ask(with_windows("deny: ['2026-12-24']"), at) is None
    assert len(policy.explain(TARGET, origin="schedule", at=at)) == 1
