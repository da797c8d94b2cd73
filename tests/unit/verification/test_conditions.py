from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.verification.conditions import Condition, ConditionFailed, read_document

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "document", "expected"),
    [
        ("status == 'passed'", {"status": "passed"}, True),
        ("status == 'passed'", {"status": "Passed"}, False),
        ("status == 'passed'", {}, False),
        ("score >= `90`", {"score": 90}, True),
        ("score >= `90`", {}, False),
        ("ok", {"ok": True}, True),
        ("length(findings[?severity == 'critical']) == `0`", {"findings": [{"severity": "low"}]}, True),
        ("suites[].failed == [`0`, `0`]", {"suites": [{"failed": 0}, {"failed": 0}]}, True),
    ],
)
def test_a_condition_is_what_jmespath_says(text: str, document: Any, expected: bool) -> None:
    assert Condition.parse(text).is_true(document) is expected


@pytest.mark.parametrize("value", ["true", "passed", "false", 1, 0, [True], {"ok": True}, None, "", [], 1.0])
def test_only_true_itself_is_true(value: Any) -> None:
    """JMESPath takes every text that is not empty for true, and so the text 'false'."""
    assert not Condition.parse("ok").is_true({"ok": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "of 1 to 1000 characters"),
        ("a" * 1001, "of 1 to 1000 characters"),
        (None, "of 1 to 1000 characters"),
        ("status = 'passed'", "is no JMESPath expression"),
        ("status == 'passed", "is no JMESPath expression"),
        ("(" * 500, "is no JMESPath expression"),
        ("!" * 999, "is no JMESPath expression"),
        ("[" * 999, "is no JMESPath expression"),
        ("a.b.", "is no JMESPath expression"),
        ("ok && exec('rm')", "calls exec()"),
        ("items[?matches(name, 'x')]", "calls matches()"),
    ],
)
def test_what_is_no_condition_is_refused_when_it_is_read(text: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        Condition.parse(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("length(findings) == `0`", {}),
        ("contains(name, 'a')", {"name": 7}),
        ("sort(@)", [1, "a"]),
        ("score >= `90`", {"score": "90"}),
        ("max_by(@, &n)", [{"n": 1}, {"n": "a"}]),
    ],
)
def test_a_condition_that_does_not_fit_the_document_is_an_error_and_not_untrue(text: str, document: Any) -> None:
    with pytest.raises(ConditionFailed, match="cannot be used on it"):
        Condition.parse(text).is_true(document)


def tell(text: str, document: Any) -> bool | ConditionFailed:
    try:
        return Condition.parse(text).is_true(document)
    except ConditionFailed as error:
        return error


def nested(depth: int) -> Any:
    document: Any = {}
    for _ in range(depth):
        document = {"a": document}
    return document


BOMBS = {
    "doubled lists": " | ".join(["[@, @][]"] * 80),
    "doubled texts": " | ".join(["join('', [@, @])"] * 50),
    "nested lists": " | ".join(["[@, @]"] * 80) + "[*]" * 50,
    "texts of lists": "[@, @][] | " * 40 + "join(',', map(&to_string(@), @))",
    "comparisons": " | ".join(["[@, @]"] * 20) + "[*]" * 20 + " | [?[0] == [1]]",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("document", ["x" * 900_000, ["x" * 1000] * 900, {"a": "x"}, list(range(100_000))])
def test_an_expression_that_makes_much_of_little_ends_as_an_error_or_soon(bomb: str, document: Any) -> None:
    told = tell(bomb, document)
    assert told is False or len(str(told)) < 600


def test_what_is_nested_deeply_ends_as_an_error() -> None:
    with pytest.raises(ConditionFailed, match=r"goes too deep|cannot be used"):
        Condition.parse("to_string(@) == 'x'").is_true(nested(100_000))


@given(documents)
def test_no_document_makes_a_condition_do_anything_but_tell_or_fail(document: Any) -> None:
    for text in (
        "status == 'passed'",
        "length(@) > `3`",
        "sort_by(@, &a)[0].a == `1`",
        "*.*[] | [?@ > `2`] | [0] > `2`",
    ):
        told = tell(text, document)
        assert isinstance(told, bool) or str(told).isprintable()


def test_a_large_document_of_an_honest_kind_is_within_the_bounds() -> None:
    findings = [{"id": f"CVE-{number}", "severity": "low", "fixed": False} for number in range(15_000)]
    assert Condition.parse("length(findings[?severity == 'critical' && !fixed]) == `0`").is_true({"findings": findings})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[" * 100_000,
        b'{"a": 1} {"b": 2}',
        b"\xff\xfe\x00",
        b"[" + b"1," * 600_000 + b"1]",
        b"1" * 10_000,
    ],
)
def test_what_is_no_json_document_of_bearable_size_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        read_document(content)


def test_a_json_document_is_read() -> None:
    assert read_document('{"ä": [1, 2.5, null, true]}'.encode()) == {"ä": [1, 2.5, None, True]}
