from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from artifactory_provider.tasks.forms import read_criteria

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG


@pytest.fixture
def dag(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["retag_backfill"]


def test_a_plan_is_approved_then_promoted_then_reported(dag: DAG) -> None:
    assert dag.get_task("plan").downstream_task_ids == {"find_rule", "approve", "promote", "report"}
    assert dag.get_task("find_rule").downstream_task_ids == {"approve"}
    assert dag.get_task("approve").downstream_task_ids == {"promote"}
    assert dag.get_task("promote").downstream_task_ids == {"chunks_ended"}
    assert dag.get_task("chunks_ended").downstream_task_ids == {"report"}


def test_the_report_follows_however_chunks_ended_and_does_not_fail_once_more_without_a_plan(dag: DAG) -> None:
    assert dag.get_task("report").upstream_task_ids == {"plan", "chunks_ended"}
    assert dag.get_task("report").trigger_rule == "all_success"
    assert dag.get_task("chunks_ended").trigger_rule == "all_done"


def test_a_task_whose_worker_dies_is_tried_again_the_report_too(dag: DAG) -> None:
    tasks = ("plan", "find_rule", "approve", "promote", "report")
    assert {task_id: dag.get_task(task_id).retries for task_id in tasks} == dict.fromkeys(tasks, 3)


def test_nothing_starts_it_but_a_person(dag: DAG) -> None:
    assert dag.schedule is None


def test_its_form_starts_with_a_dry_run_that_wakes_no_other_dag(dag: DAG) -> None:
    assert dag.params["dry_run"] is True
    assert dag.params["emit_assets"] is False
    assert dag.params["on_conflict"] == "fail"


def test_its_chunks_run_in_a_pool_of_their_own(dag: DAG) -> None:
    assert dag.get_task("promote").partial_kwargs["pool"] == "artifactory_backfill"
    assert {dag.get_task(task).pool for task in ("plan", "find_rule", "approve", "report")} == {"default_pool"}


def test_every_field_has_a_title_and_what_every_run_needs_is_open_at_the_start(dag: DAG) -> None:
    schemas = {name: dag.params.get_param(name).schema for name in dag.params}
    assert all(schema["title"] for schema in schemas.values())
    assert [name for name, schema in schemas.items() if "section" not in schema] == [
        "repositories",
        "images",
        "tags",
        "target_repository",
        "target_tags",
        "dry_run",
    ]


def test_what_the_form_starts_with_is_a_selection(dag: DAG) -> None:
    context = {"params": dag.params, "dag": dag, "dag_run": SimpleNamespace(conf={})}
    selection = dag.get_task("plan").selection(context=context, jinja_env=None)
    assert read_criteria(selection).is_everything


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repositories", []),
        ("repositories", ["docker dev"]),
        ("repositories", "docker-dev"),
        ("images", []),
        ("images", [""]),
        ("images", [" ", "\t"]),
        ("images", None),
        ("repositories", [""]),
        ("target_tags", [""]),
        ("target_repository", " "),
        ("tags", [1.10]),
        ("tags", ["a" * 401]),
        ("versions", 1.4),
        ("properties", ["passed"]),
        ("target_repository", ""),
        ("target_repository", "https://example.com/docker-qa"),
        ("target_image", ""),
        ("target_tags", []),
        ("on_conflict", "ask"),
        ("pending_repository", "docker transit"),
        ("dry_run", "no"),
        ("largest", 0),
        ("largest", "many"),
        ("chunk_size", 0),
        ("at_once", 1000),
        ("report_path", 1),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(dag: DAG, field: str, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params[field] = value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_from", "2026-11-01T00:00:00+00:00"),
        ("created_from", None),
        ("versions", ">=1.4.0 <2.0.0"),
        ("tags", ["regex:v\\d+", "1.4.*"]),
        ("properties", ["test.status=passed"]),
        ("repositories", [" docker-dev", "", "docker-qa "]),
        ("images", ["payments/*", ""]),
        ("tags", ["", " 1.4.* "]),
        ("tags", None),
        ("exclude_tags", None),
        ("properties", ["test.status=passed", "", " "]),
        ("properties", None),
        ("target_repository", " docker-qa "),
        ("target_tags", ["{tag}", ""]),
        ("pending_repository", " docker-transit "),
        ("pending_repository", ""),
        ("pending_repository", None),
        ("largest", 1000.0),
        ("report_path", "s3://aws_default@bucket/backfills"),
    ],
)
def test_a_form_that_makes_sense_is_taken(dag: DAG, field: str, value: Any) -> None:
    dag.params[field] = value
    assert dag.params[field] == value
