"""A task that audits asks Airflow what tasks have told of each image, and judges what stands there by all of it."""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.utils.session import create_session

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.tasks.assets import image_asset

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox

NOW = datetime.datetime.now(datetime.UTC)
A_TASK = {"source_dag_id": "nightly", "source_task_id": "promote", "source_run_id": "manual__1"}


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


@pytest.fixture(scope="module")
def dag(migrated_database: None) -> DAG:
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    bag = DagBag(shutil.copy(Path(__file__).with_name("auditing_dags.py"), folder))
    assert bag.import_errors == {}
    return bag.dags["auditing"]


def tell(tag: str, digest: str, *, ago: int, **told: Any) -> None:
    """Put an event on the asset of the image alone, as a task does that names its image."""
    from airflow.models.asset import AssetEvent, AssetModel
    from sqlalchemy import select

    target = ImageReference.parse(tag)
    uri = image_asset(target.repository, target.image).uri
    promotions = [
        {
            "outcome": "promoted",
            "digest": digest,
            "copy": True,
            "source": {"reference": f"docker-dev/{target.image}:{target.tag}@{digest}"},
            "target": {"reference": f"{tag}@{digest}"},
        }
    ]
    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.uri == uri))
        if asset is None:
            asset = AssetModel(name=uri, uri=uri, group="asset", extra={})
            session.add(asset)
            session.flush()
        extra = {"promotions": promotions, **told.pop("extra", {})}
        moment = NOW - datetime.timedelta(minutes=ago)
        session.add(AssetEvent(asset_id=asset.id, extra=extra, timestamp=moment, **(told.get("by", A_TASK))))


def audit(dag: DAG, images: str) -> list[str]:
    """Audit, and return the findings by kind and tag."""
    run = dag.test(run_conf={"images": images})
    assert str(run.state) == "success"
    [ti] = run.get_task_instances()
    found = ti.xcom_pull(task_ids="audit", key="audit")
    names = [one["finding"] for one in found["first"]]
    return [f"{name.partition(':')[0]} {name.rpartition(':')[2].partition('@')[0]}" for name in names]


def test_what_stood_there_before_and_is_pushed_again_by_hand_is_changed_though_events_know_it(
    sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    place = f"docker-qa/{image}:stable"
    newer = sandbox.push_image(place, content="b")
    older = sandbox.push_image(place, content="a")
    tell(place, older, ago=120)
    assert audit(dag, image) == []
    tell(place, newer, ago=60)
    assert audit(dag, image) == ["changed stable"]


def test_a_promoted_tag_that_is_gone_is_found_by_the_event_of_its_image(
    sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    digest = sandbox.push_image(f"docker-qa/{image}:1")
    for tag in ("1", "2"):
        tell(f"docker-qa/{image}:{tag}", digest, ago=60)
    assert audit(dag, image) == ["gone 2"]


def test_of_more_than_a_hundred_images_each_is_explained_by_its_event(
    sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    for number in range(105):
        place = f"docker-qa/{image}/{number}:1"
        tell(place, sandbox.push_image(place), ago=60)
    assert audit(dag, f"{image}/*") == []


@pytest.mark.parametrize("told", [{"by": {}}, {"extra": {"from_rest_api": True}}])
def test_an_event_that_somebody_has_created_by_airflows_api_explains_nothing(
    sandbox: RunningSandbox, dag: DAG, image: str, told: dict[str, Any]
) -> None:
    place = f"docker-qa/{image}:1"
    tell(place, sandbox.push_image(place), ago=60, **told)
    assert audit(dag, image) == ["unexplained 1"]
