"""Many waits of one connection in one event loop, as a triggerer has them."""

from __future__ import annotations

import asyncio
import datetime
import json
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers import BatchVerificationTrigger, VerificationTrigger
from artifactory_provider.triggers.poller import Wait, poller_of
from artifactory_provider.verification import AllOf, AnyOf, Check, PropertyCheck, State, Verdict, check_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.integration.gateway import Gateway

    from artifactory_provider.verification import Evidence, Subject
    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOUND = 60


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


@dataclass(frozen=True)
class OddCheck(Check):
    """Passes all but the images whose tag is odd, of which it thinks nothing useful."""

    way: str

    @property
    def name(self) -> str:
        return "odd"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        if self.way == "raises":
            raise ZeroDivisionError(self.way)
        if self.way == "too few":
            return []
        return [True] * len(subjects)  # type: ignore[list-item]


def trigger(reference: str, *checks: Check, **changes: Any) -> VerificationTrigger:
    written = [check_to_dict(check) for check in checks or (PropertyCheck(),)]
    return VerificationTrigger(
        artifactory_conn_id="artifactory_default", reference=reference, checks=written, poke_interval=0.5, **changes
    )


def batch(references: Sequence[str], *, seconds: float, **changes: Any) -> BatchVerificationTrigger:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    fields: dict[str, Any] = {"checks": [check_to_dict(PropertyCheck())], "poke_interval": 0.5, **changes}
    return BatchVerificationTrigger(
        artifactory_conn_id="artifactory_default", references=references, until=until.isoformat(), **fields
    )


async def event(made: VerificationTrigger | BatchVerificationTrigger) -> Any:
    """Run a trigger to its one event."""
    async with asyncio.timeout(BOUND), aclosing(made.run()) as run:  # type: ignore[type-var]
        (told,) = [one.payload async for one in run]
        return told


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(20 * BOUND):
        if is_so():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"not within {BOUND} s")


def push(sandbox: RunningSandbox, image: str, count: int, *, passed: bool = True) -> list[str]:
    references = [f"docker-dev/{image}:{number}" for number in range(count)]
    for reference in references:
        sandbox.push_image(reference, content=reference)
        if passed:
            sandbox.set_properties(reference, {"test.status": "passed"})
    return references


