from __future__ import annotations

import contextlib
import json
from typing import Any

import jmespath
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
    assert Condition(text).explain(SCAN) is None


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
        ("length(missing) == `0`", "it cannot be evaluated (JMESPathTypeError: "),
        ("scanner.name < `1`", "it cannot be evaluated (TypeError: "),
        ("findings[::0]", "it cannot be evaluated (ValueError: "),
        ("missing == `0`", "it comes to false, not true"),
        ("missing < `1`", "it comes to null, not true"),
    ],
)
def test_whatever_else_a_condition_comes_to_does_not_meet_it(text: str, said: str) -> None:
    assert str(Condition(text).explain(SCAN)).startswith(said)


@given(json_values)
def test_no_document_is_met_by_accident_and_none_is_an_error(document: Any) -> None:
    told = Condition("@").explain(document)
    assert (told is None) == (document is True)


PARTS = ("a", "@", "[", "]", "[]", "*", ".", "|", "&", "!", "(", ")", "'x'", "`1`", "==", "[?", ",", "length(")


@given(st.text(max_size=60) | st.lists(st.sampled_from(PARTS)).map("".join))
def test_a_text_is_a_condition_that_can_be_asked_or_is_refused_as_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        told = Condition(text).explain(SCAN)
        assert told is None or told.startswith("it ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is the text of a JMESPath expression"),
        (None, "is the text of a JMESPath expression"),
        (True, "is the text of a JMESPath expression"),
        ("a = b", "is no JMESPath expression"),
        ("[a, b]", "cannot have a multi select list"),
        ("{a: b}", "cannot have a multi select dict"),
        ("join(', ', a)", "no function 'join'"),
        ("merge(a, b)", "no function 'merge'"),
        ("to_string(a)", "no function 'to_string'"),
        ("nothing(a)", "no function 'nothing'"),
        ("length(a, b)", "'length' in the condition takes 1 arguments, not 2"),
        ("not_null()", "'not_null' in the condition takes 1 arguments, not 0"),
        ("a" * 1001, "1001 characters is too long"),
        ("(" * 500 + "a" + ")" * 499, "is no JMESPath expression"),
        ("a" + " | a" * 45, "nested more than 40 levels deep"),
        ("!" * 60 + "a", "nested more than 40 levels deep"),
    ],
)
def test_what_is_no_condition_is_refused_when_the_dag_is_read(text: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"ondition") as refused:
        Condition(text)
    assert said in str(refused.value)


def test_a_condition_of_too_many_parts_is_refused() -> None:
    tree = "a"
    while len(tree) < 350:
        tree = f"({tree}||{tree})"
    with pytest.raises(ValueError, match="more than 200 parts"):
        Condition(tree)


@pytest.mark.parametrize(
    "step",
    ["[@, @]", "[@, @][]", "{a: @, b: @}", "[to_string(@), to_string(@)] | to_string(@)", "join(to_string(@), [@, @])"],
)
def test_an_expression_that_doubles_its_value_with_every_step_is_refused(step: str) -> None:
    """They are JMESPath: thirty such steps make a gigabyte of one byte."""
    text = " | ".join([step] * 20)
    jmespath.compile(text)
    with pytest.raises(ValueError, match=r"A condition (cannot have|has no function)"):
        Condition(text)


def test_an_evaluation_that_takes_too_long_is_given_up_and_does_not_meet_the_condition() -> None:
    """Without counting the steps this would take minutes."""
    document = [[0] * 1000] * 1000
    text = "[*][*].not_null(" + ", ".join(["a.b.c == d"] * 25) + ") | length(@) == `1000`"
    assert Condition(text).explain(document) == "it takes more than 1000000 steps"


def test_an_ordinary_condition_on_a_large_document_is_answered() -> None:
    packages = [{"name": f"package-{number}", "license": "MIT", "version": str(number)} for number in range(50_000)]
    condition = Condition("length(packages[?license == 'GPL' && starts_with(name, 'x')]) == `0`")
    assert condition.explain({"packages": packages}) is None


def test_a_deep_document_is_no_error() -> None:
    document: Any = 1
    for _ in range(99):
        document = [document]
    assert Condition("@ == @").explain(document) is None
    assert json.loads(json.dumps(document)) == document
