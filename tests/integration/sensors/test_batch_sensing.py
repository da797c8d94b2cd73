from __future__ import annotations

import asyncio
import datetime
import json
from contextlib import aclosing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from structlog.testing import capture_logs

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion import InvalidPromotion
from artifactory_provider.sensors import ArtifactoryBatchVerificationSensor, ArtifactoryVerificationSensor
from artifactory_provider.triggers import BatchVerificationTrigger
from artifactory_provider.verification import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def sensor(images: Any, **changes: Any) -> ArtifactoryBatchVerificationSensor:
    fields: dict[str, Any] = {"task_id": "verify", "images": images, "poke_interval": 0.5, "timeout": 2}
    return ArtifactoryBatchVerificationSensor(**{**fields, **changes})


def run(made: ArtifactoryBatchVerificationSensor) -> dict[str, Any]:
    """Run a task to its end, its trigger made anew from what Airflow would keep of it."""
    with pytest.raises(TaskDeferred) as deferred:
        made.execute({})
    _, arguments = json.loads(json.dumps(deferred.value.trigger.serialize()))

    async def wait() -> Any:
        async with aclosing(BatchVerificationTrigger(**arguments).run()) as events:  # type: ignore[type-var]
            return (await anext(events)).payload

    event = asyncio.run(wait())
    return made.execute_complete({}, json.loads(json.dumps(event)))


def push(sandbox: RunningSandbox, image: str, **verdicts: str) -> dict[str, str]:
    pinned = {}
    for tag, verdict in verdicts.items():
        reference = f"docker-dev/{image}:{tag}"
        pinned[tag] = f"{reference}@{sandbox.push_image(reference, content=tag)}"
        if verdict:
            sandbox.set_properties(reference, {"test.status": verdict})
    return pinned


def test_what_has_passed_goes_on_and_what_has_not_is_told_with_its_reason(sandbox: RunningSandbox, image: str) -> None:
    pinned = push(sandbox, image, a="passed", b="failed", c="")
    with capture_logs() as logged:
        result = run(sensor([f"docker-dev/{image}:{tag}" for tag in "abc"]))
    assert result["passed"] == [pinned["a"]]
    assert [(one["reference"], one["status"]) for one in result["held"]] == [
        (pinned["b"], "failed"),
        (pinned["c"], "pending"),
    ]
    lines = [line["event"] for line in logged]
    assert any("Held back (pending)" in line and "test.status is not set" in line for line in lines)
    assert lines[-1] == "1 of 3 images have passed."


def test_where_nothing_has_passed_the_task_fails_and_names_what_was_waited_for(
    sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image, a="")
    with pytest.raises(AirflowFailException, match=r"test\.status is not set"):
        run(sensor([f"docker-dev/{image}:a"]))


def test_one_that_has_not_passed_may_fail_the_task(sandbox: RunningSandbox, image: str) -> None:
    push(sandbox, image, a="passed", b="failed")
    with pytest.raises(AirflowFailException, match="1 images have not passed"):
        run(sensor([f"docker-dev/{image}:a", f"docker-dev/{image}:b"], on_held="fail"))


@pytest.mark.parametrize("images", [[], "", None])
def test_nothing_to_wait_for_hands_on_nothing(images: Any) -> None:
    made = sensor("{{ params.images }}")
    made.images = images
    assert made.execute({}) == {"passed": [], "held": []}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"images": ["docker-dev/app"]}, InvalidPromotion),
        ({"images": ["app:1"]}, InvalidReference),
        ({"images": [f"docker-dev/app:{number}" for number in range(5001)]}, InvalidPromotion),
        ({"checks": []}, ValueError),
        ({"checks": PropertyCheck()}, ValueError),
        ({"timeout": -1}, ValueError),
        ({"timeout": "3600"}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"timeout": float("inf")}, ValueError),
        ({"timeout": 1e12}, ValueError),
        ({"poke_interval": -1}, ValueError),
        ({"poke_interval": "60"}, ValueError),
        ({"poke_interval": float("nan")}, ValueError),
        ({"poke_interval": float("inf")}, ValueError),
        ({"images": [f"docker-dev/app:1@sha256:{'a' * 64}"], "superseded": "follow"}, InvalidPromotion),
        ({"superseded": "ask"}, ValueError),
        ({"on_held": "ask"}, ValueError),
    ],
)
def test_what_makes_no_sense_is_refused_when_the_dag_is_read(changes: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        sensor(**{"images": ["docker-dev/app:1"], **changes})


@pytest.mark.parametrize("event", [None, {}, {"passed": "all", "held": []}, {"passed": []}])
def test_an_event_that_is_no_result_is_no_pass(event: Any) -> None:
    with pytest.raises(AirflowFailException, match="without a result"):
        sensor(["docker-dev/app:1"]).execute_complete({}, event)


def test_the_verdicts_of_a_single_image_are_handed_on_and_written_to_it_where_that_is_asked_for(
    sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image, a="passed")
    pushed: dict[str, Any] = {}
    context: Any = {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))}
    made = ArtifactoryVerificationSensor(
        task_id="verify", repository="docker-dev", image=image, tag="a", write_verdicts="verified"
    )
    made.execute(context)
    [verdict] = pushed["verdicts"]
    assert (verdict["check"], verdict["state"]) == ("test.status", "passed")
    assert sandbox.properties(f"docker-dev/{image}:a")["verified.test.status"] == ["passed"]


def test_a_moved_tag_may_be_followed_on_the_worker_too(sandbox: RunningSandbox, image: str) -> None:
    made = ArtifactoryVerificationSensor(
        task_id="verify", repository="docker-dev", image=image, tag="a", superseded="follow"
    )
    first = sandbox.push_image(f"docker-dev/{image}:a", content="first")
    assert not made.poke({})
    assert made.digest == first
    second = sandbox.push_image(f"docker-dev/{image}:a", content="second")
    sandbox.set_properties(f"docker-dev/{image}:a", {"test.status": "passed"})
    assert not made.poke({})
    assert made.poke({}).xcom_value == second


def test_to_follow_a_tag_and_to_wait_for_one_digest_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="leave digest out"):
        ArtifactoryVerificationSensor(
            task_id="verify",
            repository="docker-dev",
            image="app",
            tag="1",
            digest="sha256:" + "a" * 64,
            superseded="follow",
        )


def test_spans_of_time_are_taken_as_other_sensors_take_them(sandbox: RunningSandbox, image: str) -> None:
    pinned = push(sandbox, image, a="passed")
    spans = {"poke_interval": datetime.timedelta(seconds=1), "timeout": datetime.timedelta(hours=1)}
    assert run(sensor([f"docker-dev/{image}:a"], **spans))["passed"] == [pinned["a"]]


def test_digests_of_other_tasks_are_not_followed_to_other_digests(sandbox: RunningSandbox, image: str) -> None:
    made = sensor("{{ params.images }}", superseded="follow")
    made.images = [push(sandbox, image, a="passed")["a"]]
    with pytest.raises(InvalidPromotion, match="leave the digests out"):
        made.execute({})
