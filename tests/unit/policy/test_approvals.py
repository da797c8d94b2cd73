"""What an approval is bound to, whose answers count, and what is never taken for one."""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy.approvals import (
    Approval,
    check_approval,
    describe_rule,
    explain_unanswerable,
    fingerprint,
    read_rule,
    rule_as_dict,
)
from artifactory_provider.policy.requirements import ApprovalRule
from artifactory_provider.policy.responses import InvalidResponse, Response
from artifactory_provider.policy.seals import derive_key
from artifactory_provider.promotion.rules import Change, Refusal

KEY = derive_key("a secret that tasks know")
NOW = datetime.datetime(2026, 11, 2, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def change(image: str = "api", *, digest: str = "a", target: str = "docker-prod") -> Change:
    source = ImageReference("docker-staging", image, "1.4.2", f"sha256:{digest * 64}")
    return Change(source, ImageReference(target, image, "1.4.2"))


def answer(by: str, *, ago: datetime.timedelta = datetime.timedelta(hours=1), comment: str = "") -> Response:
    return Response(by=by, at=NOW - ago, comment=comment)


CODE = fingerprint([change()])
RULE = ApprovalRule(count=2, users=("alice", "bob", "carol"))
APPROVAL = Approval(
    of=(CODE,),
    subject="Promote one to docker-prod?",
    rule=RULE,
    answers=(answer("alice"), answer("bob", comment="tested by hand")),
    run="ladder/manual__1/approve",
    triggered_by="dave",
)


def check(approval: object, *, rule: ApprovalRule = RULE, **changed: Any) -> Refusal | None:
    given: dict[str, Any] = {"changes_fingerprint": CODE, "triggered_by": "dave", "at": NOW, "key": KEY, **changed}
    return check_approval(rule, approval, **given)


def refusal(approval: object, **changed: Any) -> Refusal:
    """Return the refusal, which has to be one that a person can read and act on."""
    found = check(approval, **changed)
    assert found is not None
    assert found.reason.isprintable()
    assert len(str(found)) < 2000
    assert found.lifted_by
    return found


def test_enough_distinct_people_who_may_are_an_approval() -> None:
    assert check(APPROVAL.as_dict(KEY)) is None


def test_an_approval_survives_the_database() -> None:
    document = json.loads(json.dumps(APPROVAL.as_dict(KEY)))
    assert Approval.from_dict(document, KEY) == APPROVAL
    assert check(document) is None


def test_the_order_of_changes_and_their_doubles_do_not_matter_to_a_fingerprint() -> None:
    one, other = change("api"), change("web")
    assert fingerprint([one, other]) == fingerprint([other, one, other])


@pytest.mark.parametrize(
    "others",
    [
        [change(digest="b")],
        [change(target="docker-dr")],
        [change("web")],
        [change(), change("web")],
    ],
)
def test_any_other_digest_target_or_number_of_changes_has_another_fingerprint(others: list[Change]) -> None:
    assert fingerprint(others) != CODE
    assert (
        "not what is to be promoted now"
        in refusal(APPROVAL.as_dict(KEY), changes_fingerprint=fingerprint(others)).reason
    )


def test_what_a_tag_will_show_cannot_be_approved() -> None:
    unpinned = Change(ImageReference("docker-staging", "api", "1.4.2"), change().target)
    with pytest.raises(InvalidResponse, match="has no digest"):
        fingerprint([change(), unpinned])
    with pytest.raises(InvalidResponse, match="nothing to approve"):
        fingerprint([])


@pytest.mark.parametrize("same", ["alice", "Alice", "ALICE "])
def test_one_person_counts_once_however_the_name_is_written(same: str) -> None:
    anybody = ApprovalRule(count=2)
    twice = replace(APPROVAL, answers=(answer("alice"), answer(same, ago=DAY)))
    assert "1 of 2 approvals" in refusal(twice.as_dict(KEY), rule=anybody).reason


@pytest.mark.parametrize(("now", "then"), [("bob", "dave"), ("dave", "bob"), ("BOB", "dave")])
def test_who_started_the_run_that_asked_or_the_one_that_promotes_does_not_count(now: str, then: str) -> None:
    found = refusal(replace(APPROVAL, triggered_by=then).as_dict(KEY), triggered_by=now)
    assert "approved by alice" in found.reason
    assert "bob, who has started the run" in found.reason


def test_who_started_the_run_counts_where_the_rule_says_so() -> None:
    assert check(APPROVAL.as_dict(KEY), rule=replace(RULE, not_the_trigger=False), triggered_by="bob") is None


@pytest.mark.parametrize("origin", ["person", "backfill", "rollback", "anything"])
def test_a_run_that_nobody_knows_the_starter_of_is_refused(origin: str) -> None:
    found = refusal(APPROVAL.as_dict(KEY), triggered_by=None, origin=origin)
    assert "Nobody knows who has started this run" in found.reason
    assert (
        check(APPROVAL.as_dict(KEY), rule=replace(RULE, not_the_trigger=False), triggered_by=None, origin=origin)
        is None
    )


@pytest.mark.parametrize("origin", ["schedule", "event"])
def test_nobody_starts_a_scheduled_run_so_that_nobody_is_left_out(origin: str) -> None:
    assert check(APPROVAL.as_dict(KEY), triggered_by=None, origin=origin) is None


def test_somebody_who_may_not_does_not_count() -> None:
    found = refusal(APPROVAL.as_dict(KEY), rule=replace(RULE, users=("alice", "carol")))
    assert "bob, who is not among those who may" in found.reason
    assert found.lifted_by == "2 of alice, carol have to approve, other than who started the run."


def test_the_rule_of_now_counts_and_not_the_one_that_was_asked() -> None:
    assert "2 of 3 approvals" in refusal(APPROVAL.as_dict(KEY), rule=replace(RULE, count=3)).reason


def test_an_approval_ends_when_it_says_so() -> None:
    ends = replace(APPROVAL, expires=NOW + DAY).as_dict(KEY)
    assert check(ends) is None
    assert "has expired at 2026-11-03 12:00 UTC" in refusal(ends, at=NOW + DAY).reason


def test_an_answer_ends_when_the_rule_of_now_says_so() -> None:
    rule = replace(RULE, valid_for=2 * DAY)
    document = replace(APPROVAL, answers=(answer("alice", ago=3 * DAY), answer("bob"))).as_dict(KEY)
    assert "alice, whose answer has expired after 2 days" in refusal(document, rule=rule).reason
    assert check(document) is None


def test_an_answer_from_the_future_does_not_count() -> None:
    document = replace(APPROVAL, answers=(answer("alice"), answer("bob", ago=-DAY))).as_dict(KEY)
    assert "whose answer comes from the future" in refusal(document).reason


def test_roles_which_airflow_does_not_tell_are_refused_whatever_was_answered() -> None:
    found = refusal(APPROVAL.as_dict(KEY), rule=ApprovalRule(count=1, roles=("release",)))
    assert "Airflow does not tell tasks who has which role" in found.reason


def test_beside_roles_those_count_who_are_named_where_they_are_enough() -> None:
    rule = ApprovalRule(count=1, users=("alice",), roles=("release",))
    assert check(APPROVAL.as_dict(KEY), rule=rule) is None
    only_bob = replace(APPROVAL, answers=(answer("bob"),))
    assert "bob, who is not among those who may" in refusal(only_bob.as_dict(KEY), rule=rule).reason
    assert "does not tell tasks" in refusal(APPROVAL.as_dict(KEY), rule=rule, triggered_by="alice").reason


def test_a_quorum_that_the_starter_makes_impossible_is_known_before_anybody_is_asked() -> None:
    rule = ApprovalRule(count=2, users=("alice", "bob"))
    assert "too few are left" in str(explain_unanswerable(rule, triggered_by="Bob", origin="person"))
    assert explain_unanswerable(rule, triggered_by="carol", origin="person") is None


@pytest.mark.parametrize("nothing", [None, ""])
def test_where_nobody_was_asked_nothing_is_approved(nothing: object) -> None:
    assert refusal(nothing).reason == "Nobody was asked to approve this."


NESTED: list[Any] = []
for _ in range(5000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "forged",
    [
        True,
        1,
        "approved",
        [],
        {},
        NESTED,
        {"approved": True},
        {**APPROVAL.as_dict(KEY), "seal": "0" * 64},
        {**APPROVAL.as_dict(KEY), "seal": "é" * 64},
        {**APPROVAL.as_dict(KEY), "seal": None},
        {**APPROVAL.as_dict(KEY), "approval": 2},
        {**APPROVAL.as_dict(KEY), "of": [CODE] * 100_000},
        {**APPROVAL.as_dict(KEY), "of": [NESTED]},
        {**APPROVAL.as_dict(KEY), "subject": "x" * 1_000_000},
        {**APPROVAL.as_dict(KEY), "triggered_by": None},
        {**APPROVAL.as_dict(KEY), "triggered_by": "line\nbreak"},
        {**APPROVAL.as_dict(KEY), "expires": "next week"},
        {**APPROVAL.as_dict(KEY), "expires": "2026-11-02T12:00:00"},
        {**APPROVAL.as_dict(KEY), "rule": {"count": 0}},
        {**APPROVAL.as_dict(KEY), "answers": [{"by": "alice", "at": "0001-01-01T00:00:00+23:59", "comment": ""}]},
        {**APPROVAL.as_dict(KEY), "answers": [answer("alice").as_dict(), answer("carol").as_dict()]},
        APPROVAL.as_dict(derive_key("another secret")),
    ],
)
def test_what_is_malformed_changed_huge_or_sealed_by_others_is_no_approval(forged: object) -> None:
    assert refusal(forged).reason


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(list(APPROVAL.as_dict(KEY))) | st.text(), inner)
        ),
    )
)
@settings(deadline=None)
def test_no_json_at_all_is_taken_for_an_approval_or_ends_in_an_error(value: object) -> None:
    assert refusal(value if not isinstance(value, dict) else {**APPROVAL.as_dict(KEY), "seal": "", **value}).reason


