"""Text that others have written, on its way to people."""

from __future__ import annotations

from typing import Any


def make_sendable(value: Any) -> Any:
    """Return a value whose texts can be sent: halves of characters, which JSON may hold, are no characters.

    :param value: a text, a list or an object of texts, or anything else, which is left as it is.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [make_sendable(one) for one in value]
    if isinstance(value, dict):
        return {make_sendable(key): make_sendable(one) for key, one in value.items()}
    return value
