"""Arguments of operators and sensors: which are known at parse time, and how their values are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


def is_literal(value: Any) -> bool:
    """Return whether an argument is a plain value, neither a template nor another task's result.

    Numbers and booleans are plain, too, although no argument is one: YAML makes them of unquoted tags.
    """
    if isinstance(value, str):
        return not any(mark in value for mark in ("{{", "{%", "{#"))
    return isinstance(value, int | float | bytes)


def check_literal(value: Any, check: Callable[[Any], object]) -> None:
    """Check an argument that is a plain value now; one that is known only when the task runs is left to then.

    :param value: the argument.
    :param check: what raises when the text is not good.
    """
    if is_literal(value):
        check(value)


def as_bool(value: Any, *, name: str = "copy") -> bool:
    """Return the truth value of an argument that may have come out of a template as text.

    :param value: a bool, or ``true``/``false``, ``yes``/``no``, ``1``/``0`` in any case.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when it is neither.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise InvalidPromotion(f"{name} is true or false, not {value!r}.")