def test_every_single_change_to_an_approval_voids_it() -> None:
    document = APPROVAL.as_dict(KEY)
    changed = {
        "of": [fingerprint([change(digest="b")]), CODE],
        "subject": "Promote one to docker-qa?",
        "rule": {**rule_as_dict(RULE), "count": 1},
        "run": "ladder/manual__2/approve",
        "triggered_by": "erin",
        "expires": (NOW + DAY).isoformat(),
    }
    for name, value in changed.items():
        assert "The seal is not the one" in refusal({**document, name: value}).reason, name


def test_a_key_of_nothing_does_not_exist() -> None:
    with pytest.raises(ValueError, match="seal nothing"):
        derive_key("")


def test_the_record_has_who_approved_when_and_why_in_one_line_that_fits_into_a_url() -> None:
    assert APPROVAL.as_line() == (
        "2 of 2 in ladder/manual__1/approve; alice at 2026-11-02 11:00 UTC; "
        "bob at 2026-11-02 11:00 UTC “tested by hand”"
    )
    long = replace(APPROVAL, answers=tuple(answer(f"user-{number}", comment="ü" * 400) for number in range(50)))
    line = long.as_line()
    assert len(quote(line, safe="")) <= 1000
    assert line.endswith("…")


def test_what_people_write_stays_one_printable_line() -> None:
    said = answer("alice", comment="first\nsecond\x1b[31m <b>bold</b>" + "x" * 1000).comment
    assert said.isprintable()
    assert len(said) <= 500
    assert "\\x1b" in said


