from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.verification.subjects import NOW, make_evidence, make_subject

from artifactory_provider.verification import SoakCheck, State, check_from_dict, check_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.verification import Verdict

A_DAY = 24 * 3600
YESTERDAY = datetime.datetime(2026, 11, 27, 10, tzinfo=datetime.UTC)


async def judge(
    arrived: datetime.datetime, properties: Mapping[str, Sequence[str]] | None = None, **fields: Any
) -> Verdict:
    subject = make_subject(properties or {}, arrived=arrived)
    [verdict] = await SoakCheck(at_least=A_DAY, **fields).find_verdicts(make_evidence(), [subject])
    return verdict


async def test_what_has_been_there_for_long_enough_passes_and_the_reason_says_since_when() -> None:
    verdict = await judge(YESTERDAY)
    assert (verdict.state, verdict.since) == (State.PASSED, YESTERDAY)
    assert verdict.reason == "It is in docker-dev since 2026-11-27 10:00 UTC, 26 h."


async def test_what_has_not_waits_and_the_reason_says_until_when() -> None:
    verdict = await judge(YESTERDAY + datetime.timedelta(hours=4))
    assert verdict.state is State.PENDING
    assert verdict.reason == ("It is in docker-dev since 2026-11-27 14:00 UTC, and must be until 2026-11-28 14:00 UTC.")


async def test_a_moment_in_the_future_never_passes() -> None:
    verdict = await judge(NOW + datetime.timedelta(days=400))
    assert verdict.state is State.PENDING
    assert "lies in the future (2028-01-02 12:00 UTC): check the clocks" in verdict.reason


@pytest.mark.parametrize(
    ("times", "state"),
    [
        (["2026-11-27T09:00:00+00:00"], State.PASSED),
        (["2026-11-28T09:00:00+00:00"], State.PENDING),
        (["2026-11-27T09:00:00+00:00", "2026-11-28T09:00:00+00:00"], State.PENDING),
        (["2026-11-27T09:00:00"], State.PENDING),
        (["long ago"], State.PENDING),
    ],
)
async def test_a_promotion_that_is_recorded_as_later_than_the_file_says_counts(times: list[str], state: State) -> None:
    """A server may copy along when a file was written: then it seems to be there for longer than it is."""
    verdict = await judge(YESTERDAY, {"promotion.time": times})
    assert verdict.state is state
    assert (await judge(YESTERDAY, {"promotion.time": times}, record=None)).state is State.PASSED


@given(hours=st.integers(-100, 100), recorded=st.none() | st.integers(-100, 100))
async def test_it_passes_only_when_both_moments_are_long_enough_ago(hours: int, recorded: int | None) -> None:
    ago = [hours] if recorded is None else [hours, recorded]
    arrived, *others = [NOW - datetime.timedelta(hours=each) for each in ago]
    verdict = await judge(arrived, {"promotion.time": [other.isoformat() for other in others]})
    assert (verdict.state is State.PASSED) == (min(ago) >= 24)
    assert verdict.state in {State.PASSED, State.PENDING}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"at_least": 0}, "at_least of a soak check is a number of seconds"),
        ({"at_least": -1}, "number of seconds"),
        ({"at_least": "24h"}, "number of seconds"),
        ({"at_least": float("inf")}, "number of seconds"),
        ({"at_least": 60, "stage": ""}, "no|not a repository key"),
        ({"at_least": 60, "stage": "docker-qa/app"}, "not a repository key"),
        ({"at_least": 60, "record": "a b"}, "no property name"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoakCheck(**fields)


def test_it_is_named_after_where_and_how_long_and_survives_the_way_through_json() -> None:
    check = SoakCheck(at_least=A_DAY, stage="docker-qa")
    assert check.name == "24 h in docker-qa"
    assert SoakCheck(at_least=3 * A_DAY).name == "3 days in its repository"
    assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check
