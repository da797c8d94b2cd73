"""What holds for any windows at any moment, however they were written."""

from __future__ import annotations

import datetime
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.unit.policy.documents import TARGET, ask, policy_of, problems_with, with_windows

from artifactory_provider.policy.durations import read_duration
from artifactory_provider.policy.recurrences import read_rule
from artifactory_provider.policy.zones import Zone

if TYPE_CHECKING:
    from artifactory_provider.policy import Policy

# To read a rule is a part of drawing one, and takes its time where others are at work.
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECOND = datetime.timedelta(seconds=1)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

moments = st.datetimes(
    datetime.datetime(2026, 1, 1), datetime.datetime(2028, 12, 31), timezones=st.just(datetime.UTC)
).map(lambda moment: moment.replace(microsecond=0))
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
days = st.sampled_from(DAYS)
dates = st.dates(datetime.date(2025, 6, 1), datetime.date(2029, 1, 1))
durations = st.sampled_from(["15m", "90m", "9h", "1d", "62h", "1w"])
weekly = st.one_of(
    st.builds("{}-{} {}-{}".format, days, days, times, times),
    st.builds("{} {}-{} {}".format, days, times, days, times),
    st.builds("{},{}".format, days, days),
)
spans = st.builds(lambda first, length: f"{first}/{first + datetime.timedelta(days=length)}", dates, st.integers(0, 90))
crons = st.builds(
    "{{cron: '{} {} {} * {}', duration: {}}}".format,
    st.integers(0, 59),
    st.sampled_from(["*/6", "2", "9,17"]),
    st.sampled_from(["*", "1", "31", "1-7"]),
    st.sampled_from(["*", "1-5", "SUN"]),
    durations,
)
rule_texts = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=DAILY;BYHOUR=3,15;BYMINUTE=30",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;UNTIL=20271105",
        "FREQ=HOURLY",
        "FREQ=HOURLY;INTERVAL=5;BYDAY=SA",
        "FREQ=HOURLY;INTERVAL=7;BYMINUTE=5,50",
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=31,-1",
        "FREQ=WEEKLY;BYDAY=MO,FR",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,TU",
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
        "FREQ=YEARLY;BYYEARDAY=-1,60",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=2,11;BYDAY=1SU",
    ]
)
starts = st.datetimes(datetime.datetime(2019, 1, 1), datetime.datetime(2026, 6, 30)).map(
    lambda start: start.replace(second=0, microsecond=0)
)
recurring = st.builds(
    lambda rule, start, duration: f"{{rrule: '{rule}', start: '{start:%Y-%m-%dT%H:%M}', duration: {duration}}}",
    rule_texts,
    starts,
    st.sampled_from(["15m", "45m", "5h"]),
)
windows = st.lists((weekly | spans).map(lambda text: f"'{text}'") | crons | recurring, min_size=1, max_size=3).map(
    ", ".join
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Return the windows of a rule that can be read: whatever is refused is no rule."""
    kinds = draw(st.sampled_from([["allow"], ["deny"], ["allow", "deny"]]))
    lists = ", ".join(f"{kind}: [{draw(windows)}]" for kind in kinds)
    rule = f"windows: {{timezone: {draw(st.sampled_from(ZONES))}, {lists}}}"
    assume(not problems_with(rule))
    return rule


@settings(SLOW, max_examples=50)
@given(rules(), moments)
def test_a_refusal_ends_exactly_when_it_says(rule: str, at: datetime.datetime) -> None:
    policy = policy_of(rule)
    refusal = ask(policy, at)
    if refusal is None or refusal.until is None:
        return
    assert refusal.until > at
    assert ask(policy, refusal.until) is None
    assert ask(policy, refusal.until - SECOND) is not None
    # Asked anew, without anything remembered, it is the same.
    assert ask(policy_of(rule), refusal.until) is None
    assert ask(policy_of(rule), refusal.until - SECOND) is not None


@settings(SLOW, max_examples=25)
@given(st.lists(rules(), min_size=2, max_size=4), moments)
def test_several_rules_let_through_what_each_of_them_does(some: list[str], at: datetime.datetime) -> None:
    together, each = policy_of(*some), [policy_of(rule) for rule in some]
    for moment in (at, at + datetime.timedelta(hours=5), at - datetime.timedelta(days=3)):
        assert (ask(together, moment) is None) is all(ask(policy, moment) is None for policy in each)
    refusal = ask(together, at)
    if refusal and refusal.until:
        assert ask(together, refusal.until) is None
        assert ask(together, refusal.until - SECOND) is not None
        alone = [ask(policy, at) for policy in each]
        assert all(one.until is None or one.until <= refusal.until for one in alone if one)


@settings(SLOW, max_examples=25)
@given(st.lists(rules(), min_size=1, max_size=3), moments)
def test_explain_agrees_with_refuse(some: list[str], at: datetime.datetime) -> None:
    policy = policy_of(*some)
    lines = policy.explain(TARGET, origin="event", at=at)
    assert len(lines) == len(some)
    assert any(" refuses it: " in line for line in lines) is (ask(policy, at, origin="event") is not None)
    assert not any(" refuses it: " in line for line in policy.explain(TARGET, origin="rollback", at=at))
    assert ask(policy, at, origin="rollback") is None


@settings(SLOW, max_examples=25)
@given(rules(), st.lists(moments, min_size=2, max_size=6))
def test_what_was_asked_before_changes_no_answer(rule: str, some: list[datetime.datetime]) -> None:
    policy = policy_of(rule)
    for at in some:
        refusal, anew = ask(policy, at), ask(policy_of(rule), at)
        assert refusal == anew


@settings(SLOW, max_examples=50)
@given(st.lists(days, min_size=1, max_size=3), times, times, moments, st.sampled_from(ZONES))
def test_a_weekly_window_holds_when_the_clock_on_the_wall_shows_a_time_in_it(
    some: list[str], start: str, end: str, at: datetime.datetime, zone: str
) -> None:
    assume(start < end)
    wall = at.astimezone(ZoneInfo(zone))
    # Where the clock changes within two hours, a start or an end may be skipped or shown twice.
    around = [(at + datetime.timedelta(hours=hours)).astimezone(ZoneInfo(zone)) for hours in (-2, 2)]
    assume(all(one.utcoffset() == wall.utcoffset() for one in around))
    shown = DAYS[wall.weekday()] in some and start <= f"{wall:%H:%M}" < end
    policy = policy_of(f"windows: {{timezone: {zone}, allow: ['{','.join(some)} {start}-{end}']}}")
    assert (ask(policy, at) is None) is shown


@settings(SLOW, max_examples=25)
@given(crons, moments)
def test_a_cron_window_holds_for_its_duration_after_each_of_its_moments(window: str, at: datetime.datetime) -> None:
    rule = f"windows: {{timezone: UTC, allow: [{window}]}}"
    assume(not problems_with(rule))
    expression, duration = window.split("'")[1], read_duration(window.rstrip("}").rpartition(": ")[2])
    last = croniter(expression, at + SECOND).get_prev(datetime.datetime)
    assert (ask(policy_of(rule), at) is None) is (at < last + duration.span)


@settings(SLOW, max_examples=50)
@given(rule_texts, starts, moments)
@example("FREQ=YEARLY", datetime.datetime(2024, 2, 29, 10), datetime.datetime(2028, 2, 29, 10, tzinfo=datetime.UTC))
@example("FREQ=MONTHLY", datetime.datetime(2024, 1, 31, 10), datetime.datetime(2027, 3, 1, tzinfo=datetime.UTC))
def test_a_recurrence_rule_that_begins_in_the_middle_is_the_one_that_is_walked_from_its_start(
    rule: str, start: datetime.datetime, at: datetime.datetime
) -> None:
    walked = rrulestr(rule.replace("UNTIL=20271105", "UNTIL=20271105T235959"), dtstart=start)
    upcoming = list(islice(walked.xafter(at.replace(tzinfo=None), inc=True), 5))
    series = read_rule(rule, f"{start:%Y-%m-%dT%H:%M}", read_duration("1m"), Zone("UTC"))
    spans = series.begin(int(at.timestamp()))
    begun = (datetime.datetime.fromtimestamp(span.start, datetime.UTC).replace(tzinfo=None) for span in spans)
    wanted = (moment for moment in begun if moment >= at.replace(tzinfo=None))
    assert list(islice(wanted, 5)) == upcoming


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_by_the_clock_is_gone_through_once_and_without_a_gap(zone: str) -> None:
    of_zone = Zone(zone)
    midnights = [of_zone.first(day * 86400) for day in range(20454, 20454 + 800)]
    lengths = {later - earlier for earlier, later in pairwise(midnights)}
    assert lengths <= {23 * 3600, 84600, 86400, 88200, 25 * 3600}
    assert all(of_zone.wall(second) % 86400 == 0 for second in midnights)


def count_changes(policy: Policy, first: datetime.datetime, last: datetime.datetime) -> int:
    """Return how often a policy opens or closes, by jumping from one end of a refusal to the next."""
    grid = (first + datetime.timedelta(minutes=15) * step for step in range(10**6))
    states = [ask(policy, at) is None for at in takewhile(lambda at: at < last, grid)]
    return sum(before != after for before, after in pairwise(states))


def test_a_year_of_office_hours_opens_and_closes_once_a_working_day() -> None:
    policy = with_windows("allow: [Mon-Fri 09:00-17:00], deny: ['2026-12-24/2026-12-31']")
    first, last = (datetime.datetime(year, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")) for year in (2026, 2027))
    all_days = [first.date() + datetime.timedelta(days=number) for number in range(365)]
    working = [day for day in all_days if day.weekday() < 5 and day < datetime.date(2026, 12, 24)]
    assert count_changes(policy, first, last) == 2 * len(working)
