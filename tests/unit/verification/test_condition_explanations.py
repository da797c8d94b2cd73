from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.verification.conditions import Condition

SCAN = {
    "scanner": {"name": "trivy", "version": "0.60"},
    "findings": [{"id": "CVE-1", "severity": "LOW"}, {"id": "CVE-2", "severity": "HIGH"}],
    "passed": True,
    "score": 7.5,
    "ok": 1,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "text",
    [
        "passed",
        "scanner.name == 'trivy'",
        "length(findings[?severity == 'CRITICAL']) == `0`",
        "!(findings[?severity == 'CRITICAL'])",
        "score >= `7` && scanner.version != '0.59'",
        "contains(findings[].id, 'CVE-2')",
        "max_by(findings, &id).severity == 'HIGH'",
        "findings | [0].id == 'CVE-1'",
        "sort_by(findings, &id)[-1].id == 'CVE-2'",
        "length(keys(scanner)) == `2`",
        "not_null(missing, passed)",
    ],
)
def test_a_condition_that_comes_to_true_is_met(text: str) -> None:
    assert Condition.parse(text).explain(SCAN) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("length(findings[?severity == 'HIGH']) == `0`", "it comes to false, not true"),
        ("missing", "it comes to null, not true"),
        ("ok", "it comes to 1, not true"),
        ("score", "it comes to 7.5, not true"),
        ("scanner.name", 'it comes to "trivy", not true'),
        ("findings", "it comes to a list of 2, not true"),
        ("scanner", "it comes to an object, not true"),
        ("&passed", "it comes to an object, not true"),
        ("length(missing) == `0`", "it cannot be evaluated ("),
        ("scanner.name < `1`", "it cannot be evaluated ("),
        ("findings[::0]", "it cannot be evaluated ("),
        ("missing == `0`", "it comes to false, not true"),
        ("missing < `1`", "it comes to null, not true"),
    ],
)
def test_whatever_else_a_condition_comes_to_does_not_meet_it(text: str, said: str) -> None:
    assert str(Condition.parse(text).explain(SCAN)).startswith(said)


@given(json_values)
def test_no_document_is_met_by_accident_and_none_is_an_error(document: Any) -> None:
    told = Condition.parse("@").explain(document)
    assert (told is None) == (document is True)


PARTS = ("a", "@", "[", "]", "[]", "*", ".", "|", "&", "!", "(", ")", "'x'", "`1`", "==", "[?", ",", "length(")


@given(st.text(max_size=60) | st.lists(st.sampled_from(PARTS)).map("".join))
def test_a_text_is_a_condition_that_can_be_asked_or_is_refused_as_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        told = Condition.parse(text).explain(SCAN)
        assert told is None or told.startswith("it ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "A condition is a JMESPath expression of 1 to 1000 characters"),
        (None, "A condition is a JMESPath expression of 1 to 1000 characters"),
        (True, "A condition is a JMESPath expression of 1 to 1000 characters"),
        ("a = b", "is no JMESPath expression"),
        ("nothing(a)", "calls nothing(), which JMESPath does not have"),
        ("length(a, b)", "gives length() 2 arguments; it takes 1"),
        ("not_null()", "gives not_null() 0 arguments; it takes 1"),
        ("a" * 1001, "A condition is a JMESPath expression of 1 to 1000 characters"),
        ("(" * 500 + "a" + ")" * 499, "is no JMESPath expression"),
    ],
)
def test_what_is_no_condition_is_refused_when_the_dag_is_read(text: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"JMESPath|arguments") as refused:
        Condition.parse(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "step",
    ["[@, @]", "[@, @][]", "{a: @, b: @}", "[to_string(@), to_string(@)] | to_string(@)", "join(to_string(@), [@, @])"],
)
def test_an_expression_that_doubles_its_value_with_every_step_meets_nothing(step: str) -> None:
    """They are JMESPath: thirty such steps make a gigabyte of one byte."""
    text = " | ".join([step] * 15) + " | length(@) > `0`"
    told = Condition.parse(text).explain([SCAN] * 1000)
    assert told is None or told.startswith("it ")


def test_an_evaluation_that_takes_too_long_is_given_up_and_does_not_meet_the_condition() -> None:
    """Without counting the steps this would take minutes."""
    document = [[0] * 1000] * 1000
    text = "[*][*].not_null(" + ", ".join(["a.b.c == d"] * 25) + ") | length(@) == `1000`"
    assert (
        Condition.parse(text).explain(document) == "it cannot be evaluated (The expression takes too many steps on it)"
    )


def test_an_ordinary_condition_on_a_large_document_is_answered() -> None:
    packages = [{"name": f"package-{number}", "license": "MIT", "version": str(number)} for number in range(50_000)]
    condition = Condition.parse("length(packages[?license == 'GPL' && starts_with(name, 'x')]) == `0`")
    assert condition.explain({"packages": packages}) is None


def test_a_deep_document_is_no_error() -> None:
    document: Any = 1
    for _ in range(99):
        document = [document]
    assert Condition.parse("@ == @").explain(document) is None
    assert json.loads(json.dumps(document)) == document
