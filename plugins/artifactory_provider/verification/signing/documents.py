"""JSON and base64 that anybody may have written: read in one way only, in bounded time and memory, or not at all."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NoReturn

LARGEST_DOCUMENT = 10 * 1024 * 1024
_MOST_PARTS = 1_000_000
_DEEPEST = 100
_URL_SAFE = str.maketrans("-_", "+/")


class Unreadable(ValueError):
    """A document that is not what it should be, or that two readers could read in two ways."""


def read_object(content: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object of a document in UTF-8.

    Refused are names that stand twice in one object (one reader takes the first, another the last), numbers that are
    none in JSON, more than 100 levels, and more than a million parts.

    :param content: the document.
    :param what: what it is, such as ``the envelope``.
    :raises Unreadable: when it cannot be read.
    """
    if len(content) > LARGEST_DOCUMENT:
        raise Unreadable(f"{what} has more than {LARGEST_DOCUMENT} bytes")
    # Counted before anything is made of them: an empty object takes two bytes here and 64 in memory.
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > _MOST_PARTS:
        raise Unreadable(f"{what} has more than {_MOST_PARTS} parts")
    try:
        document = json.loads(content.decode(), object_pairs_hook=_read_pairs, parse_constant=_refuse_constant)
    except Unreadable as error:
        raise Unreadable(f"{what} {error}") from None
    except (ValueError, RecursionError):
        # Not from the parser's error: that holds the whole text.
        raise Unreadable(f"{what} is no JSON") from None
    if not isinstance(document, dict):
        raise Unreadable(f"{what} is no JSON object")
    _check_depth(document, what)
    return document


def read_base64(text: object, what: str) -> bytes:
    """Return the bytes that a text holds in base64, with either alphabet.

    Both are allowed in DSSE envelopes (secure-systems-lab/dsse, ``protocol.md``) and in the JSON form of protocol
    buffers, which bundles are.

    :param text: the text, with its padding.
    :param what: what it is, such as ``the signature``.
    :raises Unreadable: when it holds none, or is cut off.
    """
    if not isinstance(text, str) or not text:
        raise Unreadable(f"{what} is missing")
    try:
        return base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"{what} is no base64, or cut off") from None


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise Unreadable("names one thing twice")
    return document


def _refuse_constant(_name: str) -> NoReturn:
    raise Unreadable("holds a number that JSON does not have")


def _check_depth(document: Any, what: str) -> None:
    level = [document]
    for _ in range(_DEEPEST):
        values = (value.values() if isinstance(value, dict) else value for value in level)
        level = [child for children in values for child in children if isinstance(child, dict | list)]
        if not level:
            return
    raise Unreadable(f"{what} has more than {_DEEPEST} levels")
