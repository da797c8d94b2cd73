from __future__ import annotations

import datetime

import pytest
from tests.unit.policy.documents import TARGET, ask, change_of, moment, policy_of

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import (
    ORIGINS,
    ApprovalRule,
    ContradictoryRules,
    Origin,
    OverrideRule,
    read_policy,
)
from artifactory_provider.verification import AllOf, PropertyCheck, SoakCheck, XrayCheck

MONDAY_NOON, SUNDAY = "2026-12-07T12:00", "2026-12-06T12:00"
OFFICE_HOURS = "windows: {timezone: Europe/Berlin, allow: [Mon-Fri 09:00-17:00]}"
NO_TUESDAY = "windows: {timezone: Europe/Berlin, deny: [Tue]}"


@pytest.mark.parametrize(
    ("target", "is_meant"),
    [
        ("docker-prod/payments/api:1.4.2", True),
        ("docker-prod/payments/api:1.5.0-rc1", False),
        ("docker-prod/web:1.4.2", False),
        ("docker-qa/payments/api:1.4.2", False),
        ("docker-prod-eu/payments/db/backup:1.0", True),
    ],
)
def test_a_rule_is_for_the_targets_that_its_patterns_match(target: str, is_meant: bool) -> None:
    policy = read_policy(
        """
        version: 1
        rules:
          - target: {repositories: [docker-prod, "docker-prod-*"], images: ["payments/*"], tags: ["regex:[0-9.]+"]}
            windows: {timezone: UTC, deny: [2026-12-24]}
        """
    )
    at = moment("2026-12-24T12:00+00:00")
    assert (policy.refuse(change_of(target), origin="person", at=at) is not None) is is_meant
    assert bool(policy.explain(change_of(target).target, origin="person", at=at)) is is_meant


def test_where_the_tag_is_not_known_a_rule_for_some_tags_holds() -> None:
    policy = read_policy(
        "{version: 1, rules: [{target: {repositories: [docker-prod], tags: ['1.*']}, "
        "windows: {timezone: UTC, deny: [2026-12-24]}}]}"
    )
    untagged = ImageReference("docker-prod", "web")
    assert policy.refuse(change_of(untagged), origin="person", at=moment("2026-12-24T12:00+00:00")) is not None


