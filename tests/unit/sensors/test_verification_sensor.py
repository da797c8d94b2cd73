from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, ExceptionRetryPolicy
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.sensors.verification import (
    ArtifactoryVerificationSensor,
    VerificationFailed,
    VerificationSuperseded,
)
from artifactory_provider.tasks.retries import RETRY_POLICY
from artifactory_provider.verification import PropertyCheck

DIGEST = "sha256:" + "a" * 64
PLAIN: dict[str, Any] = {"task_id": "verify", "repository": "docker-dev", "image": "app", "tag": "1"}


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", '{"conn_type": "artifactory", "host": "http://localhost:1"}')


def sensor(**changes: Any) -> ArtifactoryVerificationSensor:
    return ArtifactoryVerificationSensor(**{**PLAIN, **changes})


def event(status: Any = "passed", digest: Any = DIGEST, reason: Any = "test.status is 'passed'.") -> dict[str, Any]:
    return {"status": status, "digest": digest, "reason": reason}


def test_template_fields_are_attributes() -> None:
    for field in ArtifactoryVerificationSensor.template_fields:
        assert hasattr(sensor(), field)


@pytest.mark.parametrize(
    "changes",
    [{"repository": "a b"}, {"image": "App"}, {"tag": ""}, {"tag": 1.5}, {"digest": "sha256:1"}, {"digest": ""}],
)
def test_a_malformed_value_is_refused_when_the_dag_is_read(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidReference):
        sensor(**changes)


@pytest.mark.parametrize(
    "checks", [[], ["test.status"], [None], PropertyCheck(), [PropertyCheck(), {"kind": "property"}]]
)
def test_checks_that_are_none_are_refused_when_the_dag_is_read(checks: Any) -> None:
    with pytest.raises(ValueError, match="check"):
        sensor(checks=checks)


def test_a_mode_that_would_forget_the_digest_is_refused_when_the_dag_is_read() -> None:
    with pytest.raises(ValueError, match="deferrable=True"):
        sensor(mode="reschedule", deferrable=False)


def test_the_retry_policy_is_ours_unless_the_author_has_one() -> None:
    own = ExceptionRetryPolicy(rules=[])
    assert sensor().retry_policy is RETRY_POLICY
    with DAG("d", schedule=None, default_args={"retry_policy": own}):
        assert sensor().retry_policy is own
        mapped = ArtifactoryVerificationSensor.partial(task_id="m", repository="docker-dev", image="app")
        assert mapped.expand(tag=["1"]).retry_policy is own


def test_a_passing_event_hands_the_digest_on_and_leaves_the_link() -> None:
    made = sensor()
    assert made.execute_complete({}, event()) == DIGEST
    assert made.image_url == "http://localhost:1/ui/repos/tree/General/docker-dev/app/1"


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (
            event("failed", reason="test.status is 'failed'."),
            VerificationFailed,
            "^Failed: test.status is 'failed'. .*app:1@",
        ),
        (event("superseded", reason="The tag shows x."), VerificationSuperseded, "was moved while it was verified"),
        (event("error", digest=None, reason="401"), AirflowFailException, "could not be verified: 401"),
        (event("pending"), AirflowFailException, "could not be verified"),
        (event("PASSED"), AirflowFailException, "could not be verified"),
        (event("passed", digest=None), AirflowFailException, "could not be verified"),
        (event(None, None, None), AirflowFailException, "could not be verified"),
        ({}, AirflowFailException, "could not be verified"),
        (None, AirflowFailException, "without an event"),
    ],
)
def test_any_other_event_fails_the_task_and_is_not_retried(told: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        sensor().execute_complete({}, told)


@pytest.mark.parametrize("digest", ["", None])
def test_a_digest_that_was_asked_for_and_came_empty_is_not_any_digest(digest: str | None) -> None:
    made = sensor(digest="{{ ti.xcom_pull('select') }}")
    made.digest = digest
    with pytest.raises(InvalidReference, match="A digest was asked for, but its value is empty"):
        made.execute({})


def test_a_digest_that_a_mapped_sensor_is_handed_empty_is_not_any_digest() -> None:
    with DAG("d", schedule=None):
        mapped = ArtifactoryVerificationSensor.partial(**PLAIN).expand(digest=[None])
    with pytest.raises(InvalidReference, match="A digest was asked for, but its value is empty"):
        mapped.unmap({"digest": None}).execute({})
