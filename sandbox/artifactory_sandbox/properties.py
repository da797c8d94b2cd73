"""The grammar of properties, as Artifactory's storage API takes them."""

from __future__ import annotations

import json
import re

from artifactory_sandbox.errors import Refusal

_FORBIDDEN_IN_KEYS = frozenset(")(}{][*+^$\\/~`!@#%&<>;=,±§ ")
_LONGEST_VALUE = 4000
# An item's, and one request's; keys that are only removed count, too.
MOST_VALUES = 1000


def parse_properties(text: str) -> dict[str, list[str]]:
    """Read `k=v1,v2;k2=v3`; `;` or `|` separate properties, a backslash takes the next character as it is.

    :param text: the decoded text.
    :raises Refusal: 400, naming the key that is not allowed, or when there are too many.
    """
    found: dict[str, list[str]] = {}
    for part in filter(None, _split(text, ";|")):
        escaped, *_ = _split(part, "=")
        key, values = _require_key(_unescape(escaped)), part.removeprefix(escaped)
        if not values:
            raise Refusal(400, f"The property '{key}' has no value: write key=value.")
        found.setdefault(key, []).extend(_unescape(value)[:_LONGEST_VALUE] for value in _split(values[1:], ","))
    if not found:
        raise Refusal(400, "No properties are given: write properties=key=value.")
    return _require_few(found)


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
        found[_require_key(key)] = [one[:_LONGEST_VALUE] for one in values]
    return _require_few(found)


def parse_keys(text: str) -> list[str]:
    """Read a list of keys, separated by commas.

    :raises Refusal: 400, when there are too many.
    """
    keys = [_unescape(key) for key in _split(text, ",") if key]
    _require_few({key: [] for key in keys})
    return keys


def _split(text: str, separators: str) -> list[str]:
    """Split a text where a separator stands that no backslash escapes; the backslashes stay."""
    return re.findall(rf"[{separators}]((?:\\.?|[^\\{separators}])*+)", separators[0] + text, re.DOTALL)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.?)", r"\1", text, flags=re.DOTALL)


def _require_few(properties: dict[str, list[str]]) -> dict[str, list[str]]:
    count = sum(max(len(values), 1) for values in properties.values())
    if count > MOST_VALUES:
        raise Refusal(400, f"{count} values of properties are given: {MOST_VALUES} are allowed.")
    return properties


def _require_key(key: str) -> str:
    wrong = sorted(set(key) & _FORBIDDEN_IN_KEYS)
    if not key or wrong or len(key) > 255:
        reason = f"it holds {wrong[0]!r}" if wrong else "it is empty or longer than 255 characters"
        raise Refusal(400, f"The property key '{key[:300]}' is not valid: {reason}.")
    return key
