from __future__ import annotations

import datetime
import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import AssetAlias
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time.context import set_current_context
from demo.scenario import IMAGES

from artifactory_provider.artifactory.references import InvalidReference

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG


@pytest.fixture
def dag(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["promote_nightly"]


def test_an_image_climbs_dev_qa_prod_in_this_order(dag: DAG) -> None:
    ladder = ["select", "verify_dev", "promote_to_qa", "verify_qa", "promote_to_prod"]
    for lower, upper in itertools.pairwise(ladder):
        assert f"ladder.{upper}" in dag.get_task(f"ladder.{lower}").downstream_task_ids


def test_each_stage_has_a_verdict_of_its_own_because_promotion_copies_properties(dag: DAG) -> None:
    names = [check.name for stage in ("dev", "qa") for check in dag.get_task(f"ladder.verify_{stage}").checks]
    assert names == ["test.status", "qa.test.status"]


def test_it_copies_and_never_overwrites(dag: DAG) -> None:
    for task_id in ("ladder.promote_to_qa", "ladder.promote_to_prod"):
        task = dag.get_task(task_id)
        assert task.copy is True
        assert task.on_conflict == "fail"


def test_the_same_digest_goes_from_the_selection_to_prod(dag: DAG) -> None:
    for task_id in ("verify_dev", "promote_to_qa", "verify_qa", "promote_to_prod"):
        digest = dag.get_task(f"ladder.{task_id}").digest
        assert (digest.operator.task_id, digest.key) == ("ladder.select", "digest")


def test_it_runs_at_two_in_berlin_in_summer_and_winter(dag: DAG) -> None:
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    timetable = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).timetable
    for day, hour in ((pendulum.datetime(2026, 7, 1), 0), (pendulum.datetime(2026, 12, 1), 1)):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=None, restriction=TimeRestriction(day, None, catchup=True)
        )
        assert info is not None
        assert info.data_interval is not None
        assert info.run_after.hour == hour
        assert info.data_interval.end - info.data_interval.start == datetime.timedelta(days=1)


def test_unpausing_it_starts_nothing_by_itself(dag: DAG) -> None:
    assert dag.catchup is False
    assert dag.start_date is None, "with a start date in the past, Airflow runs last night's promotion at once"


def test_it_follows_the_data_check(dag: DAG, dag_bag: DagBag) -> None:
    followed = {asset.name for asset in dag.timetable.asset_condition.objects}
    emitted = {outlet.name for task in dag_bag.dags["service_catalog_check"].tasks for outlet in task.outlets}
    assert followed == emitted == {"service_catalog"}


def test_promotions_of_all_images_of_a_repository_can_be_followed(dag: DAG) -> None:
    assert dag.get_task("ladder.promote_to_qa").outlets == [AssetAlias("artifactory://docker-qa")]
    assert dag.get_task("ladder.promote_to_prod").outlets == [AssetAlias("artifactory://docker-prod")]


def test_the_demo_seeds_the_images_that_the_dag_promotes(dag: DAG) -> None:
    assert tuple(dag.params["images"]) == IMAGES


@pytest.mark.parametrize("images", [[], [""], [" ", "\n"], ["a", 1], [1.10], [True], "coredns", None, ["a" * 401]])
def test_a_form_that_makes_no_sense_is_refused(dag: DAG, images: object) -> None:
    with pytest.raises(ParamValidationError):
        dag.params["images"] = images


def test_the_first_task_of_a_run_reads_each_line_of_the_form(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    list_images = dag.get_task("list_images").python_callable
    context: dict[str, Any] = {"params": {}, "dag": dag, "dag_run": SimpleNamespace(conf={})}
    monkeypatch.setitem(list_images.__globals__, "get_current_context", lambda: context)
    context["params"]["images"] = ["payments/api:*-alpine", " coredns >=1.9 <2", "", "coredns >=1.9 <2"]
    assert list_images() == ["payments/api:*-alpine", "coredns >=1.9 <2"]
    context["params"]["images"] = ["coredns:1.9 <2"]
    with pytest.raises(InvalidReference, match="names one tag and a range"):
        list_images()


def test_blank_lines_and_spaces_in_the_form_count_for_nothing(dag: DAG) -> None:
    dag.params["images"] = [" coredns ", "", "\t", "coredns:v1.10.1"]
    context = {"params": dag.params, "dag": dag, "dag_run": SimpleNamespace(conf={})}
    with set_current_context(context):  # type: ignore[arg-type]
        assert dag.get_task("list_images").python_callable() == ["coredns", "coredns:v1.10.1"]


def _winter() -> datetime.datetime:
    return datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
