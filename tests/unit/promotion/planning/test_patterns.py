from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.patterns import Patterns

names = st.from_regex(r"[a-z0-9]{1,5}([./_-][a-z0-9]{1,5}){0,3}", fullmatch=True)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["a", "payments/api"], []),
        ("payments/*", ["payments/api", "payments/api/v2"], ["payments", "my/payments/api"]),
        ("1.4.?", ["1.4.2"], ["1.4.12", "1x4.2x"]),
        ("release-[0-9]*", ["release-1", "release-12"], ["release-x"]),
        ("[!v]*", ["1.4.2"], ["v1.4.2"]),
        ("[-a]", ["-", "a"], ["b"]),
        ("1.4.2", ["1.4.2"], ["1x4x2", "v1.4.2", "1.4.20"]),
        ("regex:v?1[.]\\d+", ["1.4", "v1.4"], ["1.4.2", "rc-1.4"]),
        ("regex:a|b", ["a", "b"], ["ab", "xb"]),
    ],
)
def test_a_pattern_is_for_the_whole_name(pattern: str, matching: list[str], others: list[str]) -> None:
    patterns = Patterns((pattern,))
    assert [name for name in (*matching, *others) if patterns.match(name)] == matching


def test_what_is_excluded_is_not_meant_even_where_it_is_named() -> None:
    patterns = Patterns(("1.*", "latest"), ("*-rc*", "latest"))
    assert [name for name in ("1.4", "1.4-rc.1", "latest") if patterns.match(name)] == ["1.4"]
    assert patterns.exact == ()


@given(names)
def test_a_plain_name_matches_itself_and_nothing_else(name: str) -> None:
    patterns = Patterns((name,))
    assert patterns.match(name)
    assert not patterns.match(f"{name}x")
    assert not patterns.match(f"x{name}")
    assert patterns.exact == (name,)


@given(st.text() | st.from_regex(r"[a-z*?\[\]!^.-]{0,12}", fullmatch=True), st.text(), st.booleans())
def test_whatever_is_typed_is_a_pattern_or_refused_with_an_example(text: str, name: str, is_regex: bool) -> None:
    refusal = ""
    try:
        patterns = Patterns((f"regex:{text}" if is_regex else text,))
        patterns.match(name)
    except InvalidPlan as error:
        refusal = str(error)
    assert not refusal or "'payments/*'" in refusal
    assert len(refusal) < 600


@given(st.from_regex(r"[a-c*?]{1,6}", fullmatch=True), st.text("abc/", max_size=8))
def test_what_a_glob_matches_begins_with_one_of_its_prefixes_or_is_named(glob: str, name: str) -> None:
    patterns = Patterns((glob,))
    if patterns.match(name):
        assert name in patterns.exact or name.startswith(patterns.prefixes)


@pytest.mark.parametrize(
    "pattern",
    ["", "[", "[a", "[z-a]", "pay ments/*", "payments/api:1", "*\n", "{a,b}", "regex:", "regex:(", "regex:(?=a)"],
)
def test_an_invalid_pattern_is_refused_with_the_reason_and_an_example(pattern: str) -> None:
    with pytest.raises(InvalidPlan, match=r"no pattern.*Right ones are 'payments/\*'"):
        Patterns((pattern,))
    with pytest.raises(InvalidPlan):
        Patterns(("*",), (pattern,))


@pytest.mark.parametrize("value", ["payments/*", (1,), (), (None,)])
def test_a_text_instead_of_a_list_and_no_pattern_at_all_are_refused(value: Any) -> None:
    with pytest.raises(InvalidPlan):
        Patterns(value)


@pytest.mark.timeout(60)
def test_an_expression_that_would_take_for_ever_elsewhere_is_matched() -> None:
    assert not Patterns(("regex:(a+)+(a|a)*",)).match("a" * 5000 + "b")
    assert not Patterns(("*a" * 40,)).match("a" * 5000 + "b")


def test_patterns_are_values_that_travel_between_processes() -> None:
    patterns = Patterns(["payments/*", "payments/*"], ["*-rc*"])  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(patterns))  # noqa: S301
    assert again == patterns == Patterns(("payments/*",), ("*-rc*",))
    assert again.match("payments/api")
    assert len({again, patterns}) == 1


def test_all_names_are_meant_only_where_nothing_is_left_out() -> None:
    assert Patterns().is_everything
    assert Patterns(("a", "**")).is_everything
    assert not Patterns(("*",), ("latest",)).is_everything
    assert not Patterns(("*a",)).is_everything
