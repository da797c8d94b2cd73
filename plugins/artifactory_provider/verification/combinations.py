"""Several checks that count as one: all of them, any of them, at least some number of them."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.verification.asking import ask
from artifactory_provider.verification.check import Check
from artifactory_provider.verification.verdicts import State, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.verification.evidence import Evidence, Subject

_DEEPEST = 4
_MOST_PARTS = 50
_LONGEST_REASON = 500
_LONGEST_NAME = 120
_TOLD_FIRST = (State.SUPERSEDED, State.FAILED, State.UNREADABLE, State.PENDING, State.PASSED)


class Combination(Check):
    """Checks of which some number must pass. Its parts are asked at a time, and each within its own limit of time."""

    checks: Sequence[Check]
    time_limit: ClassVar[float | None] = None

    @property
    @abstractmethod
    def needed(self) -> int:
        """How many of the parts must pass."""

    def _check_parts(self) -> None:
        given: object = self.checks
        parts = tuple(given) if isinstance(given, list | tuple) else ()
        object.__setattr__(self, "checks", parts)
        if not all(isinstance(check, Check) for check in parts) or not 1 <= len(parts) <= _MOST_PARTS:
            raise ValueError(
                f"{type(self).__name__} combines a list of 1 to {_MOST_PARTS} checks, such as [PropertyCheck(), …]."
            )
        if depth_of(self) > _DEEPEST:
            raise ValueError(f"Combinations stand in each other at most {_DEEPEST} deep.")

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Ask all parts, and count what they say of each digest."""
        told = await concurrently(lambda check: ask(check, evidence, subjects), self.checks, at_once=_MOST_PARTS)
        return [self._judge([verdicts[at] for verdicts in told]) for at in range(len(subjects))]

    def _judge(self, verdicts: Sequence[Verdict]) -> Verdict:
        states = Counter(verdict.state for verdict in verdicts)
        state = self._state_of(states)
        value = f"{states[State.PASSED]} of {self.needed} passed"
        # A part's error is the whole's only where the part is why: others may come true without it.
        waits = state in {State.PENDING, State.UNREADABLE}
        errors = [verdict.error for verdict in verdicts if waits and verdict.state is state]
        return Verdict(state, self._explain(state, verdicts), value=value, error=next(filter(None, errors), None))

    def _state_of(self, states: Counter[State]) -> State:
        if states[State.SUPERSEDED]:
            # The tag has moved while it was looked at: none of the parts is known to have spoken of this digest.
            return State.SUPERSEDED
        if states[State.PASSED] >= self.needed:
            return State.PASSED
        if states[State.PASSED] + states[State.PENDING] >= self.needed:
            return State.PENDING
        if states.total() - states[State.FAILED] < self.needed:
            return State.FAILED
        return State.UNREADABLE

    def _explain(self, state: State, verdicts: Sequence[Verdict]) -> str:
        """Return what the parts say; those first that are why, or stand in the way."""
        order = sorted(verdicts, key=lambda verdict: (verdict.state is not state, _TOLD_FIRST.index(verdict.state)))
        reasons = list(dict.fromkeys(verdict.reason for verdict in order))
        told: list[str] = []
        left = _LONGEST_REASON
        longest = max(_LONGEST_REASON // len(reasons), 60)
        for reason in reasons:
            shown = reason if len(reason) <= longest else f"{reason[: longest - 1]}…"
            if len(shown) > left:
                told.append(f"And {len(reasons) - len(told)} more.")
                break
            told.append(shown)
            left -= len(shown) + 1
        passed = sum(verdict.state is State.PASSED for verdict in verdicts)
        return f"{passed} of {len(verdicts)} passed, {self.needed} needed: {' '.join(told)}"


@dataclass(frozen=True)
class AllOf(Combination):
    """Checks that all must pass; it fails as soon as one fails.

    :param checks: the checks, among them other combinations.
    :raises ValueError: when there is none, or there are too many, or they stand too deep in each other.
    """

    kind: ClassVar[str] = "all_of"

    checks: Sequence[Check]

    def __post_init__(self) -> None:
        self._check_parts()

    @property
    def name(self) -> str:
        """Its kind and its parts."""
        return f"all of ({_names(self)})"

    @property
    def needed(self) -> int:
        """All."""
        return len(self.checks)


@dataclass(frozen=True)
class AnyOf(Combination):
    """Checks of which one must pass; it fails when all have failed.

    :param checks: the checks, among them other combinations.
    :raises ValueError: when there is none, or there are too many, or they stand too deep in each other.
    """

    kind: ClassVar[str] = "any_of"

    checks: Sequence[Check]

    def __post_init__(self) -> None:
        self._check_parts()

    @property
    def name(self) -> str:
        """Its kind and its parts."""
        return f"any of ({_names(self)})"

    @property
    def needed(self) -> int:
        """One."""
        return 1


@dataclass(frozen=True)
class AtLeast(Combination):
    """Checks of which some number must pass; it fails when so many have failed that it can no longer come true.

    :param n: how many must pass.
    :param checks: the checks, among them other combinations.
    :raises ValueError: when there are fewer than ``n``, or too many, or they stand too deep in each other.
    """

    kind: ClassVar[str] = "at_least"

    n: int
    checks: Sequence[Check]

    def __post_init__(self) -> None:
        self._check_parts()
        given: object = self.n
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= len(self.checks):
            raise ValueError(f"AtLeast needs n from 1 to the number of its checks, {len(self.checks)}, not {self.n!r}.")

    @property
    def name(self) -> str:
        """Its kind and its parts."""
        return f"at least {self.n} of ({_names(self)})"

    @property
    def needed(self) -> int:
        """``n``."""
        return self.n


def depth_of(check: Check) -> int:
    """Return how deep combinations stand in each other; 0 for a check that is none.

    :param check: any check.
    """
    parts = check.checks if isinstance(check, Combination) else ()
    return 1 + max(map(depth_of, parts)) if parts else 0


def _names(combination: Combination) -> str:
    named = ", ".join(check.name for check in combination.checks)
    return named if len(named) <= _LONGEST_NAME else f"{named[: _LONGEST_NAME - 1]}…"
