"""The emergency stop can be given whatever its author is called, and one that makes no sense stops nothing."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.context import set_current_context

from artifactory_provider.operators import ArtifactoryResumeOperator, ArtifactoryStopOperator
from artifactory_provider.policy import InvalidPolicy, read_stop
from artifactory_provider.promotion.errors import NothingToLift
from artifactory_provider.tasks import variables


class Variables:
    """Airflow's Variables, as tasks see them."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> str | None:
        return self.texts.get(key)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.texts if key.startswith(prefix)]

    def set(self, key: str, value: str, description: str) -> None:
        self.texts[key] = value


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Variables:
    made = Variables()
    monkeypatch.setattr(variables, "Variable", made)
    monkeypatch.setattr("artifactory_provider.tasks.variables._SETTLED_AFTER", 0.0)
    monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", json.dumps({"conn_type": "artifactory", "host": "a"}))
    return made


def run(task: Any, user: str = "alice") -> Any:
    run = SimpleNamespace(run_type="manual", triggering_user_name=user, dag_id="stop_the_line")
    with set_current_context({"dag_run": run}):
        return task.execute({})


@pytest.mark.parametrize("user", ["alice", "ali\nce\x1b[31m", "a" * 5000, "ali\u202ece"])
def test_whoever_may_stops_the_line_and_lets_it_go_on(airflow: Variables, user: str) -> None:
    run(ArtifactoryStopOperator(task_id="stop", reason="it burns"), user)
    [order] = read_stop(airflow.texts["artifactory_stop"]).orders
    assert order.by.startswith(("ali", "aaa"))
    run(ArtifactoryResumeOperator(task_id="resume", reason="mended"), user)
    assert read_stop(airflow.texts["artifactory_stop"]).orders == ()


@pytest.mark.parametrize("wrong", [{"images": ["Payments/*"]}, {"repositories": ["docker/prod"]}])
def test_a_stop_of_what_no_name_can_match_is_refused_and_stops_nothing(
    airflow: Variables, wrong: dict[str, list[str]]
) -> None:
    task = ArtifactoryStopOperator(task_id="stop", reason="it burns", **wrong)
    with pytest.raises(InvalidPolicy, match=r"The order to stop has .* and cannot be used"):
        run(task)
    assert airflow.texts == {}


def test_one_order_of_several_is_lifted_by_its_moment_and_all_others_stand(airflow: Variables) -> None:
    for reason, images in (("flaky tests", ["payments/*"]), ("breach", ["*"])):
        run(ArtifactoryStopOperator(task_id="stop", reason=reason, images=images))
    first, second = read_stop(airflow.texts["artifactory_stop"]).orders
    given = {"repositories": ["*"], "since": first.since.isoformat().replace("+00:00", "Z")}
    run(ArtifactoryResumeOperator(task_id="resume", reason="mended", images=["payments/*"], **given))
    assert read_stop(airflow.texts["artifactory_stop"]).orders == (second,)
    with pytest.raises(NothingToLift, match="breach"):
        run(ArtifactoryResumeOperator(task_id="resume", reason="mended", images=["other/*"], **given))
    assert read_stop(airflow.texts["artifactory_stop"]).orders == (second,)
