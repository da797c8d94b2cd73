from __future__ import annotations

import datetime

import pytest
from tests.unit.policy.documents import change_of, moment

from artifactory_provider.policy import ORIGINS, InvalidPolicy, Stop, StopOrder, TargetPatterns, read_stop
from artifactory_provider.promotion.planning import Patterns

NOW = moment("2026-12-07T12:00+00:00")
STOP = """
version: 1
stops:
  - targets: {repositories: [docker-prod], images: ["payments/*"]}
    reason: "registry under attack <script>."
    by: alice
    since: 2026-12-07T11:00:00Z
    until: 2026-12-07T18:00:00+01:00
"""


@pytest.mark.parametrize("text", [None, "", "  \n", "version: 1\nstops: []"])
def test_where_no_order_stands_nothing_is_stopped(text: str | None) -> None:
    assert read_stop(text).refuse(change_of(), origin="schedule", at=NOW) is None


def test_an_order_stops_its_targets_until_it_ends_and_says_who_and_why() -> None:
    stop = read_stop(STOP)
    refusal = stop.refuse(change_of(), origin="schedule", at=NOW)
    assert refusal is not None
    assert refusal.reason == (
        "The line is stopped for docker-prod until 2026-12-07 17:00 UTC, by alice since 2026-12-07 11:00 UTC: "
        "registry under attack <script>."
    )
    assert refusal.until == moment("2026-12-07T17:00+00:00")
    assert refusal.lifted_by == "Whoever may edit Airflow's Variables may lift the stop (artifactory_stop)."
    assert stop.refuse(change_of(), origin="schedule", at=moment("2026-12-07T16:59:59+00:00")) is not None
    assert stop.refuse(change_of(), origin="schedule", at=moment("2026-12-07T17:00+00:00")) is None
    assert stop.refuse(change_of("docker-prod/web:1"), origin="schedule", at=NOW) is None
    assert stop.refuse(change_of("docker-qa/payments/api:1"), origin="schedule", at=NOW) is None


def test_an_order_holds_even_where_a_clock_is_behind_that_of_who_gave_it() -> None:
    assert read_stop(STOP).refuse(change_of(), origin="event", at=moment("2026-12-07T10:00+00:00")) is not None


def test_an_order_stops_everybody_but_rollbacks_unless_it_names_them() -> None:
    order = "{reason: attack, by: alice, since: '2026-12-07T11:00Z'%s}"
    text = "{version: 1, stops: [%s]}"
    everybody, rollbacks = read_stop(text % (order % "")), read_stop(text % (order % ", applies_to: [rollback]"))
    stopped = [origin for origin in ORIGINS if everybody.refuse(change_of(), origin=origin, at=NOW)]
    assert stopped == ["person", "schedule", "event", "backfill"]
    assert [origin for origin in ORIGINS if rollbacks.refuse(change_of(), origin=origin, at=NOW)] == ["rollback"]


def test_of_several_orders_the_one_that_ends_last_is_told() -> None:
    orders = [
        StopOrder(reason=reason, by="alice", since=NOW, until=until)
        for reason, until in [
            ("short", NOW + datetime.timedelta(hours=1)),
            ("until lifted", None),
            ("long", NOW + datetime.timedelta(days=1)),
        ]
    ]
    refusal = Stop(tuple(orders)).refuse(change_of(), origin="event", at=NOW)
    assert refusal is not None
    assert refusal.until is None
    assert refusal.reason.endswith(": until lifted.")
    limited = Stop((orders[0], orders[2])).refuse(change_of(), origin="event", at=NOW)
    assert limited is not None
    assert limited.until == NOW + datetime.timedelta(days=1)


def test_what_is_written_is_read_again_as_it_was() -> None:
    orders = (
        StopOrder(
            reason='a "quote" and <b>HTML</b> \U0001f600',
            by="alice",
            since=NOW,
            targets=TargetPatterns(repositories=Patterns(include=("docker-prod",)), tags=Patterns(include=("1.*",))),
            until=NOW + datetime.timedelta(hours=1),
            applies_to=frozenset({"rollback", "person"}),
        ),
        StopOrder(reason="all", by="bob", since=NOW),
    )
    assert read_stop(Stop(orders).to_text()) == Stop(orders)
    assert read_stop(Stop().to_text()) == Stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stops: []", "version is missing"),
        ("version: 1", "stops is missing"),
        ("version: 1\nstops:", "left empty"),
        ("version: 1\nstops: [{}]", "reason is missing"),
        ("true", "an object is needed, with version: 1"),
        ("{", "neither YAML nor JSON"),
        (STOP.replace("reason", "reazon"), "Did you mean reason?"),
        (STOP.replace("by: alice", "by: 1"), "1 is a number"),
        (STOP.replace("by: alice", ""), "by is missing"),
        (STOP.replace("11:00:00Z", "11:00:00"), "with a time zone"),
        (STOP.replace("2026-12-07T18:00:00+01:00", "2026-12-07T10:00:00Z"), "ends before it begins"),
        (STOP.replace("2026-12-07T18:00:00+01:00", "tomorrow"), "no moment"),
        (STOP.replace("[docker-prod]", "[]"), "empty list"),
        (STOP.replace("docker-prod", "docker prod"), "no pattern"),
        ("x" * 300_000, "longer than 256 KiB"),
    ],
)
def test_orders_that_cannot_be_read_are_an_error_and_never_no_stop(text: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match="cannot be used") as caught:
        read_stop(text)
    assert said in str(caught.value)


def test_who_is_no_origin_and_a_moment_without_a_zone_are_no_questions() -> None:
    with pytest.raises(ValueError, match="no origin"):
        Stop().refuse(change_of(), origin="nobody", at=NOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no time zone"):
        Stop().refuse(change_of(), origin="person", at=NOW.replace(tzinfo=None))
