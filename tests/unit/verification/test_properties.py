from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.verification.subjects import NOW, make_evidence, make_subject

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.verification import PropertyCheck, State, check_from_dict, check_to_dict

if TYPE_CHECKING:
    from artifactory_provider.verification import Verdict

FULL = PropertyCheck(
    name="qa.status",
    passed=("passed", "waived"),
    failed=("failed", "error"),
    pending=("queued", "running"),
    max_age=24 * 3600,
    timestamp="qa.time",
    author="qa.by",
)
AN_HOUR_AGO = "2026-11-28T11:00:00Z"


async def judge(check: PropertyCheck, properties: dict[str, list[str]]) -> Verdict:
    [verdict] = await check.find_verdicts(make_evidence(), [make_subject(properties)])
    return verdict


@pytest.mark.parametrize(
    ("values", "state", "reason"),
    [
        ([], State.PENDING, "test.status is not set."),
        (["passed"], State.PASSED, "test.status is 'passed'."),
        (["failed"], State.FAILED, "test.status is 'failed'."),
        (["running"], State.PENDING, "test.status is 'running'; 'passed' is waited for."),
        (["passed", "running"], State.PENDING, "test.status is 'passed', 'running'; 'passed' is waited for."),
        (["passed", "failed"], State.FAILED, "test.status is 'passed', 'failed'."),
    ],
)
async def test_a_check_with_a_name_alone_says_what_it_always_said(values: list[str], state: State, reason: str) -> None:
    verdict = await judge(PropertyCheck(name="test.status"), {"test.status": values} if values else {})
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize(
    ("values", "state", "reason"),
    [
        (["waived"], State.PASSED, "qa.status is 'waived'."),
        (["passed", "waived"], State.PASSED, "qa.status is 'passed', 'waived'."),
        (["error"], State.FAILED, "qa.status is 'error'."),
        (["waived", "error"], State.FAILED, "qa.status is 'waived', 'error'."),
        (["queued"], State.PENDING, "qa.status is 'queued'; 'passed' or 'waived' is waited for."),
        (
            ["passed", "running"],
            State.PENDING,
            "qa.status is 'passed', 'running', which contradict each other; 'passed' or 'waived' is waited for.",
        ),
        (
            ["Passed"],
            State.PENDING,
            "qa.status is 'Passed', and 'Passed' is no known value; 'passed' or 'waived' is waited for.",
        ),
        ([], State.PENDING, "qa.status is not set."),
    ],
)
async def test_each_kind_of_value_may_have_several_and_one_of_no_kind_waits(
    values: list[str], state: State, reason: str
) -> None:
    verdict = await judge(FULL, {"qa.status": values, "qa.time": [AN_HOUR_AGO]})
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ([], "qa.time is not set: when is unknown"),
        ([AN_HOUR_AGO, "2026-11-28T11:30:00Z"], "qa.time has 2 values: when is unknown"),
        (["2026-11-28T11:00:00"], "qa.time ('2026-11-28T11:00:00') has no time zone"),
        (["2026-11-28"], "has no time zone"),
        (["yesterday"], "qa.time ('yesterday') is no time of ISO 8601"),
        (["1764327600"], "is no time of ISO 8601"),
        ([""], "is no time of ISO 8601"),
        (["0001-01-01T00:00:00+14:00"], "is no time of ISO 8601"),
        ([AN_HOUR_AGO + "0" * 10_000], "is no time of ISO 8601"),
        (["2026-11-28T12:05:01Z"], "lies in the future (2026-11-28 12:05 UTC): check the clocks"),
        (["2026-11-28T15:00:00+00:00"], "lies in the future"),
        (["2026-11-25T11:00:00Z"], "but is 3 days old; at most 24 h: a newer one is waited for."),
        (["2026-11-27T11:59:59Z"], "at most 24 h"),
    ],
)
async def test_a_pass_whose_time_is_missing_unclear_in_the_future_or_long_ago_waits(
    times: list[str], reason: str
) -> None:
    verdict = await judge(FULL, {"qa.status": ["passed"], "qa.time": times})
    assert verdict.state is State.PENDING
    assert reason in verdict.reason
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 700


