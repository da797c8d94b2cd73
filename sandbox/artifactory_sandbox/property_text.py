"""Properties as they stand in a URL: `k=v1,v2;k2=v3`, with backslash escapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from artifactory_sandbox.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORBIDDEN_IN_KEYS = frozenset(")(}{][*+^$\\/~`!@#%&<>;=,±§ ")
_LONGEST = 4000


def parse_properties(text: str) -> dict[str, list[str]]:
    """Read `k=v1,v2;k2=v3`; `;` or `|` separate properties, a backslash takes the next character as it is.

    :param text: the decoded text.
    :raises Refusal: 400, naming the key that is not allowed.
    """
    found: dict[str, list[str]] = {}
    for part in _split(text, ";|"):
        if not part:
            continue
        key, *values = _split(part, "=", limit=1)
        key = _require_key(_unescape(key))
        if not values:
            raise Refusal(400, f"The property '{key}' has no value: write key=value.")
        found.setdefault(key, []).extend(_unescape(value)[:_LONGEST] for value in _split(values[0], ","))
    if not found:
        raise Refusal(400, "No properties are given: write properties=key=value.")
    return found


def parse_document(body: bytes) -> dict[str, list[str]]:
    """Read `{"props": {key: value or values, or null for none}}`.

    :param body: the JSON text.
    :raises Refusal: 400, saying what is wrong.
    """
    try:
        given = json.loads(body)["props"].items()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise Refusal(400, 'The body is not {"props": {"key": "value"}}.') from None
    found: dict[str, list[str]] = {}
    for key, value in given:
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(one, str) for one in values):
            raise Refusal(400, f"The property '{key[:300]}' is no text, list of texts or null.")
        found[_require_key(key)] = [one[:_LONGEST] for one in values]
    return found


def parse_keys(text: str) -> list[str]:
    """Read a list of keys, separated by commas."""
    return [_unescape(key) for key in _split(text, ",") if key]


def _split(text: str, separators: str, limit: int = -1) -> list[str]:
    parts, start = [], 0
    for position in _plain_positions(text):
        if text[position] in separators and limit != 0:
            parts.append(text[start:position])
            start, limit = position + 1, limit - 1
    return [*parts, text[start:]]


def _plain_positions(text: str) -> Iterator[int]:
    position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        yield position
        position += 1


def _unescape(text: str) -> str:
    plain, is_escaped = [], False
    for character in text:
        if character == "\\" and not is_escaped:
            is_escaped = True
            continue
        plain.append(character)
        is_escaped = False
    return "".join(plain)


def _require_key(key: str) -> str:
    wrong = sorted(set(key) & _FORBIDDEN_IN_KEYS)
    if not key or wrong or len(key) > 255:
        reason = f"it holds {wrong[0]!r}" if wrong else "it is empty or longer than 255 characters"
        raise Refusal(400, f"The property key '{key[:300]}' is not valid: {reason}.")
    return key