async def test_many_waits_are_looked_at_by_one_query_and_once_more_before_they_end(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = push(sandbox, image, 60)
    told = await asyncio.gather(*(event(trigger(reference)) for reference in references))
    assert [one["status"] for one in told] == ["passed"] * 60
    assert len({one["digest"] for one in told}) == 60
    assert gateway.count("POST", "/api/search/aql") == len(gateway.requests) == 2


async def test_waits_for_different_properties_are_looked_at_together_and_each_ends_by_its_own(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = push(sandbox, image, 60, passed=False)
    for number, reference in enumerate(references):
        sandbox.set_properties(reference, {f"suite-{number}": "passed" if number % 2 else "failed"})
    checks = [PropertyCheck(name=f"suite-{number}") for number in range(60)]
    told = await asyncio.gather(*(event(trigger(*each)) for each in zip(references, checks, strict=True)))
    assert [one["status"] for one in told] == ["failed", "passed"] * 30
    assert [one["verdicts"][0]["check"] for one in told] == [check.name for check in checks]
    assert gateway.count("POST", "/api/search/aql") == len(gateway.requests) == 2


@pytest.mark.parametrize(
    "apart", [[AllOf([PropertyCheck(), OddCheck("raises")])], [PropertyCheck(), OddCheck("raises")]]
)
async def test_combinations_of_property_checks_are_looked_at_with_the_others_and_those_of_other_checks_apart(
    sandbox: RunningSandbox, gateway: Gateway, image: str, apart: list[Check]
) -> None:
    references = push(sandbox, image, 6)
    either, nested = AnyOf([PropertyCheck(name="suite"), PropertyCheck()]), AllOf([AnyOf([PropertyCheck()])])
    several: list[list[Check]] = [[either], [nested], [either, nested]]
    told = await asyncio.gather(
        *(event(trigger(reference, *apart)) for reference in references[:3]),
        *(event(trigger(reference, *checks)) for reference, checks in zip(references[3:], several, strict=True)),
    )
    assert [one["status"] for one in told] == ["error"] * 3 + ["passed"] * 3
    assert gateway.count("POST", "/api/search/aql") == len(gateway.requests) == 4


async def test_where_the_server_answers_no_queries_each_is_asked_for_and_the_refusal_is_remembered(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = push(sandbox, image, 5, passed=False)
    gateway.rule("POST", "/api/search/aql", reply=Reply(403), does_work=False)
    waiting = [asyncio.create_task(event(trigger(reference))) for reference in references]
    await until(lambda: gateway.count("GET", "properties") >= 10)
    for reference in references:
        sandbox.set_properties(reference, {"test.status": "passed"})
    assert [one["status"] for one in await asyncio.gather(*waiting)] == ["passed"] * 5
    assert gateway.count("POST", "/api/search/aql") == 1


async def test_one_whose_evidence_cannot_be_read_holds_up_no_other(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    good, bad = push(sandbox, image, 2)
    gateway.rule("GET", f"{image}/1/.*properties", reply=Reply(403), does_work=False)
    gateway.rule("GET", f"{image}/0/.*properties", times=1, reply=Reply(503), does_work=False)
    told = await asyncio.gather(event(trigger(good)), event(trigger(bad)))
    assert [one["status"] for one in told] == ["passed", "error"]
    assert "Read on" in told[1]["reason"]


@pytest.mark.parametrize("way", ["raises", "too few", "no verdicts"])
async def test_a_check_that_does_not_answer_ends_its_own_waits_without_a_pass_and_no_others(
    sandbox: RunningSandbox, image: str, way: str
) -> None:
    references = push(sandbox, image, 4)
    told = await asyncio.gather(
        *(event(trigger(reference, OddCheck(way), PropertyCheck())) for reference in references[:2]),
        *(event(trigger(reference)) for reference in references[2:]),
    )
    assert [one["status"] for one in told] == ["error", "error", "passed", "passed"]
    assert "The check odd has" in told[0]["reason"]


async def test_all_waits_back_off_as_one_where_the_server_limits_requests(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = push(sandbox, image, 20)
    gateway.rule("POST", "/api/search/aql", times=8, reply=Reply(429, headers={"Retry-After": "0"}), does_work=False)
    told = await asyncio.gather(*(event(trigger(reference)) for reference in references))
    assert {one["status"] for one in told} == {"passed"}
    assert len(gateway.requests) <= 8 + 2


async def test_what_the_server_refuses_for_now_makes_looks_rarer_and_a_look_that_succeeds_makes_them_as_before(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    (reference,) = push(sandbox, image, 1, passed=False)
    wait = Wait(ImageReference.parse(reference), [check_to_dict(PropertyCheck())])
    poller = poller_of("artifactory_default")
    work_again = gateway.rule("*", "", reply=Reply(503, headers={"Retry-After": "0"}), does_work=False)
    async with asyncio.timeout(BOUND), poller.joined([wait], interval=0.5):
        (group,) = poller._groups.values()
        assert (await wait.news()).error is not None
        await until(lambda: group.backs_off)
        assert group.pause() > 0.5
        work_again()
        assert (await wait.news()).error is None
        await until(lambda: not group.backs_off)
        assert group.pause() == 0.5


async def test_the_poller_ends_with_its_last_wait_and_begins_again_with_the_next(
    sandbox: RunningSandbox, image: str
) -> None:
    references = push(sandbox, image, 3)
    before = asyncio.all_tasks()
    for _ in range(2):
        assert {one["status"] for one in await asyncio.gather(*map(event, map(trigger, references)))} == {"passed"}
        assert asyncio.all_tasks() == before
    assert poller_of("artifactory_default") is poller_of("artifactory_default")


async def test_a_wait_that_is_cancelled_ends_no_other(sandbox: RunningSandbox, gateway: Gateway, image: str) -> None:
    references = push(sandbox, image, 4, passed=False)
    waiting = [asyncio.create_task(event(trigger(reference))) for reference in references]
    await until(lambda: gateway.count("POST", "/api/search/aql") > 0)
    waiting[0].cancel()
    for reference in references:
        sandbox.set_properties(reference, {"test.status": "passed"})
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(told[0], asyncio.CancelledError)
    assert [one["status"] for one in told[1:] if isinstance(one, dict)] == ["passed"] * 3


async def test_two_triggers_of_one_wait_come_to_the_same(sandbox: RunningSandbox, image: str) -> None:
    (reference,) = push(sandbox, image, 1)
    first, second = await asyncio.gather(event(trigger(reference)), event(trigger(reference)))
    assert first == second


async def test_a_connection_that_is_not_there_ends_each_wait_with_its_name(
    sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT")
    references = push(sandbox, image, 3)
    told = await asyncio.gather(*map(event, map(trigger, references)), return_exceptions=True)
    assert all("artifactory_default" in str(one) for one in told)
    assert all(isinstance(one, Exception) for one in told)


async def test_a_tag_that_is_moved_may_be_followed_to_its_new_digest(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    (reference,) = push(sandbox, image, 1, passed=False)
    first = sandbox.push_image(reference, content="first")
    waiting = asyncio.create_task(event(trigger(f"{reference}@{first}", follow=True)))
    await until(lambda: gateway.count("GET", "properties") > 0)
    second = sandbox.push_image(reference, content="second")
    await until(lambda: gateway.count("HEAD", "/manifests/") >= 4)
    sandbox.set_properties(reference, {"test.status": "passed"})
    told = await waiting
    assert (told["status"], told["digest"]) == ("passed", second)


async def test_many_images_wait_in_one_task_which_hands_on_who_has_passed_and_why_others_have_not(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = push(sandbox, image, 6)
    sandbox.set_properties(references[1], {"test.status": "failed"})
    sandbox.set_properties(references[2], {"test.status": "running"})
    sandbox.delete(references[3])
    told = await event(batch(references, seconds=3))
    assert [one.partition("@")[0] for one in told["passed"]] == [references[0], references[4], references[5]]
    held = {one["reference"].partition("@")[0]: (one["status"], one["reason"]) for one in told["held"]}
    assert held[references[1]] == ("failed", "test.status is 'failed'.")
    assert held[references[2]] == ("pending", "test.status is 'running'; 'passed' is waited for.")
    assert held[references[3]][0] == "error"
    assert gateway.count("POST", "/api/search/aql") < 12


async def test_a_set_of_which_all_have_ended_does_not_wait_for_the_time_to_be_over(
    sandbox: RunningSandbox, image: str
) -> None:
    references = push(sandbox, image, 4)
    told = await event(batch(references, seconds=3600))
    assert len(told["passed"]) == 4
    assert told["held"] == []


async def test_verdicts_of_the_property_check_name_value_and_state(sandbox: RunningSandbox, image: str) -> None:
    (reference,) = push(sandbox, image, 1)
    told = await event(trigger(reference))
    assert [(one["check"], one["state"], one["value"]) for one in told["verdicts"]] == [
        ("test.status", State.PASSED.value, "passed")
    ]


@pytest.mark.parametrize("oci", [True, False])
async def test_few_of_many_that_pass_are_looked_at_once_more_by_themselves_whatever_their_media_types(
    sandbox: RunningSandbox, image: str, oci: bool
) -> None:
    references = [f"docker-dev/{image}:{number}" for number in range(4)]
    for reference in references:
        sandbox.push_image(reference, content=reference, oci=oci)
    sandbox.set_properties(references[0], {"test.status": "passed"})
    told = await event(batch(references, seconds=2))
    assert [one.partition("@")[0] for one in told["passed"]] == references[:1]
    assert {one["status"] for one in told["held"]} == {"pending"}


async def test_a_set_that_comes_late_is_looked_at_once_nevertheless(sandbox: RunningSandbox, image: str) -> None:
    references = push(sandbox, image, 3)
    sandbox.set_properties(references[2], {"test.status": "running"})
    told = await event(batch(references, seconds=-3600))
    assert [one.partition("@")[0] for one in told["passed"]] == references[:2]
    assert [one["status"] for one in told["held"]] == ["pending"]


async def test_the_reasons_of_thousands_stay_below_a_megabyte(sandbox: RunningSandbox, image: str) -> None:
    (reference,) = push(sandbox, image, 1, passed=False)
    sandbox.set_properties(reference, {"test.status": "x" * 1000})
    checks = [check_to_dict(PropertyCheck(passed=str(number) * 150)) for number in range(9)]
    (held,) = (await event(batch([reference], seconds=0, checks=checks)))["held"]
    assert 500 < len(held["reason"]) <= 600
    held = (await event(batch([reference] * 1000, seconds=0, checks=checks)))["held"]
    assert all(100 < len(one["reason"]) <= 500 for one in held)


async def test_properties_that_a_query_does_not_tell_are_asked_for_and_not_taken_for_none(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    def leave_out(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        for result in document["results"]:
            del result["properties"]
        return replace(reply, body=json.dumps(document).encode())

    references = push(sandbox, image, 3)
    gateway.rule("POST", "/api/search/aql", reply=leave_out)
    told = await event(batch(references, seconds=3))
    assert len(told["passed"]) == 3
