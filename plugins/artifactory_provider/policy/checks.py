"""The checks that a rule asks for, in the form that checks have everywhere, or in a shorter one for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.durations import read_duration
from artifactory_provider.verification.check import Check, check_from_dict, find_kinds

if TYPE_CHECKING:
    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.fields import Fields
    from artifactory_provider.policy.problems import Problems

_MAIN_FIELDS = {"all_of": "checks", "any_of": "checks", "property": "name", "soak": "at_least"}
_IN_SECONDS = {"at_least", "max_age", "timeout"}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")


class _NoValue(ValueError):
    """A part of a check has no value that JSON could have."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def read_checks(node: Node | None, fields: Fields) -> tuple[Check, ...]:
    """Read the checks that a rule asks for, each once.

    :param node: the list of checks, if there is one.
    :param fields: the rule's fields.
    """
    checks: list[Check] = []
    for part in fields.read_list(node):
        check = read_check(part, fields.problems)
        if check is not None and check not in checks:
            checks.append(check)
    return tuple(checks)


def read_check(node: Node, problems: Problems) -> Check | None:
    """Read one check; None where it is none.

    :param node: the object.
    :param problems: where to note what is wrong.
    """
    try:
        return check_from_dict(_write_out(node))
    except _NoValue as error:
        problems.add(error.node.line, error.node.field, str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything when it is imported
        problems.add(node.line, node.field, f"It is no check: {str(error) or type(error).__name__}")
    return None


def _write_out(node: Node) -> dict[str, Any]:
    """Return the form with ``kind`` that a check has everywhere."""
    fields = node.value
    if not isinstance(fields, Mapping):
        raise _NoValue(node, f"{node.in_words}: a check is an object, such as {{property: qa.test.status}}.")
    if "kind" in fields:
        return {name: _read_value(name, value) for name, value in fields.items()}
    if len(fields) != 1:
        raise _NoValue(node, "A check has the field kind and its own ones, or one field alone, named after its kind.")
    [(kind, value)] = fields.items()
    if kind not in find_kinds() and ":" not in kind:
        close = "".join(f" Did you mean {one}?" for one in get_close_matches(kind, find_kinds(), n=1))
        raise _NoValue(value, f"There is no check of that kind: there are {', '.join(find_kinds())}.{close}")
    if isinstance(value.value, Mapping):
        return {"kind": kind, **{name: _read_value(name, part) for name, part in value.value.items()}}
    if value.kind == "null":
        return {"kind": kind}
    main = _MAIN_FIELDS.get(kind)
    if main is None:
        raise _NoValue(value, f"Give an object with the fields of the check {kind}, or nothing for its defaults.")
    return {"kind": kind, main: _read_value(main, value)}


def _read_value(name: str, node: Node) -> Any:
    """Return a value as JSON has it."""
    if isinstance(node.value, Mapping):
        return {key: _read_value(key, part) for key, part in node.value.items()}
    if isinstance(node.value, tuple):
        if name == "checks":
            return [_write_out(part) for part in node.value]
        return [_read_value("", part) for part in node.value]
    if name in _IN_SECONDS and node.kind == "str" and node.value[:1].isdigit():
        return _read_seconds(node, node.value)
    return _read_scalar(node, node.value)


def _read_seconds(node: Node, text: str) -> float:
    try:
        return read_duration(text).span.total_seconds()
    except ValueError as error:
        raise _NoValue(node, str(error)) from error


def _read_scalar(node: Node, text: str) -> Any:
    if node.kind in {"int", "float"}:
        if not (found := _NUMBER.fullmatch(text)):
            raise _NoValue(node, f"{text:.60} is a number that YAML may read as another: quote it, or write digits.")
        return float(text) if found[1] else int(text)
    if node.kind == "bool":
        if text.lower() not in {"true", "false"}:
            raise _NoValue(node, f"{text:.60} is a boolean to YAML: quote it, or write true or false.")
        return text.lower() == "true"
    if node.kind == "timestamp":
        raise _NoValue(node, f"{text:.60} is a date to YAML: quote it.")
    return None if node.kind == "null" else text
