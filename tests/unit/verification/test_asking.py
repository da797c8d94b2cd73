"""Whatever a check does instead of answering is no pass, and no end of the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.unit.verification.subjects import Says, make_evidence, make_subject

from artifactory_provider.artifactory.errors import NotFound, ServerFailed
from artifactory_provider.verification import Check, State, Verdict
from artifactory_provider.verification.asking import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.verification import Evidence, Subject

PASSED = Verdict(State.PASSED, "So it is.")


@dataclass(frozen=True)
class Odd(Check):
    """A check that somebody else has written, and not well."""

    time_limit: ClassVar[float | None] = 0.01

    does: str
    name: str = "odd"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Any:
        answers: dict[str, Any] = {
            "too few": [PASSED],
            "too many": [PASSED] * 3,
            "none": None,
            "true": True,
            "trues": [True, True],
            "text": "passed",
            "a state": [State.PASSED, State.PASSED],
            "no state": [Verdict("passed", "So it is."), PASSED],  # type: ignore[arg-type]
            "one verdict": PASSED,
        }
        match self.does:
            case "raise":
                raise RuntimeError("line\n" * 1000)
            case "time out by itself":
                raise TimeoutError
            case "be cancelled by itself":
                raise asyncio.CancelledError
            case "cannot ask":
                raise ServerFailed("It is down.")
            case "must not ask":
                raise NotFound("It is gone.")
            case "never answer":
                await asyncio.Event().wait()
        return answers[self.does]


class Slow(Odd):
    """One that has all the time."""

    time_limit = None

    def __init__(self) -> None:
        super().__init__("never answer")


@pytest.mark.parametrize(
    "does",
    [
        *("raise", "time out by itself", "too few", "too many", "none", "true", "trues", "text", "a state"),
        *("no state", "one verdict", "must not ask", "be cancelled by itself"),
    ],
)
async def test_a_check_that_does_not_answer_properly_leaves_everything_unread(does: str) -> None:
    verdicts = await ask(Odd(does), make_evidence(), [make_subject(), make_subject()])
    assert [verdict.state for verdict in verdicts] == [State.UNREADABLE] * 2
    for verdict in verdicts:
        assert verdict.reason.isprintable()
        assert len(verdict.reason) <= 600


async def test_a_check_that_never_answers_is_asked_again_later() -> None:
    [verdict] = await ask(Odd("never answer"), make_evidence(), [make_subject()])
    assert (verdict.state, verdict.error) == (State.PENDING, None)
    assert verdict.reason == "The check odd has not answered within 0.11 s: it is asked again."


async def test_who_asks_can_be_cancelled() -> None:
    asking = asyncio.create_task(ask(Slow(), make_evidence(), [make_subject()]))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_check_whose_server_is_down_is_asked_again_later() -> None:
    [verdict] = await ask(Odd("cannot ask"), make_evidence(), [make_subject()])
    assert (verdict.state, str(verdict.error)) == (State.PENDING, "It is down.")


async def test_a_check_is_not_asked_about_nothing() -> None:
    assert await ask(Odd("raise"), make_evidence(), []) == []


async def test_what_is_answered_properly_is_passed_on() -> None:
    subjects = [make_subject(), make_subject(tag="2")]
    assert await ask(Says("passed"), make_evidence(), subjects) == [PASSED] * 2
