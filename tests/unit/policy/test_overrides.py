"""Who may set a refusal aside, for what, and until when."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

import pytest

from artifactory_provider.policy.overrides import (
    Override,
    check_override,
    override_rule_as_dict,
    read_override_rule,
)
from artifactory_provider.policy.requirements import OverrideRule
from artifactory_provider.policy.responses import InvalidResponse
from artifactory_provider.policy.seals import derive_key

KEY = derive_key("a secret that tasks know")
NOW = datetime.datetime(2026, 11, 2, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
CODE, OTHER = "a" * 64, "b" * 64
RULE = OverrideRule(users=("alice",), longest=24 * HOUR)
OVERRIDE = Override(
    of=(CODE,),
    subject="Promote one to docker-prod?",
    by="alice",
    at=NOW - HOUR,
    reason="CVE-2026-1: cannot wait",
    until=NOW + 3 * HOUR,
    run="ladder/manual__1/override",
)


def why_not(
    override: object, *, rule: OverrideRule | None = RULE, code: str = CODE, at: datetime.datetime = NOW
) -> Any:
    found = check_override(rule, override, changes_fingerprint=code, at=at, key=KEY)
    return None if found is None else found.reason


def test_a_named_answer_with_reason_and_end_sets_a_refusal_aside() -> None:
    assert why_not(json.loads(json.dumps(OVERRIDE.as_dict(KEY)))) is None


def test_where_the_rule_allows_none_there_is_none() -> None:
    assert why_not(OVERRIDE.as_dict(KEY), rule=None) == "The rule that refuses this allows no override."


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"of": (OTHER,)}, "something else"),
        ({"by": "bob"}, "not among those who may"),
        ({"reason": " "}, "no reason"),
        ({"until": NOW - HOUR + 25 * HOUR}, "too far ahead"),
        ({"at": NOW + HOUR, "until": NOW + 2 * HOUR}, "too far ahead"),
        ({"until": NOW}, "has ended at 2026-11-02 12:00 UTC"),
    ],
)
def test_an_override_of_others_by_others_without_reason_or_over_is_none(changed: dict[str, Any], reason: str) -> None:
    assert reason in why_not(replace(OVERRIDE, **changed).as_dict(KEY))


@pytest.mark.parametrize(
    "forged",
    [
        None,
        "",
        True,
        "alice",
        [],
        {"override": 1},
        {**OVERRIDE.as_dict(KEY), "by": "carol"},
        {**OVERRIDE.as_dict(KEY), "until": (NOW + 4 * HOUR).isoformat()},
        {**OVERRIDE.as_dict(KEY), "reason": "x" * 100_000},
        {**OVERRIDE.as_dict(KEY), "seal": 7},
        OVERRIDE.as_dict(derive_key("another secret")),
    ],
)
def test_what_is_malformed_changed_huge_or_sealed_by_others_is_no_override(forged: object) -> None:
    found = check_override(RULE, forged, changes_fingerprint=CODE, at=NOW, key=KEY)
    assert found is not None
    assert found.reason.isprintable()
    assert found.lifted_by == "alice may override this with a reason, for at most 1 day."


def test_the_record_has_who_overrode_until_when_and_why_in_a_line() -> None:
    assert OVERRIDE.as_line() == (
        "alice at 2026-11-02 11:00 UTC until 2026-11-02 15:00 UTC: CVE-2026-1: cannot wait (in "
        "ladder/manual__1/override)"
    )


def test_a_rule_survives_the_way_through_json() -> None:
    assert read_override_rule(json.loads(json.dumps(override_rule_as_dict(RULE)))) == RULE
    assert read_override_rule({}) == OverrideRule()


@pytest.mark.parametrize("wrong", [None, [], {"count": 1}, {"users": "alice"}, {"longest": "1d"}, {"longest": -1}])
def test_a_rule_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidResponse):
        read_override_rule(wrong)
