"""Variables as the command line reads them: from Airflow's database, and never "there is none" of one that is down."""

from __future__ import annotations

import pytest
import sqlalchemy.exc

from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.tasks.stops import give_order, lift_orders, make_order
from artifactory_provider.tasks.variables import read_variable, write_variable


@pytest.mark.usefixtures("stored_variables")
def test_a_variable_is_set_and_read_where_no_task_runs() -> None:
    assert read_variable("artifactory_of_a_test") is None
    write_variable("artifactory_of_a_test", "100 % ünï", description="for a test")
    assert read_variable("artifactory_of_a_test") == "100 % ünï"


@pytest.mark.usefixtures("stored_variables")
def test_an_order_to_stop_is_given_and_lifted_where_no_task_runs() -> None:
    order = make_order(reason="it burns", by="alice", repositories=["docker-prod"])
    assert give_order("artifactory_of_a_test_stops", order).orders == (order,)
    assert lift_orders("artifactory_of_a_test_stops", lambda _: True) == (order,)


@pytest.mark.usefixtures("stored_variables")
def test_a_database_that_does_not_answer_is_no_airflow_without_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow import settings

    def refuse() -> None:
        raise sqlalchemy.exc.OperationalError("select", {}, Exception("server closed the connection"))

    with monkeypatch.context() as broken:
        broken.setattr(settings, "Session", refuse)
        with pytest.raises(RulesUnreadable, match=r"found out now \(OperationalError\), so nothing is promoted"):
            read_variable("artifactory_of_a_test")
