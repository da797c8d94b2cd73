from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from structlog.testing import capture_logs
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.errors import AuthenticationFailed, ImageNotFound
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.sensors.verification import (
    ArtifactoryVerificationSensor,
    VerificationFailed,
    VerificationSuperseded,
)
from artifactory_provider.triggers.verification import VerificationTrigger
from artifactory_provider.verification import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def sensor(image: str, **changes: Any) -> ArtifactoryVerificationSensor:
    fields = {"task_id": "verify", "repository": "docker-dev", "image": image, "tag": "1", "poke_interval": 0.01}
    return ArtifactoryVerificationSensor(**{**fields, **changes})


def deferred(made: ArtifactoryVerificationSensor) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        made.execute({})
    return caught.value


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_digest_that_has_passed_is_handed_on_at_once(
    sandbox: RunningSandbox, gateway: Gateway, image: str, deferrable: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    made = sensor(image, deferrable=deferrable)
    assert made.execute({}) == digest
    assert made.image_url == f"{gateway.origin}/ui/repos/tree/General/docker-dev/{image}/1"


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_digest_that_has_failed_fails_the_task_at_once(sandbox: RunningSandbox, image: str, deferrable: bool) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "failed"})
    with pytest.raises(VerificationFailed, match=f"^Failed: test.status is 'failed'. .docker-dev/{image}:1@{digest}.$"):
        sensor(image, deferrable=deferrable).execute({})


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_failure_skips_the_task_where_the_author_wants_that(
    sandbox: RunningSandbox, image: str, deferrable: bool
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "failed"})
    with pytest.raises(AirflowSkipException):
        sensor(image, deferrable=deferrable, soft_fail=True).execute({})


@pytest.mark.parametrize("status", ["failed", "superseded", "error"])
def test_a_failure_in_the_triggerer_skips_the_task_where_the_author_wants_that(image: str, status: str) -> None:
    event = {"status": status, "digest": None, "reason": "…"}
    with pytest.raises(AirflowSkipException):
        sensor(image, soft_fail=True).resume_execution("execute_complete", {"event": event}, {})


def test_a_missing_verdict_is_waited_for_in_the_triggerer_for_the_digest_of_the_first_look(
    sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    made = deferred(sensor(image, timeout=120, poke_interval=7))
    assert isinstance(made.trigger, VerificationTrigger)
    assert made.trigger.reference == f"docker-dev/{image}:1@{digest}"
    assert made.trigger.poke_interval == 7
    assert made.timeout == datetime.timedelta(seconds=120)
    assert made.method_name == "execute_complete"
    assert json.loads(json.dumps(made.trigger.serialize()))


def test_the_log_begins_with_what_is_waited_for_and_ends_with_what_has_passed(
    sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1").removeprefix("sha256:")
    with capture_logs() as logged:
        deferred(sensor(image))
        sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
        sensor(image).execute({})
    assert [line["event"] for line in logged] == [
        f"Waiting: test.status is not set ({image}:1, {digest[:8]}…)",
        f"Passed: test.status is 'passed' ({image}:1, {digest[:8]}…)",
    ]


def test_a_passing_failure_at_the_first_look_is_waited_for_in_the_triggerer(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("HEAD", "/manifests/", reply=Reply(503, headers={"Retry-After": "0"}), does_work=False)
    made = deferred(sensor(image))
    assert isinstance(made.trigger, VerificationTrigger)
    assert made.trigger.reference == f"docker-dev/{image}:1"


def test_a_lasting_error_at_the_first_look_fails_the_task(
    sandbox: RunningSandbox, connect: Callable[..., None], image: str
) -> None:
    with pytest.raises(ImageNotFound):
        sensor(image).execute({})
    connect(password="wrong")
    with pytest.raises(AuthenticationFailed):
        sensor(image).execute({})


def test_a_digest_that_is_given_is_the_one_that_counts(sandbox: RunningSandbox, image: str) -> None:
    wanted = sandbox.push_image(f"docker-dev/{image}:1", content="wanted")
    sandbox.push_image(f"docker-dev/{image}:1", content="other")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    with pytest.raises(VerificationSuperseded, match="was moved while it was verified"):
        sensor(image, digest=wanted).execute({})


def test_on_the_worker_it_keeps_to_the_digest_of_its_first_look_and_survives_passing_failures(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    first = sandbox.push_image(f"docker-dev/{image}:1", content="first")

    def move() -> None:
        sandbox.push_image(f"docker-dev/{image}:1", content="second")
        sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})

    gateway.rule("HEAD", "/manifests/", times=2)
    gateway.rule("HEAD", "/manifests/", times=5, reply=Reply(503, headers={"Retry-After": "0"}), does_work=False)
    gateway.rule("HEAD", "/manifests/", times=1, before=move)
    with pytest.raises(VerificationSuperseded, match=first):
        sensor(image, deferrable=False).execute({})


def test_values_that_templates_made_malformed_are_refused_when_the_task_runs(gateway: Gateway, image: str) -> None:
    made = sensor(image, tag="{{ params.tag }}")
    for tag in ("", "1 4", "None/", 1.4, True):
        made.tag = tag  # type: ignore[assignment]
        with pytest.raises(InvalidReference, match="not a tag"):
            made.execute({})
    assert gateway.requests == []


def test_any_check_may_be_asked_for(sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"qa.result": "green"})
    checks = [PropertyCheck(name="qa.result", passed="green", failed="red")]
    assert sensor(image, checks=checks).execute({}) == digest
    made = deferred(sensor(image, checks=[*checks, PropertyCheck()]))
    assert isinstance(made.trigger, VerificationTrigger)
    assert len(made.trigger.checks) == 2
