"""Variables of an Airflow that has them, has none, or does not answer; and the orders to stop that are kept in one."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from tests.unit.tasks.test_rules import NOW, order

from artifactory_provider.policy import InvalidPolicy, Stop, TargetPatterns, read_stop
from artifactory_provider.promotion.errors import NothingToLift, RulesUnreadable
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks import variables
from artifactory_provider.tasks.stops import give_order, lift_orders
from artifactory_provider.tasks.variables import read_variable


class Airflow:
    """Airflow's own face to Variables, as tasks see it."""

    def __init__(self, **texts: str) -> None:
        self.texts, self.listed, self.broken = texts, set(texts), False
        self.writes: list[str] = []
        self.after_write: list[str] = []
        self.failure: Exception | None = None

    def get(self, key: str, default: Any = None) -> str | None:
        if self.failure is not None:
            raise self.failure
        return None if self.broken else self.texts.get(key)

    def keys(self, prefix: str) -> list[str]:
        if self.broken:
            raise RuntimeError("API_SERVER_ERROR")
        return sorted(key for key in {*self.texts, *self.listed} if key.startswith(prefix))

    def set(self, key: str, value: str, description: str) -> None:
        self.writes.append(value)
        self.texts[key] = self.after_write.pop(0) if self.after_write else value


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    made = Airflow()
    monkeypatch.setattr(variables, "Variable", made)
    monkeypatch.setattr("artifactory_provider.tasks.variables._SETTLED_AFTER", 0.0)
    return made


def test_no_variable_is_none_only_where_airflow_says_so(airflow: Airflow) -> None:
    assert read_variable("artifactory_stop") is None
    airflow.texts["artifactory_stop"] = ""
    assert read_variable("artifactory_stop") == ""


def test_an_airflow_that_does_not_answer_is_no_airflow_without_rules(airflow: Airflow) -> None:
    airflow.texts["artifactory_stop"] = "{}"
    airflow.broken = True
    with pytest.raises(RulesUnreadable, match="cannot be found out now"):
        read_variable("artifactory_stop")


def test_a_secrets_backend_that_cannot_be_loaded_is_no_airflow_without_rules(airflow: Airflow) -> None:
    airflow.failure = ImportError("no module named vault")
    with pytest.raises(RulesUnreadable, match="cannot be found out now"):
        read_variable("artifactory_stop")


def test_a_variable_that_is_listed_and_not_told_is_not_none(airflow: Airflow) -> None:
    airflow.listed.add("artifactory_stop")
    with pytest.raises(RulesUnreadable, match="is there and cannot be read now"):
        read_variable("artifactory_stop")


def test_orders_are_added_to_those_that_stand_and_lifted_again(airflow: Airflow) -> None:
    first, second = order(), order(reason="so does this", by="bob")
    give_order("artifactory_stop", first)
    standing = give_order("artifactory_stop", second)
    assert standing.orders == (first, second)
    assert lift_orders("artifactory_stop", lambda one: one.by == "alice") == (first,)
    assert read_stop(airflow.texts["artifactory_stop"]).orders == (second,)
    with pytest.raises(NothingToLift, match="so does this"):
        lift_orders("artifactory_stop", lambda one: one.by == "carol")


def test_an_order_that_somebody_has_written_over_is_given_again(airflow: Airflow) -> None:
    theirs = order(by="bob")
    airflow.after_write = [json.dumps({"version": 1, "stops": [theirs.to_dict()]})]
    standing = give_order("artifactory_stop", order())
    assert {one.by for one in standing.orders} == {"alice", "bob"}


def test_an_order_that_never_stays_is_told(airflow: Airflow) -> None:
    airflow.after_write = [json.dumps({"version": 1, "stops": []})] * 5
    with pytest.raises(RulesUnreadable, match="run this again at once"):
        give_order("artifactory_stop", order())


def test_an_order_that_nobody_could_read_is_not_given(airflow: Airflow) -> None:
    give_order("artifactory_stop", order())
    [before] = airflow.writes
    for patterns in ({"images": Patterns(("Payments/*",))}, {"repositories": Patterns(("-docker-prod",))}):
        with pytest.raises(InvalidPolicy):
            give_order("artifactory_stop", order(targets=TargetPatterns(**patterns)))
    assert airflow.texts["artifactory_stop"] == before


def test_orders_that_are_over_go_with_the_next_one(airflow: Airflow) -> None:
    for hour in range(1, 4):
        since = NOW + datetime.timedelta(hours=hour)
        standing = give_order("artifactory_stop", order(since=since, until=since + datetime.timedelta(minutes=5)))
        assert [one.since for one in standing.orders] == [since]


def test_what_somebody_has_written_there_by_hand_is_left_as_it_is(airflow: Airflow) -> None:
    airflow.texts["artifactory_stop"] = "stop everything!"
    with pytest.raises(InvalidPolicy):
        give_order("artifactory_stop", order())
    assert airflow.writes == []


def test_the_same_order_given_again_a_while_later_stands_once(airflow: Airflow) -> None:
    give_order("artifactory_stop", order())
    again = give_order("artifactory_stop", order(since=order().since + datetime.timedelta(seconds=7)))
    assert again.orders == (order(),)
    assert len(airflow.writes) == 1
    assert len(give_order("artifactory_stop", order(reason="another")).orders) == 2


def test_an_order_that_is_given_while_all_are_lifted_stays(airflow: Airflow) -> None:
    first, later = order(reason="an old incident"), order(reason="a new fire")
    give_order("artifactory_stop", first)
    both = Stop((first, later)).to_text()
    airflow.after_write = [both]
    assert lift_orders("artifactory_stop", lambda _: True) == (first,)
    assert read_stop(airflow.texts["artifactory_stop"]).orders == (later,)