def test_a_rule_applies_to_every_origin_but_a_rollback_unless_it_says_so() -> None:
    policy = policy_of(OFFICE_HOURS)
    refused = [origin for origin in ORIGINS if ask(policy, SUNDAY, origin=origin)]
    assert refused == ["person", "schedule", "event", "backfill"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_rule_applies_to_whom_it_names_and_nobody_else(origin: Origin) -> None:
    policy = policy_of(
        f"applies_to: [{origin}], {OFFICE_HOURS}, override: {{from: [eve]}}",
        f"applies_to: [{origin}], require: [{{property: a.b}}], approvals: {{}}",
    )
    for other in ORIGINS:
        applies = other == origin
        assert (ask(policy, SUNDAY, origin=other) is not None) is applies
        assert bool(policy.required_checks(TARGET, origin=other)) is applies
        assert bool(policy.approvals(TARGET, origin=other)) is applies
        assert bool(policy.overrides(TARGET, origin=other)) is applies
    assert policy.required_checks(TARGET)
    assert policy.approvals(TARGET)
    assert policy.overrides(TARGET)


def test_who_is_no_origin_is_told_so_rather_than_let_through() -> None:
    policy = policy_of(OFFICE_HOURS)
    with pytest.raises(ValueError, match="'nobody' is no origin"):
        ask(policy, SUNDAY, origin="nobody")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'nobody' is no origin"):
        policy.explain(TARGET, origin="nobody", at=moment(SUNDAY))  # type: ignore[arg-type]


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ask(policy_of(OFFICE_HOURS), datetime.datetime(2026, 12, 6, 12))


def test_a_refusal_names_rule_window_opening_and_who_can_lift_it() -> None:
    policy = policy_of(
        "name: winter freeze, windows: {timezone: Europe/Berlin, allow: [Mon-Thu 09:00-16:00], "
        "deny: ['2026-12-18/2027-01-03']}, override: {from: [carol, dave], longest: 4h}"
    )
    refusal = ask(policy, "2026-12-21T10:00")
    assert refusal is not None
    assert refusal.reason == (
        "docker-prod is frozen by the rule 'winter freeze': 2026-12-18/2027-01-03 "
        "(opens Monday 2027-01-04 09:00, Europe/Berlin)."
    )
    assert refusal.until == moment("2027-01-04T09:00")
    assert refusal.lifted_by == (
        "carol or dave may override it for at most 4h; whoever may edit Airflow's Variables may change the policy "
        "artifactory_policy."
    )
    closed = ask(policy, "2026-12-06T10:00")
    assert closed is not None
    assert closed.reason == (
        "docker-prod is closed by the rule 'winter freeze': it is open Mon-Thu 09:00-16:00 "
        "(opens Monday 2026-12-07 09:00, Europe/Berlin)."
    )


def test_of_rules_that_contradict_each_other_the_strictest_wins() -> None:
    policy = policy_of(
        OFFICE_HOURS, NO_TUESDAY, "windows: {timezone: Europe/Berlin, allow: [Tue, Wed 12:00-13:00, Thu]}"
    )
    assert ask(policy, "2026-12-10T12:00") is None
    refusal = ask(policy, "2026-12-08T12:00")
    assert refusal is not None
    assert refusal.until == moment("2026-12-09T12:00")


def test_rules_that_never_let_anything_through_together_have_no_end() -> None:
    policy = policy_of(OFFICE_HOURS, "windows: {timezone: Europe/Berlin, allow: [Sat, Sun]}")
    for at in (SUNDAY, MONDAY_NOON):
        refusal = ask(policy, at)
        assert refusal is not None
        assert refusal.until is None


def test_no_rule_refuses_what_none_is_for() -> None:
    policy = policy_of(OFFICE_HOURS)
    other = ImageReference("docker-qa", "web", "1")
    assert policy.refuse(change_of(other), origin="schedule", at=moment(SUNDAY)) is None
    assert policy.required_checks(other) == ()
    assert policy.approvals(other) is None
    assert policy.overrides(other) is None
    assert policy.explain(other, origin="schedule", at=moment(SUNDAY)) == ()


def test_the_checks_of_all_rules_are_asked_for_each_once() -> None:
    policy = policy_of(
        "require: [{property: qa.test.status}, {soak: {stage: docker-qa, at_least: 24h}}, {xray: }]",
        "require: [{kind: property, name: qa.test.status}, {soak: 90m}, "
        "{all_of: [{property: a.b}, {kind: property, name: c.d, passed: [ok, good]}]}]",
    )
    assert policy.required_checks(TARGET) == (
        PropertyCheck(name="qa.test.status"),
        SoakCheck(stage="docker-qa", at_least=86400),
        XrayCheck(),
        SoakCheck(at_least=5400),
        AllOf((PropertyCheck(name="a.b"), PropertyCheck(name="c.d", passed=("ok", "good")))),
    )


def test_the_strictest_approvals_of_all_rules_are_asked_for() -> None:
    policy = policy_of(
        "approvals: {count: 2, from: [alice, bob, carol], not_the_trigger: false, valid_for: 24h}",
        "approvals: {from: [carol, bob], not_the_trigger: true, valid_for: 90m}",
        "approvals: {count: 1, not_the_trigger: false}",
    )
    assert policy.approvals(TARGET) == ApprovalRule(
        count=2, users=("bob", "carol"), not_the_trigger=True, valid_for=datetime.timedelta(minutes=90)
    )


def test_approvals_that_nobody_could_give_refuse_the_change_and_name_the_rules() -> None:
    policy = policy_of(
        "name: security, approvals: {from: [alice]}", "name: operations, approvals: {from: [bob], roles: [Op]}"
    )
    with pytest.raises(ContradictoryRules, match="'security', 'operations'"):
        policy.approvals(TARGET)
    refusal = ask(policy, MONDAY_NOON)
    assert refusal is not None
    assert "nobody may by all of these rules" in refusal.reason
    assert refusal.until is None
    assert any("nobody may" in line for line in policy.explain(TARGET, origin="person", at=moment(MONDAY_NOON)))


def test_roles_that_two_rules_share_can_approve_where_names_cannot() -> None:
    policy = policy_of("approvals: {from: [alice], roles: [Op, Admin]}", "approvals: {from: [bob], roles: [Admin]}")
    assert policy.approvals(TARGET) == ApprovalRule(roles=("Admin",))


def test_an_override_is_for_who_may_set_all_rules_aside_and_for_the_shortest_time() -> None:
    policy = policy_of(
        f"{OFFICE_HOURS}, override: {{from: [carol, dave]}}",
        f"{NO_TUESDAY}, override: {{from: [dave, eve], longest: 2h}}",
    )
    assert policy.overrides(TARGET) == OverrideRule(users=("dave",), longest=datetime.timedelta(hours=2))


def test_nobody_may_override_where_one_rule_allows_none_or_nobody_may_for_all() -> None:
    assert policy_of(f"{OFFICE_HOURS}, override: {{from: [carol]}}", NO_TUESDAY).overrides(TARGET) is None
    split = policy_of(f"{OFFICE_HOURS}, override: {{from: [carol]}}", f"{NO_TUESDAY}, override: {{from: [dave]}}")
    assert split.overrides(TARGET) is None


def test_at_a_moment_the_rules_that_refuse_then_say_who_may_override() -> None:
    policy = policy_of(f"{OFFICE_HOURS}, override: {{from: [carol]}}", NO_TUESDAY)
    assert policy.overrides(TARGET, at=moment(SUNDAY)) == OverrideRule(users=("carol",))
    assert policy.overrides(TARGET, at=moment("2026-12-08T20:00")) is None
    assert policy.overrides(TARGET, at=moment(MONDAY_NOON)) is None


def test_explain_tells_for_each_rule_what_it_says_now_and_next_and_what_it_asks_for() -> None:
    policy = policy_of(
        f"name: hours, {OFFICE_HOURS}, override: {{from: [carol]}}",
        "name: people, approvals: {count: 2, from: [alice, bob], roles: [Op], valid_for: 1h}, applies_to: [schedule]",
        f"name: tuesdays, {NO_TUESDAY}, require: [{{property: a.b}}], applies_to: [person, rollback]",
    )
    hours, people, tuesdays = policy.explain(TARGET, origin="schedule", at=moment(SUNDAY))
    assert hours == (
        "Rule 'hours' (line 3) refuses it: open Mon-Fri 09:00-17:00 (opens Monday 2026-12-07 09:00, Europe/Berlin; "
        "carol may override it)."
    )
    assert people == (
        "Rule 'people' (line 4) asks for 2 approvals by alice or bob or users with the role Op, not whoever started "
        "the run, good for 1h."
    )
    assert tuesdays == "Rule 'tuesdays' (line 5) does not apply to a scheduled run."
    assert policy.explain(TARGET, origin="rollback", at=moment(MONDAY_NOON))[2] == (
        "Rule 'tuesdays' (line 5) allows it until Tuesday 2026-12-08 00:00, Europe/Berlin; asks for the check a.b."
    )


def test_explain_warns_of_windows_that_are_all_over() -> None:
    policy = policy_of(
        "windows: {timezone: UTC, allow: ['2025-01-01']}", "windows: {timezone: UTC, deny: ['2025-01-01']}"
    )
    closed, open_for_ever = policy.explain(TARGET, origin="person", at=moment(SUNDAY))
    assert "refuses it" in closed
    assert "its windows may all be over" in closed
    assert "no end of that is in sight" in open_for_ever


def test_names_with_quotes_and_html_are_text() -> None:
    policy = policy_of(f'name: "<b>\'it\\"s\'</b>", {OFFICE_HOURS}')
    refusal = ask(policy, SUNDAY)
    assert refusal is not None
    assert "<b>" in refusal.reason
    assert refusal.reason.isprintable()


def test_a_reason_is_bounded_however_much_the_rules_say() -> None:
    dates = ", ".join(f"'20{year}-01-01'" for year in range(30, 99))
    users = ", ".join(f"user-{number}" * 20 for number in range(50))
    windows = f"windows: {{timezone: UTC, allow: [{dates}]}}"
    rule = f"name: {'n' * 200}, {windows}, override: {{from: [{users}]}}"
    refusal = ask(policy_of(*[rule] * 20), SUNDAY)
    assert refusal is not None
    assert len(str(refusal)) < 2000
