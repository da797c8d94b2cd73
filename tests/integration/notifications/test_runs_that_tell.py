"""Runs of pipelines tell people how they end, by a real webhook: an image each in a chain, one message for a fleet."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.pipelines.climbing import push

from artifactory_provider.policy import StopOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG
    from tests.integration.notifications.receivers import Webhook

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(autouse=True)
def connections(connect: Callable[..., None], receiver: Any, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    connect()
    receiver(host=webhook.url)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.test")


@pytest.fixture(scope="module")
def dags(migrated_database: None) -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    bag = DagBag(shutil.copy(Path(__file__).with_name("notifying_dags.py"), folder))
    assert bag.import_errors == {}
    return bag.dags


def told(webhook: Webhook) -> dict[str, Any]:
    return {post.body["title"]: post.body for post in webhook.all()}


def test_each_image_that_fails_in_a_chain_is_told_of(
    sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook
) -> None:
    push(sandbox, "telling/a:1.0", dev="passed", qa="passed")
    push(sandbox, "telling/b:1.0", dev="failed")

    run = dags["telling_chain"].test()

    [(title, failed)] = told(webhook).items()
    assert title == "Failed: telling_chain: ladder.verify_dev of telling/b:1.0"
    assert failed["event"] == "failed"
    assert "test.status is 'failed'." in failed["lines"][0]
    assert failed["run_id"] == run.run_id
    assert failed["links"]["Task and log"].endswith("/tasks/ladder.verify_dev/mapped/1")
    assert "/ui/repos/tree/General/docker-dev/telling/b/1.0" in failed["links"]["Image"]


def test_a_fleet_is_one_message_with_the_first_failures(
    sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook
) -> None:
    push(sandbox, "telling-fleet/ready:1.0", dev="passed", qa="passed")
    push(sandbox, "telling-fleet/bad:1.0", dev="failed")
    push(sandbox, "telling-fleet/slow:1.0", dev="passed")

    dags["telling_fleet"].test()

    [(title, message)] = told(webhook).items()
    assert title == "telling_fleet: 1 of 3 images have arrived"
    assert (message["event"], message["task_id"]) == ("digest", "climb_to_prod")
    assert message["lines"] == [
        "1 arrived, 1 failed, 1 late",
        "Failed: telling-fleet/bad:1.0 in dev: test.status is 'failed'.",
        "Late: telling-fleet/slow:1.0 in qa: It has waited for 3 seconds: qa.test.status is not set.",
    ]
    assert message["links"]["Images"].endswith("/plugin/images")


def test_a_bulk_run_is_one_message_with_what_is_in_conflict(
    sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook
) -> None:
    push(sandbox, "telling-bulk/fine:1.0")
    push(sandbox, "telling-bulk/taken:1.0")
    sandbox.push_image("docker-qa/telling-bulk/taken:1.0")

    dags["telling_bulk"].test()

    [(title, message)] = told(webhook).items()
    assert title == "telling_bulk: 1 promoted, 0 of 1 failed"
    assert (message["event"], message["task_id"]) == ("digest", "report")
    conflict = "In conflict: docker-dev/telling-bulk/taken:1.0 → docker-qa/telling-bulk/taken:1.0"
    assert message["lines"] == ["1 promoted, 0 unchanged, 0 failed", conflict]
    assert message["links"]["Plan"].endswith("/plugin/plan")


def test_a_fleet_that_arrives_tells_that(sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook) -> None:
    push(sandbox, "telling-fleet/fine:1.0", dev="passed", qa="passed")
    dags["telling_fleet"].test(run_conf={"images": ["telling-fleet/fine"]})
    [message] = told(webhook).values()
    assert (message["event"], message["lines"]) == ("digest", [])


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)
    order = StopOrder(reason="it burns", by="alice", since=now, until=now + datetime.timedelta(seconds=12))
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps({"version": 1, "stops": [order.to_dict()]}))


def test_what_a_fleet_cannot_promote_yet_is_told_once_and_goes_on(
    sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook, stop: None
) -> None:
    push(sandbox, "telling-fleet/held:1.0", dev="passed", qa="passed")

    run = dags["telling_fleet"].test(run_conf={"images": ["telling-fleet/held"]})

    assert str(run.state) == "success"
    held, digest = (post.body for post in webhook.all())
    assert (held["event"], held["title"]) == ("refused", "Held back: telling-fleet/held:1.0 in dev")
    assert "it burns" in held["lines"][0]
    assert digest["event"] == "digest"


def test_what_a_chain_cannot_promote_is_told_when_it_begins_to_wait_and_when_it_gives_up(
    sandbox: RunningSandbox, dags: dict[str, DAG], webhook: Webhook, stop: None
) -> None:
    push(sandbox, "telling/held:1.0", dev="passed", qa="passed")

    run = dags["telling_chain"].test(run_conf={"images": ["telling/held"]})

    assert str(run.state) == "failed", "it waits for as long as its stage's timeout says"
    first, last = (post.body for post in webhook.all())
    title = "Held back: telling_chain: ladder.promote_to_qa of telling/held:1.0"
    assert [first["title"], last["title"]] == [title, title]
    assert [first["lines"][-1], last["lines"][-1]] == [
        "The task waits for that, and goes on by itself.",
        "The task has failed of it: clear it once that has ended.",
    ]


def test_a_run_goes_on_where_nobody_can_be_told(
    sandbox: RunningSandbox, dags: dict[str, DAG], receiver: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver(host="http://127.0.0.1:9")
    push(sandbox, "telling-fleet/quiet:1.0", dev="passed", qa="passed")
    run = dags["telling_fleet"].test(run_conf={"images": ["telling-fleet/quiet"]})
    assert str(run.state) == "success"
    assert "Could not be told by connection 'people'." in capfd.readouterr().out


def test_runs_of_single_tags_send_no_digests(dags: dict[str, DAG]) -> None:
    def events(dag_id: str) -> frozenset[str]:
        task: Any = dags[dag_id].get_task("climb_to_prod")
        [notifier] = task.on_failure_callback
        assert task.notifiers == (notifier,)
        on: frozenset[str] = notifier.on
        return on

    assert events("telling_fleet") - events("telling_pushed_on_push") == {"digest"}
