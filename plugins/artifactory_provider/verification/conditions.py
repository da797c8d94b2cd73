"""Conditions on JSON documents, in JMESPath, bounded: a long, deep or costly one ends as an error, and never as true.

JMESPath (https://jmespath.org/specification.html) can only read, but an expression can make of a small document one of
any size: so every step and everything that comes of it is counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

LARGEST_DOCUMENT = 1024 * 1024
"""Bytes."""
_LONGEST = 1000
_COSTS_A_STEP, _COSTS_AN_ELEMENT = 10, 4
_MOST_COSTS = 3_000_000
_MOST_COSTS_IN_A_THREAD = 10_000_000
_FUNCTIONS = frozenset(Functions.FUNCTION_TABLE)


class ConditionFailed(ValueError):
    """A condition cannot be told of a document; the message says why, and ends without a full stop."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A JMESPath expression.

    :param text: the expression.
    """

    text: str
    _parsed: ParsedResult = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read an expression.

        :param text: at most 1,000 characters, such as ``status == 'passed'``: values stand in single quotes.
        :raises ValueError: when it is none, or names a function that there is not.
        """
        given: object = text
        if not isinstance(given, str) or not 0 < len(given) <= _LONGEST:
            raise ValueError(f"A condition is a JMESPath expression of 1 to {_LONGEST} characters, not {text!r:.60}.")
        try:
            parsed = jmespath.compile(text)
        except (JMESPathError, RecursionError, ValueError) as error:
            raise ValueError(f"{text!r:.200} is no JMESPath expression: {_first_line(error)}.") from None
        _check_calls(parsed.parsed, text)
        return cls(text, parsed)

    def is_true(self, document: Any) -> bool:
        """Return whether it is true of a document: ``true`` itself, and nothing else that JMESPath takes for it.

        :param document: a JSON value, as ``read_document`` reads it.
        :raises ConditionFailed: when that cannot be told.
        """
        return self.find(document) is True

    def explain(self, document: Any) -> str | None:
        """Return why a large document does not meet the condition, or None where it does; call it in a thread.

        :param document: a JSON value.
        """
        try:
            found = self.find(document, costs=_MOST_COSTS_IN_A_THREAD)
        except ConditionFailed as error:
            return f"it cannot be evaluated ({error})"
        return None if found is True else f"it comes to {_show(found)}, not true"

    def find(self, document: Any, *, costs: int = _MOST_COSTS) -> Any:
        """Return what it finds in a document.

        :param document: a JSON value, as ``read_document`` reads it.
        :param costs: what finding it may cost, in tenths of a step; three million are about a second.
        :raises ConditionFailed: when it cannot be used on the document, or is too costly.
        """
        try:
            return _BoundedInterpreter(costs).visit(self._parsed.parsed, document)
        except ConditionFailed:
            raise
        except RecursionError:
            raise ConditionFailed(f"{self.text!r:.200} goes too deep") from None
        except JMESPathTypeError as error:
            # Its own text holds the whole value.
            wrong = f"{error.function_name}() is given a value of type {error.actual_type}"
            raise ConditionFailed(f"{self.text!r:.200} cannot be used on it: {wrong}") from None
        except Exception as error:  # noqa: BLE001 - its library raises of all kinds where it is fed oddly
            raise ConditionFailed(f"{self.text!r:.200} cannot be used on it: {type(error).__name__}") from None


def read_document(content: bytes) -> Any:
    """Return the JSON value of a document of outsiders.

    :param content: at most 1 MiB.
    :raises ValueError: when it is none, too large, too deep, or holds numbers that JSON does not have.
    """
    if len(content) > LARGEST_DOCUMENT:
        raise ValueError(f"There are more than {LARGEST_DOCUMENT} bytes.")
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


class _BoundedInterpreter(TreeInterpreter):
    """An interpreter that counts each step, what comes of it, and what is compared or given to functions."""

    def __init__(self, costs: int) -> None:
        super().__init__()
        self._left = costs

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Take one step of the evaluation.

        :param node: what is evaluated.
        :param args: on which value.
        :param kwargs: none.
        """
        self._spend(_COSTS_A_STEP)
        found = super().visit(node, *args, **kwargs)
        self._spend(_cost_of(found))
        return found

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compare two values.

        :param node: the comparison.
        :param value: what it is evaluated on.
        """
        return super().visit_comparator(self._evaluate_children(node, value), value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Call a function.

        :param node: the call.
        :param value: what it is evaluated on.
        """
        return super().visit_function_expression(self._evaluate_children(node, value), value)

    def _evaluate_children(self, node: Any, value: Any) -> Any:
        """Return a node with the values of its children in their place, which may take as long as they are large."""
        values = [self.visit(child, value) for child in node["children"]]
        for each in values:
            self._weigh(each)
        return {**node, "children": [{"type": "literal", "value": each, "children": []} for each in values]}

    def _weigh(self, value: Any) -> None:
        left = [value]
        while left:
            each = left.pop()
            self._spend(1 + _cost_of(each))
            left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ConditionFailed("The expression takes too many steps on it")


def _cost_of(value: object) -> int:
    """Return what it costs to make a value, in tenths of a step."""
    return (
        _COSTS_AN_ELEMENT * len(value)
        if isinstance(value, list | dict)
        else len(value) // 16
        if isinstance(value, str)
        else 0
    )


def _check_calls(node: Any, text: str) -> None:
    """Refuse an expression that calls what there is not."""
    left = [node]
    while left:
        each = left.pop()
        _check_call(each, text)
        left += [child for child in each["children"] if isinstance(child, dict)]


def _check_call(node: Any, text: str) -> None:
    if node["type"] != "function_expression":
        return
    name, given = node["value"], len(node["children"])
    if name not in _FUNCTIONS:
        raise ValueError(f"{text!r:.200} calls {name}(), which JMESPath does not have.")
    wanted = Functions.FUNCTION_TABLE[name]["signature"]
    if given < len(wanted) or (given > len(wanted) and not wanted[-1].get("variadic")):
        raise ValueError(f"{text!r:.200} gives {name}() {given} arguments; it takes {len(wanted)}.")


def _show(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return json.dumps(value)[:100] if isinstance(value, str | int | float | None) else "an object"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no number {name}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