@pytest.mark.parametrize(
    "time",
    [
        AN_HOUR_AGO,
        "2026-11-28T12:00:00.000+0100",
        "2026-11-28T20:45:00+09:45",
        "2026-11-27T12:00:00Z",
        "20261128T110000Z",
        "2026-11-28T12:04:59Z",
    ],
)
async def test_a_pass_that_is_fresh_passes_in_any_time_zone_and_with_a_clock_a_little_ahead(time: str) -> None:
    verdict = await judge(FULL, {"qa.status": ["passed"], "qa.time": [time]})
    assert verdict.state is State.PASSED
    assert verdict.since == datetime.datetime.fromisoformat(time)


@pytest.mark.parametrize("time", ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "never"])
async def test_a_failure_fails_whatever_its_time(time: str) -> None:
    assert (await judge(FULL, {"qa.status": ["failed"], "qa.time": [time]})).state is State.FAILED


async def test_a_time_that_is_asked_for_must_be_readable_even_where_it_may_be_long_ago() -> None:
    check = PropertyCheck(timestamp="test.time")
    assert (await judge(check, {"test.status": ["passed"], "test.time": ["2001-01-01T00:00Z"]})).state is State.PASSED
    for times in ([], ["soon"], ["2027-01-01T00:00Z"]):
        assert (await judge(check, {"test.status": ["passed"], "test.time": times})).state is State.PENDING


async def test_time_and_author_of_the_evidence_go_into_the_record() -> None:
    verdict = await judge(FULL, {"qa.status": ["passed"], "qa.time": [AN_HOUR_AGO], "qa.by": ["ci\nbot"]})
    assert verdict.as_dict() == {
        "state": "passed",
        "reason": "qa.status is 'passed'.",
        "value": "passed",
        "since": "2026-11-28T11:00:00+00:00",
        "author": "ci\\nbot",
    }
    assert (await judge(FULL, {"qa.status": ["passed"], "qa.time": [AN_HOUR_AGO]})).author is None


@given(
    values=st.lists(st.sampled_from(["passed", "waived", "failed", "error", "queued", "running", "?"]), max_size=4),
    age=st.integers(-2 * 86400, 10 * 86400),
)
async def test_nothing_passes_but_passing_values_alone_that_are_young_enough(values: list[str], age: int) -> None:
    written = (NOW - datetime.timedelta(seconds=age)).isoformat()
    verdict = await judge(FULL, {"qa.status": values, "qa.time": [written]})
    may_pass = bool(values) and set(values) <= {"passed", "waived"} and -300 <= age <= 86400
    assert (verdict.state is State.PASSED) == may_pass
    assert (verdict.state is State.FAILED) == bool(set(values) & {"failed", "error"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"passed": ()}, "a value that passes"),
        ({"passed": ("a", "")}, "not empty"),
        ({"passed": ("a", "b"), "failed": ("c", "b")}, "same value 'b'"),
        ({"pending": ("running", "failed")}, "same value 'failed'"),
        ({"pending": ("running", True)}, "True is a boolean"),
        ({"max_age": 60}, "needs timestamp"),
        ({"max_age": "24h", "timestamp": "t"}, "number of seconds"),
        ({"max_age": 0, "timestamp": "t"}, "number of seconds"),
        ({"max_age": float("nan"), "timestamp": "t"}, "number of seconds"),
        ({"max_age": float("inf"), "timestamp": "t"}, "number of seconds"),
        ({"max_age": True, "timestamp": "t"}, "number of seconds"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused_when_the_dag_is_read(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PropertyCheck(**fields)


@pytest.mark.parametrize("name", ["", "a b", "a=b"])
def test_the_properties_of_time_and_author_need_names_that_artifactory_allows(name: str) -> None:
    with pytest.raises(InvalidReference, match="no property name"):
        PropertyCheck(timestamp=name)
    with pytest.raises(InvalidReference, match="no property name"):
        PropertyCheck(author=name)


def test_all_its_fields_survive_the_way_through_json() -> None:
    assert check_from_dict(json.loads(json.dumps(check_to_dict(FULL)))) == FULL
    assert hash(PropertyCheck(passed=["a", "b"])) == hash(PropertyCheck(passed=("a", "b")))
