"""Waits of one connection whose looks go wrong, or never end: each group of them only harms itself."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers import VerificationTrigger
from artifactory_provider.triggers.poller import Wait, poller_of
from artifactory_provider.verification import Check, PropertyCheck, State, Verdict, check_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.verification import Evidence, Subject
    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOUND = 20
CONNECTION = "artifactory_default"


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


@dataclass(frozen=True)
class EndlessCheck(Check):
    """Never answers, and has no time limit."""

    time_limit: ClassVar[float | None] = None

    number: int = 0

    @property
    def name(self) -> str:
        return "endless"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        await asyncio.Event().wait()
        return []


@dataclass(frozen=True)
class CancelledCheck(Check):
    """Asks something that is cancelled."""

    @property
    def name(self) -> str:
        return "cancelled"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        raise asyncio.CancelledError


seen_in: list[dict[Any, Any]] = []


@dataclass(frozen=True)
class ContextCheck(Check):
    """Tells in which context it is asked."""

    @property
    def name(self) -> str:
        return "context"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        seen_in.append({variable.name: value for variable, value in contextvars.copy_context().items()})
        return [Verdict(State.PASSED, "Passed.") for _ in subjects]


def trigger(reference: str, *checks: Check, written: list[dict[str, Any]] | None = None) -> VerificationTrigger:
    return VerificationTrigger(
        artifactory_conn_id=CONNECTION,
        reference=reference,
        checks=written or [check_to_dict(check) for check in checks or (PropertyCheck(),)],
        poke_interval=0.5,
    )


async def event(made: VerificationTrigger) -> Any:
    """Run a trigger to its one event."""
    async with asyncio.timeout(BOUND), aclosing(made.run()) as run:  # type: ignore[type-var]
        (told,) = [one.payload async for one in run]
        return told


def push(sandbox: RunningSandbox, image: str, count: int, *, passed: bool = True) -> list[str]:
    references = [f"docker-dev/{image}:{number}" for number in range(count)]
    for reference in references:
        sandbox.push_image(reference, content=reference)
        if passed:
            sandbox.set_properties(reference, {"test.status": "passed"})
    return references


@pytest.mark.parametrize("written", [{"kind": "no_such_module:Check"}, {"kind": "property", "name": ""}])
async def test_checks_that_cannot_be_read_here_end_their_own_wait_alone(
    sandbox: RunningSandbox, image: str, written: dict[str, Any]
) -> None:
    bad, good = push(sandbox, image, 2)
    unreadable = trigger(bad, written=[written])
    told = await asyncio.gather(event(unreadable), event(trigger(good)), return_exceptions=True)
    assert isinstance(told[0], ValueError)
    assert isinstance(told[1], dict)
    assert told[1]["status"] == "passed"


async def test_a_check_that_never_answers_holds_up_no_waits_for_other_checks(
    sandbox: RunningSandbox, image: str
) -> None:
    endless, good = push(sandbox, image, 2)
    waiting = asyncio.create_task(event(trigger(endless, EndlessCheck())))
    await asyncio.sleep(0)
    told = await event(trigger(good))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert told["status"] == "passed"


async def test_however_many_checks_never_answer_others_have_their_turn(
    sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifactory_provider.triggers.poller._LONGEST_TURN", 0.1)
    (reference,) = push(sandbox, image, 1)
    endless = [asyncio.create_task(event(trigger(reference, EndlessCheck(number)))) for number in range(40)]
    await asyncio.sleep(0)
    told = await event(trigger(reference))
    for waiting in endless:
        waiting.cancel()
    await asyncio.gather(*endless, return_exceptions=True)
    assert told["status"] == "passed"


async def test_a_poller_that_dies_tells_its_waits_and_the_next_wait_has_another(
    sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reference,) = push(sandbox, image, 1)
    poller = poller_of(CONNECTION)
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "artifactory_provider.hooks.artifactory", None)
        with pytest.raises(ImportError):
            await event(trigger(reference))
    assert (await event(trigger(reference)))["status"] == "passed"
    assert poller_of(CONNECTION) is poller


async def test_a_poller_that_is_cancelled_by_others_leaves_nobody_waiting(sandbox: RunningSandbox, image: str) -> None:
    (reference,) = push(sandbox, image, 1, passed=False)
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(event(trigger(reference)))
    await asyncio.sleep(0)
    (looking,) = asyncio.all_tasks() - before - {waiting}
    looking.cancel()
    with pytest.raises(RuntimeError, match="Nobody looks any more"):
        await waiting


@pytest.mark.parametrize("others", [[], [PropertyCheck()]])
async def test_a_check_that_is_cancelled_from_within_ends_its_wait(
    sandbox: RunningSandbox, image: str, others: list[Check]
) -> None:
    (reference,) = push(sandbox, image, 1)
    told = await event(trigger(reference, CancelledCheck(), *others))
    assert told["status"] == "error"
    assert "cancelled" in told["reason"]


async def test_what_the_poller_does_is_not_done_in_the_name_of_the_first_who_waits(
    sandbox: RunningSandbox, image: str
) -> None:
    (reference,) = push(sandbox, image, 1)
    contextvars.ContextVar[int]("trigger_id").set(1)
    seen_in.clear()
    assert (await event(trigger(reference, ContextCheck())))["status"] == "passed"
    assert [told for told in seen_in if "trigger_id" in told] == []
    assert seen_in


async def test_to_begin_to_wait_again_and_again_keeps_no_more_garbage_for_ever(
    sandbox: RunningSandbox, image: str
) -> None:
    (reference,) = push(sandbox, image, 1)
    await event(trigger(reference))
    kept = gc.get_freeze_count()
    await event(trigger(reference))
    assert gc.get_freeze_count() <= kept


async def test_who_joins_later_does_not_wait_for_the_others_interval(sandbox: RunningSandbox, image: str) -> None:
    pending, good = push(sandbox, image, 2, passed=False)
    waits = [Wait(ImageReference.parse(one), [check_to_dict(PropertyCheck())]) for one in (pending, good)]
    poller = poller_of(CONNECTION)
    async with asyncio.timeout(BOUND), poller.joined(waits[:1], interval=3600):
        assert (await waits[0].news()).state is State.PENDING
        sandbox.set_properties(good, {"test.status": "passed"})
        async with poller.joined(waits[1:], interval=3600):
            assert (await waits[1].news()).state is State.PASSED


async def test_a_connection_that_cannot_be_read_for_a_moment_ends_no_wait(
    sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reference,) = push(sandbox, image, 1, passed=False)
    wait = Wait(ImageReference.parse(reference), [check_to_dict(PropertyCheck())])
    async with asyncio.timeout(BOUND), poller_of(CONNECTION).joined([wait], interval=0.5):
        assert (await wait.news()).error is None
        with monkeypatch.context() as broken:
            broken.delenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT")
            assert "cannot be read (AirflowNotFoundException)" in (await wait.news()).reason
        sandbox.set_properties(reference, {"test.status": "passed"})
        while not (found := await wait.news()).is_settled:
            pass
    assert found.state is State.PASSED
