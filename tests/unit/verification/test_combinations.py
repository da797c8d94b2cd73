from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.verification.subjects import Says, make_evidence, make_subject

from artifactory_provider.artifactory.errors import PermissionDenied, ServerFailed
from artifactory_provider.verification import (
    AllOf,
    AnyOf,
    AtLeast,
    Check,
    PropertyCheck,
    State,
    Verdict,
    check_from_dict,
    check_to_dict,
)
from artifactory_provider.verification.check import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.errors import ArtifactoryError
    from artifactory_provider.verification import Evidence, Subject

states = st.sampled_from([state.value for state in State])
parts = st.lists(states.map(Says), min_size=1, max_size=6)
trees = st.recursive(
    states.map(Says),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda some: (
            st.sampled_from([AllOf(some), AnyOf(some), *(AtLeast(n, some) for n in range(1, len(some) + 1))])
            if all(depth(one) < 3 for one in some)
            else st.just(some[0])
        )
    ),
    max_leaves=8,
)


def depth(check: Check) -> int:
    return 1 + max(map(depth, check.checks)) if isinstance(check, AllOf | AnyOf | AtLeast) else 0


def leaves(check: Check) -> list[str]:
    if isinstance(check, AllOf | AnyOf | AtLeast):
        return [leaf for part in check.checks for leaf in leaves(part)]
    assert isinstance(check, Says)
    return [check.state]


async def judge(check: Check) -> Verdict:
    [verdict] = await check.find_verdicts(make_evidence(), [make_subject()])
    return verdict


@given(parts, st.data())
async def test_at_least_n_is_what_the_number_of_each_answer_says(checks: list[Says], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(checks)))
    told = [check.state for check in checks]
    state = (await judge(AtLeast(n, checks))).state
    if "superseded" in told:
        assert state is State.SUPERSEDED
        return
    passed, may_still = told.count("passed"), told.count("passed") + told.count("pending")
    assert (state is State.PASSED) == (passed >= n)
    assert (state is State.PENDING) == (passed < n <= may_still)
    assert (state is State.FAILED) == (may_still < n and len(told) - told.count("failed") < n)
    assert (state is State.UNREADABLE) == (may_still < n <= len(told) - told.count("failed"))


@given(parts)
async def test_all_and_any_are_the_ends_of_at_least(checks: list[Says]) -> None:
    assert (await judge(AllOf(checks))).state is (await judge(AtLeast(len(checks), checks))).state
    assert (await judge(AnyOf(checks))).state is (await judge(AtLeast(1, checks))).state


@given(trees)
async def test_no_combination_passes_without_a_pass_nor_with_a_part_of_another_digest(check: Check) -> None:
    state = (await judge(check)).state
    if "passed" not in leaves(check):
        assert state is not State.PASSED
    if "superseded" in leaves(check):
        assert state is State.SUPERSEDED
    if "failed" not in leaves(check):
        assert state is not State.FAILED


@given(trees, st.data())
async def test_a_part_that_stops_passing_makes_no_combination_pass(check: Check, data: st.DataObject) -> None:
    passing = [at for at, state in enumerate(leaves(check)) if state == "passed"]
    assume(passing)
    spoilt, _ = _spoil(check, data.draw(st.sampled_from(passing)))
    before, after = (await judge(check)).state, (await judge(spoilt)).state
    assert before is State.PASSED or after is not State.PASSED


def _spoil(check: Check, at: int) -> tuple[Check, int]:
    """Return the check with its leaf of this number failing, and how many leaves it has."""
    if not isinstance(check, AllOf | AnyOf | AtLeast):
        return (Says("failed") if at == 0 else check), 1
    spoilt, seen = [], 0
    for part in check.checks:
        other, count = _spoil(part, at - seen)
        spoilt.append(other)
        seen += count
    return (AtLeast(check.n, spoilt) if isinstance(check, AtLeast) else type(check)(spoilt)), seen


async def test_the_reason_tells_first_of_the_parts_that_are_why() -> None:
    suites = [Says("passed", "Unit passed."), Says("failed", "Load failed."), Says("pending", "Scan runs.")]
    for check, reason in (
        (AllOf(suites), "1 of 3 passed, 3 needed: Load failed. Scan runs. Unit passed."),
        (AnyOf(suites), "1 of 3 passed, 1 needed: Unit passed. Load failed. Scan runs."),
        (AtLeast(2, suites), "1 of 3 passed, 2 needed: Scan runs. Load failed. Unit passed."),
    ):
        assert (await judge(check)).reason == reason


