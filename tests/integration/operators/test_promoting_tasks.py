from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tests.integration.conftest import PASSWORD

from artifactory_provider.artifactory.errors import ImageNotFound
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.promotion.errors import InvalidPromotion, SourceMoved, TargetConflict
from artifactory_provider.tasks.assets import image_asset

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ABSENT = "sha256:" + "0" * 64


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


class Store(dict[str, Any]):
    """What Airflow keeps for a task from try to try."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture
def context() -> dict[str, Any]:
    from airflow.sdk.execution_time.context import OutletEventAccessors

    ti = SimpleNamespace(dag_id="release", run_id="manual__1", task_id="promote", map_index=-1)
    return {"ti": ti, "task_state_store": Store(), "outlet_events": OutletEventAccessors()}


def operator(image: str, **changes: Any) -> ArtifactoryPromoteOperator:
    fields: dict[str, Any] = {
        "task_id": "promote",
        "source_repository": "docker-dev",
        "target_repository": "docker-qa",
        "image": image,
        "tag": "1",
        "confirmation_timeout": 0,
    }
    return ArtifactoryPromoteOperator(**{**fields, **changes})


def test_the_result_is_the_record_as_json_and_the_link_leads_to_the_target(
    sandbox: RunningSandbox, gateway: Gateway, image: str, context: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    made = operator(image, target_image=f"{image}/release", target_tag="v1")
    record = made.execute(context)
    assert json.loads(json.dumps(record)) == record
    assert (record["outcome"], record["digest"]) == ("promoted", digest)
    assert record["target"]["reference"] == f"docker-qa/{image}/release:v1@{digest}"
    assert made.image_url == f"{gateway.origin}/ui/repos/tree/General/docker-qa/{image}/release/v1"
    assert PASSWORD not in json.dumps(record)


def test_the_log_says_in_one_line_what_was_promoted_to_where(sandbox: RunningSandbox, image: str, context: Any) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1").removeprefix("sha256:")
    with capture_logs() as logged:
        operator(image).execute(context)
        operator(image).execute(context)
        operator(image, tag=None).execute(context)
    assert [line["event"] for line in logged] == [
        f"Promoted: docker-dev/{image}:1 → docker-qa/{image}:1 ({digest[:8]}…)",
        f"Unchanged: docker-dev/{image}:1 → docker-qa/{image}:1 ({digest[:8]}…)",
        f"Unchanged: docker-dev/{image} → docker-qa/{image}",
    ]


def test_verdicts_stand_in_the_record_also_where_an_outsider_has_written_what_looks_like_a_template(
    sandbox: RunningSandbox, image: str, context: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    made = operator(image, verdicts="{{ params.verdicts }}")
    made.verdicts = [{"check": "test.status", "state": "passed", "value": "passed", "author": "{{ nobody }}"}]
    assert made.execute(context)["verdicts"] == ["test.status: passed, by {{ nobody }}"]


@pytest.mark.parametrize(
    ("copy", "stays"), [(True, True), ("True", True), ("yes", True), ("false", False), ("0", False)]
)
def test_copy_may_come_out_of_a_template_as_text(
    sandbox: RunningSandbox, image: str, context: Any, copy: Any, stays: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    made = operator(image, copy="{{ params.copy }}")
    made.copy = copy
    assert made.execute(context)["copy"] is stays
    assert sandbox.digest(f"docker-dev/{image}:1") == (digest if stays else None)


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("tag", "", InvalidPromotion),
        ("tag", 1.4, InvalidReference),
        ("tag", None, InvalidPromotion),
        ("image", "App", InvalidReference),
        ("source_repository", "a/b", InvalidReference),
        ("target_repository", "", InvalidReference),
        ("digest", "None", InvalidReference),
        ("digest", "", InvalidPromotion),
        ("digest", None, InvalidPromotion),
        ("copy", "maybe", InvalidPromotion),
        ("on_conflict", "ask", InvalidPromotion),
        ("target_repository", "docker-dev", InvalidPromotion),
    ],
)
def test_values_that_templates_made_malformed_are_refused_before_anything_is_sent(
    gateway: Gateway, image: str, context: Any, field: str, value: Any, kind: type[Exception]
) -> None:
    made = operator(image, digest="{{ params.digest }}")
    made.digest = ABSENT
    setattr(made, field, value)
    with pytest.raises(kind):
        made.execute(context)
    assert gateway.requests == []


def test_empty_target_fields_mean_those_of_the_source(sandbox: RunningSandbox, image: str, context: Any) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    made = operator(image, target_image="{{ params.x }}", target_tag="{{ params.x }}")
    made.target_image = made.target_tag = ""
    made.execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == digest


def test_a_digest_that_was_verified_and_is_no_longer_shown_is_not_promoted(
    sandbox: RunningSandbox, image: str, context: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(SourceMoved):
        operator(image, digest=ABSENT).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") is None


def test_a_move_that_was_killed_after_its_work_is_done_when_it_runs_again(
    sandbox: RunningSandbox, gateway: Gateway, image: str, context: Any, request: pytest.FixtureRequest
) -> None:
    """The first try ends before it knows that the source tag has gone."""

    class Killed(BaseException):
        pass

    def end(*_: object) -> None:
        raise Killed

    def kill() -> None:
        # The main thread waits for the answer now, so the signal meets it there.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, end)
    request.addfinalizer(lambda: signal.signal(signal.SIGUSR1, before))
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("DELETE", "/moved-", times=1, after=kill)
    with pytest.raises(Killed):
        operator(image, copy=False).execute(context)
    assert sandbox.digest(f"docker-dev/{image}:1") is None
    record = operator(image, copy=False).execute(context)
    assert (record["outcome"], record["digest"]) == ("unchanged", digest)
    assert gateway.count("POST", "/promote$") == 3
    assert sandbox.tags("docker-dev", image) == []


def test_a_move_that_is_done_or_whose_source_has_moved_forgets_what_it_had_pinned(
    sandbox: RunningSandbox, image: str, context: Any
) -> None:
    store = context["task_state_store"]
    store.set("artifactory_pinned_digest", ABSENT)
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(SourceMoved):
        operator(image, copy=False).execute(context)
    assert store == {}
    assert operator(image, copy=False).execute(context)["digest"] == digest
    assert store == {}


def test_a_conflict_leaves_target_and_event_alone(sandbox: RunningSandbox, image: str, context: Any) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="new")
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    made = operator(image)
    with pytest.raises(TargetConflict):
        made.execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    assert context["outlet_events"][image_asset("docker-qa", image)].extra == {}


def test_an_image_that_is_not_there_is_named(image: str, context: Any) -> None:
    with pytest.raises(ImageNotFound, match=image):
        operator(image).execute(context)


@pytest.fixture(scope="module")
def dags(migrated_database: None) -> dict[str, DAG]:
    """The DAGs beside this file, in Airflow's own folder."""
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    bag = DagBag(shutil.copy(Path(__file__).with_name("promotion_dags.py"), folder))
    assert bag.import_errors == {}
    return bag.dags


