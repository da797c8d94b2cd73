"""What Airflow's metrics are told, as a real StatsD server and a real OpenTelemetry collector receive it."""

from __future__ import annotations

import datetime
import json
import re
import socket
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import Mock

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.observability import stats
from tests.integration.gateway import Reply
from tests.integration.pipelines.climbing import push
from tests.integration.tasks.receivers import sums
from tests.unit.operators.asking import Asking, promotion

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators import (
    ArtifactoryApprovalOperator,
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
)
from artifactory_provider.promotion.errors import PromotionsFailed
from artifactory_provider.promotion.record import PromotionRecord
from artifactory_provider.promotion.reports import PromotionResult
from artifactory_provider.promotion.rules import Refusal, Refused
from artifactory_provider.sensors import ArtifactoryBatchVerificationSensor, ArtifactoryVerificationSensor
from artifactory_provider.tasks.metrics import METRICS, ROLLBACKS, Metric, count_look, count_promotions, time_waits
from artifactory_provider.triggers import BatchVerificationTrigger
from artifactory_provider.verification import PropertyCheck, check_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG
    from tests.integration.gateway import Gateway
    from tests.integration.tasks.receivers import OtlpReceiver, StatsdReceiver

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PROJECT = Path(__file__).parents[3]


class Store(dict[str, Any]):
    """A task's state store, as far as it is used."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


@pytest.fixture
def context() -> Any:
    from airflow.sdk.execution_time.context import OutletEventAccessors

    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=3)
    ti.xcom_push = lambda **_: None
    return {"task_state_store": Store(), "outlet_events": OutletEventAccessors(), "ti": ti}


def promoted(count: int, *, repository: str = "docker-qa", lead: float | None = 60) -> list[PromotionResult]:
    """Return results of promotions, the nth of which was pushed n times ``lead`` seconds before."""
    results = []
    for number in range(1, count + 1):
        digest = f"sha256:{number:064x}"
        source, target = (ImageReference(key, "app", str(number), digest) for key in ("docker-dev", repository))
        record = PromotionRecord(
            outcome="promoted",
            source=source,
            target=target,
            media_type=None,
            children=(),
            attachments=(),
            replaced=None,
            copy=True,
            lead_time=None if lead is None else datetime.timedelta(seconds=lead * number),
        )
        results.append(PromotionResult(source=source, target=target, record=record))
    return results


def test_a_run_is_counted_by_outcome_and_stage_and_a_second_one_promotes_nothing_more(
    sandbox: RunningSandbox, dags: dict[str, DAG], statsd: StatsdReceiver
) -> None:
    for tag in ("1", "2"):
        for image in ("one", "whole", "request", "many"):
            sandbox.push_image(f"docker-dev/counted/{image}:{tag}", content=f"{image} {tag}")
        sandbox.set_properties(f"docker-dev/counted/one:{tag}", {"test.status": "passed"})

    dags["counted"].test()
    found = statsd.packets()

    assert sums(found, "artifactory.promotions") == {
        ("docker-qa", "promoted"): 8,
        ("docker-qa", "failed"): 1,
        ("docker-qa", "refused"): 1,
    }
    assert sums(found, "artifactory.rollbacks") == {("docker-qa", "promoted"): 1}
    assert sums(found, "artifactory.refusals") == {("docker-qa", "hold"): 1}
    leads = [one.value for one in found if one.name == "artifactory.lead_time"]
    assert len(leads) == 8
    assert all(0 <= lead < 120_000 for lead in leads)
    assert sums(found, "artifactory.waits") == {("docker-dev", "verdict"): 2}
    assert sums(found, "artifactory.looks").keys() == {("read",)}

    dags["counted"].test()
    again = sums(statsd.packets(), "artifactory.promotions")
    assert ("docker-qa", "promoted") not in again
    # What the first run has taken back, the hold keeps out, twice.
    assert again == {("docker-qa", "unchanged"): 7, ("docker-qa", "failed"): 1, ("docker-qa", "refused"): 2}


def test_a_fleet_is_counted_by_stage_with_what_it_waits_for_and_what_ends_badly(
    sandbox: RunningSandbox, dags: dict[str, DAG], statsd: StatsdReceiver
) -> None:
    push(sandbox, "counted-fleet/a:1.0", dev="passed", qa="passed")
    push(sandbox, "counted-fleet/b:1.0", dev="passed")
    push(sandbox, "counted-fleet/c:1.0", dev="failed")

    dags["counted_fleet"].test()
    found = statsd.packets()

    assert sums(found, "artifactory.promotions") == {
        ("docker-qa", "promoted"): 2,
        ("docker-prod", "promoted"): 1,
        ("docker-qa", "failed"): 1,
        ("docker-prod", "late"): 1,
    }
    assert sums(found, "artifactory.waits") == {("docker-qa", "verdict"): 1}
    [waited] = [one for one in found if one.name == "artifactory.wait_time"]
    assert waited.value >= 2000
    assert {one.tags for one in found if one.name == "artifactory.lead_time"} == {
        (("repository", "docker-qa"),),
        (("repository", "docker-prod"),),
    }
    assert sums(found, "artifactory.looked_at")["read",] >= 1


@pytest.mark.parametrize("many", [False, True])
def test_a_sensor_counts_what_it_waits_for_and_tells_how_long_it_has_waited(
    sandbox: RunningSandbox, image: str, context: Any, statsd: StatsdReceiver, many: bool
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    sensor: ArtifactoryVerificationSensor | ArtifactoryBatchVerificationSensor
    event: dict[str, Any]
    if many:
        sensor = ArtifactoryBatchVerificationSensor(task_id="verify", images=[f"docker-dev/{image}:1"])
        event = {"passed": [f"docker-dev/{image}:1@sha256:{'a' * 64}"], "held": []}
    else:
        sensor = ArtifactoryVerificationSensor(task_id="verify", repository="docker-dev", image=image, tag="1")
        event = {"status": "passed", "digest": f"sha256:{'a' * 64}", "reason": "", "verdicts": []}
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    assert [(one.name, one.value) for one in statsd.packets()] == [("artifactory.waits", 1)]

    getattr(sensor, deferred.value.method_name)(context, event=event, **(deferred.value.kwargs or {}))
    [told_then] = statsd.packets()
    assert (told_then.name, told_then.tags) == (
        "artifactory.wait_time",
        (("repository", "docker-dev"), ("reason", "verdict")),
    )
    assert 0 <= told_then.value < 60_000


def freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)
    span = f"{now - datetime.timedelta(hours=1):%Y-%m-%dT%H:%M}/{now + datetime.timedelta(hours=1):%Y-%m-%dT%H:%M}"
    rule = {
        "name": "no, not now, in winter: v1.0",
        "target": {"repositories": ["docker-qa"]},
        "windows": {"timezone": "UTC", "deny": [span]},
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": [rule]}))


@pytest.mark.parametrize("many", [False, True])
def test_a_refusal_that_is_waited_for_counts_once_with_its_rule_and_its_promotion_once_it_is_made(
    sandbox: RunningSandbox,
    image: str,
    context: Any,
    statsd: StatsdReceiver,
    monkeypatch: pytest.MonkeyPatch,
    many: bool,
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    freeze(monkeypatch)
    source, target = (f"{key}/{image}:1" for key in ("docker-dev", "docker-qa"))
    task: ArtifactoryPromoteOperator | ArtifactoryPromoteBatchOperator
    if many:
        task = ArtifactoryPromoteBatchOperator(
            task_id="t", promotions=[{"source": source, "target": target}], when_refused="wait", confirmation_timeout=0
        )
    else:
        task = ArtifactoryPromoteOperator(
            task_id="t",
            source_repository="docker-dev",
            target_repository="docker-qa",
            image=image,
            tag="1",
            when_refused="wait",
            confirmation_timeout=0,
        )
    with pytest.raises(TaskDeferred):
        task.execute(context)
    begun = statsd.packets()
    assert sums(begun, "artifactory.promotions") == {}
    assert sums(begun, "artifactory.waits") == {("docker-qa", "rule"): 1}
    assert sums(begun, "artifactory.refusals") == {("docker-qa", "no__not_now__in_winter__v1.0"): 1}

    with pytest.raises(TaskDeferred):
        task.resume(context)
    assert statsd.packets() == []

    monkeypatch.delenv("AIRFLOW_VAR_ARTIFACTORY_POLICY")
    task.resume(context)
    ended = statsd.packets()
    assert sums(ended, "artifactory.promotions") == {("docker-qa", "promoted"): 1}
    assert sums(ended, "artifactory.waits") == sums(ended, "artifactory.refusals") == {}
    assert [(one.name, one.kind) for one in ended if one.name == "artifactory.wait_time"] == [
        ("artifactory.wait_time", "ms")
    ]


def test_a_refusal_that_fails_the_task_is_refused_and_counts_by_its_rule(
    sandbox: RunningSandbox, image: str, context: Any, statsd: StatsdReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    freeze(monkeypatch)
    task = ArtifactoryPromoteOperator(
        task_id="t", source_repository="docker-dev", target_repository="docker-qa", image=image, tag="1"
    )
    with pytest.raises(Refused):
        task.execute(context)
    found = statsd.packets()
    assert sums(found, "artifactory.promotions") == {("docker-qa", "refused"): 1}
    assert sum(sums(found, "artifactory.refusals").values()) == 1
    assert sums(found, "artifactory.waits") == {}


def test_what_a_bulk_run_holds_back_for_want_of_a_verdict_is_unverified(
    sandbox: RunningSandbox, image: str, context: Any, statsd: StatsdReceiver
) -> None:
    for tag, status in (("1", "passed"), ("2", "failed"), ("3", "")):
        sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image} {tag}")
        if status:
            sandbox.set_properties(f"docker-dev/{image}:{tag}", {"test.status": status})
    task = ArtifactoryPromoteBatchOperator(
        task_id="t",
        promotions=[{"source": f"docker-dev/{image}:{tag}", "target": f"docker-qa/{image}:{tag}"} for tag in "123"],
        checks=[PropertyCheck()],
        confirmation_timeout=0,
    )
    with pytest.raises(PromotionsFailed):
        task.execute(context)
    assert sums(statsd.packets(), "artifactory.promotions") == {
        ("docker-qa", "promoted"): 1,
        ("docker-qa", "unverified"): 2,
    }


@pytest.mark.parametrize("answer", ["Approve", "Reject"])
def test_a_question_counts_once_however_many_answer_it_and_tells_how_long_people_took(
    monkeypatch: pytest.MonkeyPatch, statsd: StatsdReceiver, answer: str
) -> None:
    asking = Asking(monkeypatch)
    task = ArtifactoryApprovalOperator(task_id="approve", promotions=[promotion()], count=2, fail_on_reject=False)
    monkeypatch.setattr(task, "skip", lambda *_: None)
    monkeypatch.setattr(task, "get_direct_relatives", lambda **_: [])
    asking.start(task)
    assert [(one.name, one.tags, one.value) for one in statsd.packets()] == [
        ("artifactory.waits", (("repository", "docker-prod"), ("reason", "approval")), 1)
    ]
    asking.answer(task, "alice", "Approve")
    assert statsd.packets() == []
    asking.answer(task, "bob", answer)
    assert [(one.name, one.tags) for one in statsd.packets()] == [
        ("artifactory.wait_time", (("repository", "docker-prod"), ("reason", "approval")))
    ]


def test_ten_thousand_promotions_are_few_packets_and_their_times_are_drawn_evenly(statsd: StatsdReceiver) -> None:
    count_promotions([*promoted(10_000, lead=1), *promoted(3, repository="docker-prod")])
    found = statsd.packets()
    assert sums(found, "artifactory.promotions") == {
        ("docker-qa", "promoted"): 10_000,
        ("docker-prod", "promoted"): 3,
    }
    seconds = [one.value / 1000 for one in found if dict(one.tags)["repository"] == "docker-qa" and one.kind == "ms"]
    assert seconds == [51.0 + 100 * at for at in range(100)]
    assert len(found) == 2 + 100 + 3


async def test_a_look_at_many_counts_once_also_where_it_ends_all_waits_and_says_where_nothing_could_be_read(
    sandbox: RunningSandbox, gateway: Gateway, image: str, statsd: StatsdReceiver
) -> None:
    for tag in "abc":
        sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image} {tag}")
        sandbox.set_properties(f"docker-dev/{image}:{tag}", {"test.status": "passed"})
    gateway.rule("POST", "/api/search/aql", times=8, reply=Reply(429, headers={"Retry-After": "0"}), does_work=False)
    made = BatchVerificationTrigger(
        artifactory_conn_id="artifactory_default",
        references=[f"docker-dev/{image}:{tag}" for tag in "abc"],
        checks=[check_to_dict(PropertyCheck())],
        poke_interval=0.5,
        until=(datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)).isoformat(),
    )
    async with aclosing(made.run()) as run:  # type: ignore[type-var]
        [event] = [one async for one in run]
    assert len(event.payload["passed"]) == 3
    found = statsd.packets()
    looks = sums(found, "artifactory.looks")
    assert looks.keys() == {("unread",), ("read",)}
    assert sums(found, "artifactory.looked_at") == {outcome: 3 * number for outcome, number in looks.items()}


def test_where_the_registry_does_not_tell_when_an_image_was_pushed_no_lead_time_is_told(
    statsd: StatsdReceiver,
) -> None:
    count_promotions(promoted(2, lead=None))
    assert [one.name for one in statsd.packets()] == ["artifactory.promotions"]


def test_statsd_without_tags_has_their_values_in_the_names(
    statsd: StatsdReceiver, metrics: Callable[..., None]
) -> None:
    metrics(statsd_influxdb_enabled=False)
    count_promotions(promoted(2, repository="docker.prod"))
    found = statsd.packets()
    assert {(one.name, one.tags) for one in found} == {
        ("artifactory.promotions.docker__prod.promoted", ()),
        ("artifactory.lead_time.docker__prod", ()),
    }


def test_airflows_lists_of_metrics_hold(statsd: StatsdReceiver, metrics: Callable[..., None]) -> None:
    metrics(metrics_block_list="artifactory.lead_time")
    count_promotions(promoted(2))
    assert {one.name for one in statsd.packets()} == {"artifactory.promotions"}


def test_opentelemetry_is_told_counters_and_histograms_with_their_attributes(otlp: OtlpReceiver) -> None:
    count_promotions([*promoted(2), *promoted(1, repository="docker-prod")])
    otlp.flush()

    points = otlp.metrics["airflow.artifactory.promotions"].sum
    assert points.is_monotonic
    assert {
        (frozenset((one.key, one.value.string_value) for one in point.attributes), point.as_int)
        for point in points.data_points
    } == {
        (frozenset({("repository", "docker-qa"), ("outcome", "promoted")}), 2),
        (frozenset({("repository", "docker-prod"), ("outcome", "promoted")}), 1),
    }
    lead = otlp.metrics["airflow.artifactory.lead_time"]
    assert lead.unit == "ms"
    assert sorted(point.sum for point in lead.exponential_histogram.data_points) == [60_000, 180_000]


@pytest.mark.parametrize("host", ["127.0.0.1", "metrics.invalid"])
def test_a_metrics_server_that_is_not_there_is_looked_for_once(
    metrics: Callable[..., None], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    metrics(statsd_on=True, statsd_host=host, statsd_port=9)
    count_promotions(promoted(1))  # finds out whether there is such a host
    find_address = Mock(wraps=socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", find_address)
    for _ in range(100):
        count_promotions(promoted(10))
    find_address.assert_not_called()


def test_a_metrics_client_that_fails_costs_a_line_in_the_log_and_no_promotion(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("password=secret")

    monkeypatch.setattr(stats, "incr", fail)
    count_promotions(promoted(1, lead=None))
    assert caplog.messages == ["artifactory.promotions was not told to Airflow's metrics (ConnectionError)."]


@pytest.fixture
def emitted(statsd: StatsdReceiver) -> set[Metric]:
    """All metrics, as StatsD receives them."""
    [refused] = promoted(1)
    refused = replace(refused, record=None, error=Refused(Refusal("It is frozen.", rule="winter")))
    count_promotions([*promoted(1), refused], waits=True)
    count_promotions(promoted(1), metric=ROLLBACKS)
    time_waits([("docker-qa", "verdict", datetime.timedelta(seconds=1))])
    count_look(3, is_read=True)
    kinds: dict[str, Literal["counter", "timer"]] = {"c": "counter", "ms": "timer"}
    return {Metric(one.name, kinds[one.kind], tuple(dict(one.tags))) for one in statsd.packets()}


def test_all_metrics_are_emitted_with_their_tags_of_which_none_names_an_image(emitted: set[Metric]) -> None:
    assert emitted == set(METRICS)
    assert {tag for metric in emitted for tag in metric.tags} == {"repository", "outcome", "rule", "reason"}


def test_the_table_in_the_docs_names_all_metrics_with_their_kinds_and_tags(emitted: set[Metric]) -> None:
    rows = re.findall(
        r"^\| `(artifactory\.\w+)` \| (\w+) \| (.+?) \|", (PROJECT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    assert {(name, kind, tuple(tags.replace("`", "").split(", "))) for name, kind, tags in rows} == {
        (metric.name, metric.kind, metric.tags) for metric in emitted
    }
    assert len(rows) == len(emitted)


def test_each_query_of_the_dashboard_asks_for_what_is_emitted_by_tags_that_it_has(emitted: set[Metric]) -> None:
    """As Prometheus has it: a counter may end with ``_total``, a timer is a summary or a histogram."""
    dashboard = json.loads((PROJECT / "deploy/grafana/promotions.json").read_text())
    tags = {f"airflow_{metric.name.replace('.', '_')}": set(metric.tags) for metric in emitted}
    asked = set()
    for target in (target for panel in dashboard["panels"] for target in panel["targets"]):
        found = re.findall(r"airflow_artifactory_\w+?(?=_sum|_count|_milliseconds|[({])", target["expr"])
        assert found
        assert set(found) <= set(tags)
        labels = re.findall(r"(\w+)=~?\"", target["expr"]) + re.findall(r"{{(\w+)}}", target["legendFormat"])
        for by in re.findall(r"by \(([^)]*)\)", target["expr"]):
            labels += by.split(", ")
        assert set(labels) - {"__name__", "quantile"} <= set.union(*(tags[name] for name in found))
        asked |= set(found)
    assert asked == set(tags)
