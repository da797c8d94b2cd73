"""A check of somebody's own goes wherever those of this package go, and does no harm when it is written badly."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from tests.integration.verification.branch_check import LABEL, BranchCheck

from artifactory_provider.artifactory.errors import ServerFailed
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.sensors.verification import ArtifactoryVerificationSensor
from artifactory_provider.triggers.verification import VerificationTrigger
from artifactory_provider.verification import (
    AnyOf,
    Check,
    PropertyCheck,
    State,
    Verdict,
    check_from_dict,
    check_to_dict,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.verification import Evidence, Subject
    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOUND = 30


@dataclass(frozen=True)
class Broken(Check):
    """A check that somebody has written, and not well."""

    time_limit: ClassVar[float | None] = 0.01

    does: str
    name: str = "broken"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Any:
        match self.does:
            case "raise":
                raise LookupError("no such thing")
            case "answer nothing":
                return []
            case "say yes":
                return [True] * len(subjects)
            case "cannot ask":
                raise ServerFailed("It is down.")
        return await asyncio.Event().wait()


def test_a_check_of_ones_own_is_written_as_where_it_can_be_imported_from() -> None:
    check = BranchCheck(branches=("main", "release"))
    document = json.loads(json.dumps(check_to_dict(check)))
    assert document == {
        "kind": "tests.integration.verification.branch_check:BranchCheck",
        "branches": ["main", "release"],
    }
    assert check_from_dict(document) == check
    assert check_from_dict(json.loads(json.dumps(check_to_dict(AnyOf([check]))))) == AnyOf([check])


@pytest.mark.parametrize(
    ("branches", "state"),
    [(["main"], State.PASSED), (["feature"], State.FAILED), (["main", "feature"], State.FAILED), (None, State.FAILED)],
)
async def test_the_branch_of_an_image_decides(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, branches: list[str] | None, state: State
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    if branches:
        sandbox.set_properties(f"docker-dev/{image}:1", {LABEL: branches})
    found = await verify(client, ImageReference("docker-dev", image, "1"), [BranchCheck()])
    assert found.state is state


def defer(image: str, *checks: Check) -> VerificationTrigger:
    """Run a sensor until it waits, and return its trigger as the triggerer makes it."""
    sensor = ArtifactoryVerificationSensor(
        task_id="verify", repository="docker-dev", image=image, tag="1", checks=checks, poke_interval=0.01
    )
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    trigger = caught.value.trigger
    assert isinstance(trigger, VerificationTrigger)
    return VerificationTrigger(**json.loads(json.dumps(trigger.serialize()[1])))


async def run(trigger: VerificationTrigger) -> dict[str, Any]:
    async with asyncio.timeout(BOUND), aclosing(trigger.run()) as events:  # type: ignore[type-var]
        [payload] = [event.payload async for event in events]
    assert isinstance(payload, dict)
    return payload


async def test_it_is_asked_by_the_sensor_and_by_its_trigger(
    connect: Callable[..., None], sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {LABEL: "main"})
    trigger = await asyncio.to_thread(defer, image, BranchCheck(), PropertyCheck())
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    event = await run(trigger)
    assert (event["status"], event["digest"]) == ("passed", digest)
    assert event["reason"] == "It was built from main. test.status is 'passed'."
    assert [verdict["state"] for verdict in event["verdicts"]] == ["passed", "passed"]


async def test_one_that_never_answers_lets_the_task_wait_and_others_fail_it(
    connect: Callable[..., None], sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    trigger = await asyncio.to_thread(defer, image, Broken("never answer"), PropertyCheck())
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "failed"})
    event = await run(trigger)
    assert event["status"] == "failed"
    assert event["reason"].startswith("The check broken has not answered within 0.11 s: it is asked again. ")


@pytest.mark.parametrize("does", ["raise", "answer nothing", "say yes"])
def test_one_that_answers_no_verdict_fails_the_task_and_says_so(
    connect: Callable[..., None], sandbox: RunningSandbox, image: str, does: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    sensor = ArtifactoryVerificationSensor(
        task_id="verify", repository="docker-dev", image=image, tag="1", checks=[Broken(does)]
    )
    with pytest.raises(AirflowFailException, match="could not be verified: The check broken has"):
        sensor.execute({})


@pytest.mark.parametrize("does", ["raise", "answer nothing", "say yes", "cannot ask", "never answer"])
async def test_whatever_one_does_what_has_failed_has_failed(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, does: str
) -> None:
    """And whatever it does, what has passed has passed: as one of several of which any is enough."""
    sandbox.push_image(f"docker-dev/{image}:1")
    reference = ImageReference("docker-dev", image, "1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"unit": "passed", "load": "failed"})
    found = await verify(client, reference, [Broken(does), PropertyCheck(name="load")])
    assert found.state is State.FAILED
    assert found.verdicts[1] == ("load", Verdict(State.FAILED, "load is 'failed'.", value="failed"))
    found = await verify(client, reference, [AnyOf([Broken(does), PropertyCheck(name="unit")])])
    assert found.state is State.PASSED