def events(uri: str) -> list[dict[str, Any]]:
    """Return the extras of an asset's events, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return list(session.scalars(query.where(AssetModel.uri == uri).order_by(AssetEvent.id)))


def test_every_way_to_name_the_image_ends_in_an_event_on_its_asset_with_the_record(
    sandbox: RunningSandbox, dags: dict[str, DAG]
) -> None:
    images = [f"outlets/{name}" for name in ("literal", "templated", "xcom", "named", "mapped-1", "mapped-2")]
    digests = [sandbox.push_image(f"docker-dev/{image}:1") for image in images]
    sandbox.push_image("docker-dev/outlets/anywhere:1")
    for tag in ("1", "2"):
        sandbox.push_image(f"docker-dev/outlets/tags:{tag}")
    assert dags["outlets"].test().state == "success"
    for image, digest in zip(images, digests, strict=True):
        (extra,) = events(f"artifactory://docker-qa/{image}")
        (record,) = extra["promotions"]
        assert (record["digest"], record["target"]["image"]) == (digest, image)
        assert PASSWORD not in json.dumps(extra)
    assert sandbox.tags("docker-qa", "outlets/tags") == ["1", "2"]
    assert {
        record["target"]["tag"]
        for extra in events("artifactory://docker-qa/outlets/tags")
        for record in extra["promotions"]
    } == {"1", "2"}
    assert len(events("artifactory://docker-prod/outlets/anywhere")) == 1


def test_what_was_verified_is_what_is_promoted_from_task_to_task(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    digest = sandbox.push_image("docker-dev/ladder/app:1", platforms=("linux/amd64", "linux/arm64"))
    sandbox.set_properties("docker-dev/ladder/app:1", {"test.status": "passed"})
    dag_run = dags["ladder"].test()
    assert dag_run.state == "success"
    (promoted,) = [one for one in dag_run.get_task_instances() if one.task_id == "promote"]
    assert promoted.xcom_pull(task_ids="verify") == digest
    assert promoted.xcom_pull(task_ids="promote")["digest"] == digest
    assert sandbox.digest("docker-qa/ladder/app:1") == digest


def test_a_mapped_task_that_is_handed_no_digest_promotes_nothing(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    sandbox.push_image("docker-dev/unverified/app:1")
    dag_run = dags["unverified"].test()
    states = {one.task_id: one.state for one in dag_run.get_task_instances()}
    assert states == {"verify_nothing": "success", "promote": "failed"}
    assert sandbox.digest("docker-qa/unverified/app:1") is None
