"""Conditions on what an attestation says: JMESPath, as far as no expression in it can run for ever.

The language and its parser are those of the package ``jmespath`` (specification: jmespath.org). What makes values of
nothing but an expression is left out of it: multi-select lists and hashes, and the functions ``join``, ``merge`` and
``to_string``. So no value is larger than the document, and no chain of pipes doubles one with every step; each step
takes one pass over the document at most, and the steps are counted.
"""

from __future__ import annotations

import json
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.visitor import Options, TreeInterpreter

_LONGEST = 1000
_MOST_NODES = 200
_DEEPEST = 40
_MOST_STEPS = 1_000_000
_FUNCTIONS = frozenset(Functions.FUNCTION_TABLE) - {"join", "merge", "to_string"}
_NODES = frozenset(
    {
        "and_expression",
        "comparator",
        "current",
        "expref",
        "field",
        "filter_projection",
        "flatten",
        "function_expression",
        "identity",
        "index",
        "index_expression",
        "literal",
        "not_expression",
        "or_expression",
        "pipe",
        "projection",
        "slice",
        "subexpression",
        "value_projection",
    }
)


class Condition:
    """A condition that can be asked about documents.

    :param text: a JMESPath expression that comes to ``true`` where the condition is met.
    :raises ValueError: when it is none, or one that this language does not have.
    """

    def __init__(self, text: object) -> None:
        if not isinstance(text, str) or not text.strip():
            raise ValueError("A condition is the text of a JMESPath expression that comes to true or false.")
        if len(text) > _LONGEST:
            raise ValueError(f"A condition of {len(text)} characters is too long: {_LONGEST} are taken.")
        try:
            self._expression = jmespath.compile(text).parsed
        except (JMESPathError, ValueError, RecursionError) as error:
            raise ValueError(f"The condition {text!r:.200} is no JMESPath expression ({error!s:.200}).") from None
        _check_nodes(self._expression)
        self.text = text

    def explain(self, document: Any) -> str | None:
        """Return why a document does not meet the condition, or None where it does.

        Only ``true`` meets it: not what merely counts as true, nor a condition that cannot be evaluated.

        :param document: a value as JSON has them.
        """
        try:
            found = _Interpreter().visit(self._expression, document)
        except _TooMuchWork:
            return f"it takes more than {_MOST_STEPS} steps"
        except Exception as error:  # noqa: BLE001 - jmespath lets many kinds through, and none is a pass
            return f"it cannot be evaluated ({type(error).__name__}: {error!s:.200})"
        if found is True:
            return None
        return f"it comes to {_show(found)}, not true"


class _TooMuchWork(Exception):
    """A condition has taken all the steps that it may take."""


class _Interpreter(TreeInterpreter):  # type: ignore[misc]
    """JMESPath's own interpreter, its steps counted."""

    def __init__(self) -> None:
        super().__init__(Options(dict_cls=dict))
        self._left = _MOST_STEPS

    def visit(self, node: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Take one step."""
        self._left -= 1
        if self._left < 0:
            raise _TooMuchWork
        return super().visit(node, *args, **kwargs)


def _check_nodes(expression: dict[str, Any]) -> None:
    """Refuse an expression that could make more of a document than it is, or that is large itself."""
    level, nodes = [expression], 0
    for _ in range(_DEEPEST):
        nodes += len(level)
        if nodes > _MOST_NODES:
            raise ValueError(f"The condition has more than {_MOST_NODES} parts: make it simpler.")
        for node in level:
            _check_node(node)
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]
        if not level:
            return
    raise ValueError(f"The condition is nested more than {_DEEPEST} levels deep: make it simpler.")


def _check_node(node: dict[str, Any]) -> None:
    if node["type"] not in _NODES:
        kind = node["type"].replace("_", " ")
        raise ValueError(f"A condition cannot have a {kind}: compare the values one by one, joined by '&&' or '||'.")
    if node["type"] != "function_expression":
        return
    name, given = node["value"], len(node["children"])
    if name not in _FUNCTIONS:
        raise ValueError(f"A condition has no function {name!r:.60}: there are {', '.join(sorted(_FUNCTIONS))}.")
    wanted = Functions.FUNCTION_TABLE[name]["signature"]
    if given < len(wanted) or (given > len(wanted) and not wanted[-1].get("variadic")):
        raise ValueError(f"The function {name!r} in the condition takes {len(wanted)} arguments, not {given}.")


def _show(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return json.dumps(value)[:100] if isinstance(value, str | int | float | None) else "an object"
