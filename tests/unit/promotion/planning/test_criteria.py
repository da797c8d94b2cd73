from __future__ import annotations

import datetime
from typing import Any

import pytest

from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns

NEW_YEAR = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LATER = NEW_YEAR + datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("repositories", (), "such as 'docker-dev'"),
        ("repositories", "docker-dev", "is a list"),
        ("repositories", ("docker/dev",), "'docker/dev' is not a repository key"),
        ("repositories", (None,), "None is not a repository key"),
        ("versions", "^1", "A right one is"),
        ("created_from", datetime.datetime(2026, 1, 1), "created_from needs a time zone"),
        ("properties", [("a", "b")], "such as test.status: passed"),
        ("properties", {"a": 1}, "both are texts"),
        ("properties", {"a": ""}, "both are texts"),
        ("properties", {"a b": "c"}, "A right one is 'test.status'"),
        ("properties", {"": "c"}, "A right one is 'test.status'"),
    ],
)
def test_a_criterion_that_makes_no_sense_is_refused_with_a_right_one(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidPlan, match=message):
        TagCriteria(**{"repositories": ("docker-dev",), field: value})


@pytest.mark.parametrize("kind", ["created", "updated"])
def test_a_window_that_ends_before_it_begins_is_refused(kind: str) -> None:
    window: dict[str, Any] = {f"{kind}_from": LATER, f"{kind}_before": NEW_YEAR}
    with pytest.raises(InvalidPlan, match=f"Nothing is {kind} both from 2026-01-02.* on and before 2026-01-01"):
        TagCriteria(("docker-dev",), **window)


def test_a_window_holds_its_beginning_and_not_its_end() -> None:
    criteria = TagCriteria(("docker-dev",), created_from=NEW_YEAR, created_before=LATER)
    assert criteria.selects_times(NEW_YEAR, None)
    assert not criteria.selects_times(LATER, None)
    assert not criteria.selects_times(None, NEW_YEAR)


def test_names_are_meant_by_image_tag_and_version_together() -> None:
    criteria = TagCriteria(("docker-dev",), Patterns(("team/*",)), Patterns(("*",), ("1.5*",)), ">=1.4.0")
    pairs = [("team/a", "1.4.0"), ("team/a", "1.5.0"), ("team/a", "1.3.0"), ("other", "1.4.0"), ("team/a", "latest")]
    assert [pair for pair in pairs if criteria.selects_name(*pair)] == [("team/a", "1.4.0")]


def test_a_repository_that_is_named_twice_is_looked_at_once() -> None:
    assert TagCriteria(("docker-dev", "docker-dev")).repositories == ("docker-dev",)


@pytest.mark.parametrize(
    "narrower",
    [{"versions": ">=1.0.0"}, {"created_from": NEW_YEAR}, {"properties": {"a": "b"}}, {"tags": Patterns(("1*",))}],
)
def test_only_criteria_that_leave_nothing_out_mean_everything(narrower: dict[str, Any]) -> None:
    assert TagCriteria(("docker-dev",)).is_everything
    assert not TagCriteria(("docker-dev",), **narrower).is_everything
