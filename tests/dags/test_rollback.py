from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def dag(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["rollback"]


def test_a_plan_comes_first_then_people_then_the_rollback_then_the_report(dag: DAG) -> None:
    assert dag.get_task("override").downstream_task_ids == {"approve", "roll_back"}
    assert dag.get_task("approve").downstream_task_ids == {"roll_back"}
    assert dag.get_task("roll_back").downstream_task_ids == {"ended"}
    assert dag.get_task("report").upstream_task_ids == {"plan", "ended"}
    assert dag.get_task("plan").upstream_task_ids == set()


def test_the_report_follows_however_it_ended_and_does_not_fail_once_more_without_a_plan(dag: DAG) -> None:
    assert (dag.get_task("ended").trigger_rule, dag.get_task("report").trigger_rule) == ("all_done", "all_success")


def test_a_task_whose_worker_dies_is_tried_again(dag: DAG) -> None:
    assert {task.task_id: task.retries for task in dag.tasks} == {task.task_id: 3 for task in dag.tasks}


def test_nothing_starts_it_but_a_person_who_is_asked_first_unless_the_form_says_otherwise(dag: DAG) -> None:
    assert dag.schedule is None
    assert dag.params["approval"] is True
    assert dag.params["version"] is None


def test_every_field_has_a_title(dag: DAG) -> None:
    assert all(dag.params.get_param(name).schema["title"] for name in dag.params)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repository", ""),
        ("repository", "docker prod"),
        ("repository", "https://example.com/docker-prod"),
        ("image", ""),
        ("image", "Payments/API"),
        ("image", "payments/api:1"),
        ("image", "payments/*"),
        ("image", "a" * 256),
        ("tag", ""),
        ("tag", "1.4@sha256"),
        ("tag", 1.10),
        ("tag", None),
        ("version", "latest"),
        ("version", "sha256:abc"),
        ("version", DIGEST.upper()),
        ("version", DIGEST.removeprefix("sha256:")),
        ("version", "1.4-previous-xyz"),
        ("reason", ""),
        ("reason", " \t"),
        ("reason", "a" * 501),
        ("approval", "no"),
        ("replaces", "none"),
        ("replaces", DIGEST[:-1]),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(dag: DAG, field: str, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params[field] = value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repository", " docker-prod "),
        ("image", " payments/api "),
        ("tag", " 1.4 "),
        ("version", None),
        ("version", ""),
        ("version", f" {DIGEST} "),
        ("version", "1.4-previous-34378e272cd1"),
        ("reason", "it loses orders, <b>all</b> of them – ünïcode"),
        ("approval", False),
        ("replaces", ""),
        ("replaces", f" {DIGEST} "),
    ],
)
def test_a_form_that_makes_sense_is_taken(dag: DAG, field: str, value: Any) -> None:
    dag.params[field] = value
    assert dag.params[field] == value
