from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.verification.signing.documents import Unreadable, read_base64, read_object

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values))
def test_a_document_is_read_as_json_has_it(document: dict[str, Any]) -> None:
    assert read_object(json.dumps(document).encode(), "it") == document


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no JSON$"),
        (b"{", "it is no JSON$"),
        (b"[]", "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (b'"{}"', "it is no JSON object"),
        (b'{"a": 1, "a": 1}', "it names one thing twice"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "it names one thing twice"),
        (b'{"a": NaN}', "it holds a number that JSON does not have"),
        (b'{"a": -Infinity}', "it holds a number that JSON does not have"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "it is no JSON$"),
        (b'{"a": 1} {"a": 2}', "it is no JSON$"),
        ('{"a": 1}'.encode("utf-16"), "it is no JSON$"),
        (b"\xef\xbb\xbf{}", "it is no JSON$"),
        (b'{"a": "\xff"}', "it is no JSON$"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "it has more than 100 levels"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "it has more than 100 levels"),
        (b'{"a":' * 2_000_000, "it has more than"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "it (is no JSON|has more than 100 levels)$"),
        (b'{"a": [' + b"{}," * 600_000 + b"{}]}", "it has more than 1000000 parts"),
        (b'{"a": "' + b"x" * 10 * 1024 * 1024 + b'"}', "it has more than 10485760 bytes"),
    ],
)
def test_what_cannot_be_read_in_one_way_only_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_object(content, "it")


def test_as_many_levels_as_are_allowed_are_read() -> None:
    content = b'{"a":' * 99 + b"[]" + b"}" * 99
    assert read_object(content, "it")["a"]


@given(st.binary(min_size=1))
def test_both_alphabets_of_base64_are_read(content: bytes) -> None:
    assert read_base64(base64.b64encode(content).decode(), "it") == content
    assert read_base64(base64.urlsafe_b64encode(content).decode(), "it") == content


@pytest.mark.parametrize("text", [None, "", 1, b"aGk=", "aGk", "aGk=\n", "aG k=", "aGk=aGk=", "ä", "\ud800"])
def test_what_is_no_whole_base64_is_refused(text: object) -> None:
    with pytest.raises(Unreadable, match=r"it is (missing|no base64)"):
        read_base64(text, "it")