@pytest.mark.parametrize(("told", "count"), [("passed passed failed", 2), ("failed failed pending", 0), ("passed", 1)])
async def test_the_reason_and_the_record_count_what_has_passed_and_nothing_else(told: str, count: int) -> None:
    checks = [Says(state) for state in told.split()]
    verdict = await judge(AllOf(checks))
    assert verdict.reason.startswith(f"{count} of {len(checks)} passed, {len(checks)} needed: ")
    assert verdict.value == f"{count} of {len(checks)} passed"


@given(st.lists(st.text(max_size=800), min_size=1, max_size=50))
async def test_the_reason_is_short_and_in_one_line_whatever_the_parts_say(reasons: list[str]) -> None:
    verdict = await judge(AllOf([Says("pending", reason) for reason in reasons]))
    assert len(verdict.reason) <= 600
    assert verdict.reason.isprintable()
    assert verdict.state is State.PENDING


@dataclass(frozen=True)
class CannotAsk(Check):
    """A check whose server answers with an error."""

    for_good: bool
    name: str = "cannot ask"

    def error(self) -> ArtifactoryError:
        return PermissionDenied("No.") if self.for_good else ServerFailed("Down.")

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        return [unknown(self.error())] * len(subjects)


@pytest.mark.parametrize(
    ("check", "state", "error"),
    [
        (AnyOf([Says("passed"), CannotAsk(for_good=False)]), State.PASSED, None),
        (AnyOf([Says("passed"), CannotAsk(for_good=True)]), State.PASSED, None),
        (AnyOf([Says("pending"), CannotAsk(for_good=True)]), State.PENDING, None),
        (AnyOf([Says("failed"), CannotAsk(for_good=True)]), State.UNREADABLE, PermissionDenied),
        (AnyOf([Says("failed"), CannotAsk(for_good=False)]), State.PENDING, ServerFailed),
        (AllOf([Says("failed"), CannotAsk(for_good=False)]), State.FAILED, None),
        (AllOf([Says("passed"), CannotAsk(for_good=True)]), State.UNREADABLE, PermissionDenied),
    ],
)
async def test_a_part_that_cannot_be_asked_counts_where_it_is_needed(
    check: Check, state: State, error: type[ArtifactoryError] | None
) -> None:
    verdict = await judge(check)
    assert verdict.state is state
    assert type(verdict.error) is (error or type(None))


@dataclass(frozen=True)
class Breaks(Check):
    """A check with a mistake in it."""

    name: str = "breaks"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        raise ZeroDivisionError


async def test_a_part_that_breaks_spoils_no_other() -> None:
    assert (await judge(AnyOf([Breaks(), Says("passed")]))).state is State.PASSED
    assert (await judge(AllOf([Breaks(), Says("passed")]))).state is State.UNREADABLE


async def test_each_digest_is_counted_by_itself() -> None:
    check = AllOf([PropertyCheck(name="unit"), PropertyCheck(name="load")])
    subjects = [
        make_subject({"unit": ["passed"], "load": ["passed"]}),
        make_subject({"unit": ["passed"], "load": ["failed"]}),
        make_subject({"unit": ["passed"]}),
    ]
    verdicts = await check.find_verdicts(make_evidence(), subjects)
    assert [verdict.state for verdict in verdicts] == [State.PASSED, State.FAILED, State.PENDING]


@pytest.mark.parametrize(
    "make",
    [
        lambda: AllOf([]),
        lambda: AnyOf(PropertyCheck()),  # type: ignore[arg-type]
        lambda: AllOf(["unit"]),  # type: ignore[list-item]
        lambda: AllOf([PropertyCheck(), "unit"]),  # type: ignore[list-item]
        lambda: AllOf([PropertyCheck()] * 51),
        lambda: AtLeast(0, [PropertyCheck()]),
        lambda: AtLeast(2, [PropertyCheck()]),
        lambda: AtLeast(True, [PropertyCheck()]),
        lambda: AtLeast("1", [PropertyCheck()]),  # type: ignore[arg-type]
        lambda: AnyOf([AllOf([AnyOf([AllOf([AnyOf([PropertyCheck()])])])])]),
    ],
)
def test_what_combines_nothing_or_too_much_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"combines a list of|needs n from 1|at most 4 deep"):
        make()


def test_a_combination_is_named_after_its_parts_and_survives_the_way_through_json() -> None:
    check = AllOf([PropertyCheck(name="unit"), AtLeast(1, [PropertyCheck(name="load"), AnyOf([PropertyCheck()])])])
    assert check.name == "all of (unit, at least 1 of (load, any of (test.status)))"
    assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check
    assert len(AllOf([PropertyCheck(name="x" * 300)] * 50).name) < 150
