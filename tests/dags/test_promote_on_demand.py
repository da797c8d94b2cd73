from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import ParamValidationError
from tests.dags.conftest import DAGS

from artifactory_provider.pipelines import InvalidPipeline, read_folder

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG


@pytest.fixture
def dag(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["promote_on_demand"]


def test_a_plan_comes_first_then_people_then_the_promotion_then_the_report(dag: DAG) -> None:
    assert dag.get_task("override").downstream_task_ids == {"approve", "promote"}
    assert dag.get_task("approve").downstream_task_ids == {"promote"}
    assert dag.get_task("promote").downstream_task_ids == {"ended"}
    assert dag.get_task("report").upstream_task_ids == {"plan", "ended"}
    assert (dag.get_task("ended").trigger_rule, dag.get_task("report").trigger_rule) == ("all_done", "all_success")


def test_nothing_starts_it_but_a_person_and_nothing_is_replaced_unless_the_form_says_so(dag: DAG) -> None:
    assert dag.schedule is None
    assert dag.params["on_conflict"] == "fail"


def test_the_form_offers_the_stages_and_the_images_of_the_pipelines(dag: DAG) -> None:
    schemas = {name: dag.params.get_param(name).schema for name in dag.params}
    assert schemas["source_repository"]["examples"][:3] == ["docker-dev", "docker-qa", "docker-prod"]
    assert "coredns" in schemas["image"]["examples"]
    assert (dag.params["source_repository"], dag.params["target_repository"]) == ("docker-dev", "docker-qa")
    assert all(schema["title"] for schema in schemas.values())


def test_what_the_stages_ask_holds_for_the_images_of_their_pipeline_for_plan_and_promotion_alike(dag: DAG) -> None:
    for task_id in ("plan", "promote"):
        rules = dag.get_task(task_id).rules
        for image in ("coredns", "storefront/web"):
            asked = [
                (*rule.target.repositories.include, *(check.name for check in rule.require))
                for rule in rules
                if rule.target.images.match(image)
            ]
            assert sorted(asked) == [("docker-prod", "qa.test.status"), ("docker-qa", "test.status")]
        assert not any(rule.target.images.match("payments/api") for rule in rules)


def test_where_a_pipeline_cannot_be_read_nobody_knows_what_it_asks_and_there_is_no_dag(tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    shutil.copytree(DAGS / "pipelines", tmp_path / "pipelines")
    (tmp_path / "pipelines" / "broken.yaml").write_text("images: [app]\nstage: qa\n")
    with pytest.raises(InvalidPipeline, match="broken"):
        read_folder(tmp_path / "pipelines").rules()
    bag = DagBag(shutil.copy(DAGS / "promote_on_demand.py", tmp_path))
    assert bag.dags == {}
    [error] = bag.import_errors.values()
    assert "broken.yaml" in error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", ""),
        ("image", "payments/*"),
        ("image", "payments/api:1"),
        ("tag", " "),
        ("tag", 1.10),
        ("tag", None),
        ("source_repository", ""),
        ("target_repository", "docker qa"),
        ("target_tag", ""),
        ("on_conflict", "ask"),
        ("dry_run", "no"),
        ("approval", "no"),
        ("digest", "sha256:abc"),
        ("digest", "sha256:" + "A" * 64),
        ("digest", "a" * 64),
        ("digest", 1),
        ("replaces", "nothing"),
        ("replaces", "sha512:" + "a" * 64),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(dag: DAG, field: str, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params[field] = value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", " payments/api "),
        ("tag", "newest"),
        ("tag", ">=1.4 <2"),
        ("tag", "1.4.2@sha256:" + "a" * 64),
        ("source_repository", "docker-transit"),
        ("target_tag", "{version.major}"),
        ("digest", None),
        ("digest", ""),
        ("digest", " sha256:" + "a" * 64 + " "),
        ("replaces", None),
        ("replaces", "none"),
        ("replaces", "sha256:" + "a" * 64),
    ],
)
def test_a_form_that_makes_sense_is_taken(dag: DAG, field: str, value: Any) -> None:
    dag.params[field] = value
    assert dag.params[field] == value