def test_a_rule_survives_the_way_through_json() -> None:
    for rule in (ApprovalRule(), replace(RULE, valid_for=DAY, not_the_trigger=False), ApprovalRule(roles=("a",))):
        assert read_rule(json.loads(json.dumps(rule_as_dict(rule)))) == rule
    assert read_rule({"count": 2}) == ApprovalRule(count=2)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        2,
        "2 people",
        {"count": "2"},
        {"count": True},
        {"users": "alice"},
        {"users": None},
        {"users": ""},
        {"from": ["alice"]},
        {1: 2},
        {"valid_for": "1d"},
        {"valid_for": 0},
        {"valid_for": float("nan")},
        {"count": 2, "users": ["alice"]},
    ],
)
def test_a_rule_that_is_none_is_refused_and_never_taken_for_a_milder_one(wrong: object) -> None:
    with pytest.raises(InvalidResponse, match=re.compile("rule|list|number of seconds")):
        read_rule(wrong)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ApprovalRule(), "1 person has to approve, other than who started the run"),
        (ApprovalRule(count=2, not_the_trigger=False), "2 people have to approve"),
        (RULE, "2 of alice, bob, carol have to approve, other than who started the run"),
    ],
)
def test_a_rule_is_said_in_words(rule: ApprovalRule, words: str) -> None:
    assert describe_rule(rule) == words
