"""Properties in a URL: what is written is what is read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.properties import parse_keys, parse_properties

KEY = st.from_regex(r"[a-zA-Z][a-zA-Z0-9._-]{0,10}", fullmatch=True)
VALUE = st.text(min_size=1, max_size=20)


def escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in ",;|=\\" else character for character in text)


@given(st.dictionaries(KEY, st.lists(VALUE, min_size=1, max_size=3), min_size=1, max_size=4), st.sampled_from(";|"))
def test_escaped_properties_are_read_as_they_were_meant(properties: dict[str, list[str]], separator: str) -> None:
    text = separator.join(f"{key}={','.join(map(escaped, values))}" for key, values in properties.items())
    assert parse_properties(text) == properties


@given(st.lists(KEY, max_size=5))
def test_keys_are_read_one_by_one(keys: list[str]) -> None:
    assert parse_keys(",".join(keys)) == keys


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse_properties(text)
    except Refusal as refusal:
        assert refusal.status == 400  # noqa: PT017


def test_a_key_given_twice_has_all_values() -> None:
    assert parse_properties("a=1;a=2") == {"a": ["1", "2"]}
