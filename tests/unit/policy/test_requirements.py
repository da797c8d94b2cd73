from __future__ import annotations

import datetime
from typing import Any

import pytest

from artifactory_provider.policy import ApprovalRule, OverrideRule

HOUR = datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"count": 0}, "from 1 to 100"),
        ({"count": 101}, "from 1 to 100"),
        ({"count": True}, "count is True"),
        ({"count": "2"}, "count is '2'"),
        ({"count": 2, "users": ("alice",)}, "name as many users"),
        ({"count": 2, "users": ("alice", "alice")}, "name as many users"),
        ({"users": "alice"}, "from is 'alice': give a list"),
        ({"users": ("alice", 7)}, "from holds 7"),
        ({"roles": ("",)}, "roles holds ''"),
        ({"users": ("al\nice",)}, "from holds"),
        ({"not_the_trigger": "no"}, "give true or false"),
        ({"valid_for": datetime.timedelta()}, "more than nothing"),
        ({"valid_for": datetime.timedelta(days=367)}, "at most 366 days"),
        ({"valid_for": 3600}, "valid_for is 3600"),
    ],
)
def test_approvals_that_nobody_could_give_or_check_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ApprovalRule(**fields)


def test_roles_may_make_up_for_too_few_names() -> None:
    assert ApprovalRule(count=2, users=("alice",), roles=("Op",)).count == 2


def test_a_name_counts_once() -> None:
    assert ApprovalRule(users=["alice", "bob", "alice"]).users == ("alice", "bob")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"users": "carol"}, "give a list"),
        ({"longest": datetime.timedelta()}, "more than nothing"),
        ({"longest": -HOUR}, "more than nothing"),
        ({"longest": datetime.timedelta(days=32)}, "at most 31 days"),
    ],
)
def test_an_override_without_end_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OverrideRule(**fields)
