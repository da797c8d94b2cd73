"""Artifactory's query language: a query becomes one SQL statement; every value travels as a parameter."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from artifactory_sandbox.items import timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence

_LONGEST_PATTERN = 4000
_DEEPEST, _MOST_CRITERIA = 20, 5000
# The order in which they must come (JFrog's documentation of AQL, "Sorting").
_CALLS = ("find", "include", "sort", "offset", "limit")
_CALL = re.compile(r'\s*\.\s*([a-z]+)\s*\(((?:"(?:\\.|[^"\\])*+"|[^")])*+)\)', re.DOTALL)
_FIELDS = {
    "repo": "repository",
    "path": "CASE path WHEN '' THEN '.' ELSE path END",
    "name": "name",
    "type": "CASE kind WHEN 'folder' THEN 'folder' ELSE 'file' END",
    "size": "size",
    "created": "created",
    "created_by": "created_by",
    "modified": "modified",
    "modified_by": "modified_by",
    "updated": "updated",
    "depth": "length(path) - length(replace(path, '/', '')) + 1 + (path <> '')",
    "sha256": "CASE WHEN digest LIKE 'sha256:%' THEN substr(digest, 8) END",
}
_DEFAULT_FIELDS = {name: column for name, column in _FIELDS.items() if name not in {"depth", "sha256"}}
_PERMITTED = ("id", "repository", "ltrim(path || '/' || name, '/')")
_PLACE = {"repo": "repository", "path": "path", "name": "name"}
_NUMBERS = frozenset({"size", "depth"})
_TIMES = frozenset({"created", "modified", "updated"})
_PATTERNS = {"$match": "GLOB", "$nmatch": "NOT GLOB"}
_OPERATORS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<=", **_PATTERNS}
_POSITIVE = {"$ne": "$eq", "$nmatch": "$match"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2592000, "y": 31536000}
_PERIOD = re.compile(r"(\d{1,6})\s*(s|seconds?|m|minutes?|h|hours?|d|days?|w|weeks?|mo|months?|y|years?)")


class Condition(NamedTuple):
    """A part of a WHERE clause, with the values that belong to it."""

    sql: str
    values: tuple[object, ...] = ()


# No other files than manifests have names of theirs, and manifests have indexes of their own.
_MANIFEST, _IS_MANIFEST = "manifest.json", Condition("kind = 'manifest'")
# JSON objects are read as tuples of pairs, since the same key may stand in one twice.
_Object = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has been understood.

    :param fields: what is shown of each item, in the order of the answer.
    :param properties: the keys of the properties that are shown, `*` for all.
    :param statement: the SELECT: id, then repository and path for the permissions, then the fields.
    :param values: its parameters.
    :param offset: how many items are passed over.
    :param limit: how many items at most; None for all.
    """

    fields: tuple[str, ...]
    properties: Sequence[str]
    statement: str
    values: tuple[object, ...]
    offset: int
    limit: int | None


def select(tx: sqlite3.Connection, query: Query, may_read: Callable[[str, str], bool] | None) -> list[dict[str, Any]]:
    """Return a page; the permissions come before the page is cut, so that no page shows how much is hidden.

    :param tx: what is searched.
    :param query: what is wanted.
    :param may_read: whether the user may see an item, by repository and path; None for one who sees all.
    """
    if may_read is None:
        limits = (-1 if query.limit is None else query.limit, query.offset)
        page = tx.execute(f"{query.statement} LIMIT ? OFFSET ?", (*query.values, *limits)).fetchall()
    else:
        end = None if query.limit is None else query.offset + query.limit
        rows = (row for row in tx.execute(query.statement, query.values) if may_read(*row[1:3]))
        page = list(itertools.islice(rows, query.offset, end))
    results: dict[int, dict[str, Any]] = {}
    for identity, _, _, *values in page:
        shown = zip(query.fields, values, strict=True)
        results[identity] = {field: value for field, value in shown if value is not None}
    if query.properties:
        for result in results.values():
            result["properties"] = []
        properties = "SELECT item, key, value FROM properties WHERE item IN (SELECT value FROM json_each(?))"
        for item, key, value in tx.execute(properties, (json.dumps(list(results)),)):
            if key in query.properties or "*" in query.properties:
                results[item]["properties"].append({"key": key, "value": value})
    return list(results.values())


def parse_query(text: str) -> Query:
    """Read `items.find(…).include(…).sort(…).offset(n).limit(n)`.

    :param text: the query.
    :raises ValueError, KeyError, TypeError, OverflowError: with the part that is not understood.
    """
    calls = _parse_calls(text.strip())
    fields, properties = _parse_include(calls.get("include", []))
    [criteria] = calls["find"] or [()]
    if _size(criteria) > _MOST_CRITERIA:
        raise ValueError(f"more than {_MOST_CRITERIA} criteria")
    only_files = all(key != "type" for key, _ in criteria)
    condition = _conjunction(criteria, only_files)
    if only_files:
        condition = _join("AND", [condition, Condition("kind <> 'folder'")])
    columns, order = ", ".join([*_PERMITTED, *fields.values()]), _parse_order(calls.get("sort", []), fields)
    statement = f"SELECT {columns} FROM items WHERE {condition.sql}{order}"  # noqa: S608
    offset, limit = _parse_number(calls.get("offset", [0])), _parse_number(calls["limit"]) if "limit" in calls else None
    return Query(tuple(fields), properties, statement, condition.values, offset, limit)


def _parse_calls(text: str) -> dict[str, list[Any]]:
    """Split a query into its calls, each with its arguments: JSON values, the objects among them as tuples of pairs."""
    calls: dict[str, list[Any]] = {}
    expected: Sequence[str] = ("find",) if text.startswith("items") else ()
    position = len("items") if expected else 0
    while position < len(text) or not calls:
        call = _CALL.match(text, position)
        try:
            if call is None or call[1] not in expected:
                raise ValueError
            calls[call[1]] = json.loads(f"[{call[2]}]", object_pairs_hook=tuple)
        except (ValueError, RecursionError):
            raise ValueError(text[position:]) from None
        position, expected = call.end(), _CALLS[_CALLS.index(call[1]) + 1 :]
    return calls


def _size(criteria: object, depth: int = 0) -> int:
    """Count criteria, and what they are compared with; refuse what is none, and what lies too deep."""
    if not isinstance(criteria, tuple) or depth > _DEEPEST:
        raise ValueError(_show(criteria))
    size = 1
    for key, value in criteria:
        size += len(value) if isinstance(value, tuple) else 1
        if key in {"$and", "$or", "$msp"} and isinstance(value, list):
            size += sum(_size(part, depth + 1) for part in value)
    return size


def _conjunction(criteria: _Object, only_files: bool) -> Condition:
    """All members of an object must hold."""
    return _join("AND", [_member(key, value, only_files) for key, value in criteria])


def _member(key: str, value: Any, only_files: bool) -> Condition:
    if key in {"$and", "$or", "$msp"}:
        if not isinstance(value, list) or not value:
            raise ValueError(_show(value))
        if key == "$msp":
            return _same_property(value)
        listed = _join_as_list(value, only_files) if key == "$or" else None
        return listed or _join(key[1:].upper(), [_conjunction(part, only_files) for part in value])
    if key not in _FIELDS and not key.startswith("@"):
        raise ValueError(key)
    tests = _parse_tests(value)
    if key.startswith("@"):
        return _join("AND", [_any_property(key[1:], operator, wanted) for operator, wanted in tests])
    conditions = [_field(key, operator, wanted) for operator, wanted in tests]
    names = [wanted for operator, wanted in tests if key == "name" and operator in {"$eq", "$match"}]
    if only_files and any(name.endswith(_MANIFEST) for name in names):
        conditions.append(_IS_MANIFEST)
    return _join("AND", conditions)


def _join_as_list(parts: Sequence[_Object], only_files: bool) -> Condition | None:
    """Look alternatives up in one list, if all give plain values to the same fields that tell where items are."""
    keys, *others = {tuple(key for key, _ in part) for part in parts}
    is_plain = all(isinstance(value, str) for part in parts for _, value in part)
    if others or not is_plain or not len(_PLACE.keys() & keys) == len(keys) > 0 or len(parts) == 1:
        return None
    rows = [tuple("" if (key, value) == ("path", ".") else value for key, value in part) for part in parts]
    columns = [_PLACE[key] for key in keys]
    # SQLite finds its index by the single columns; the rows say which of their combinations are meant.
    lists = [_in(columns, rows)] if len(columns) > 1 else []
    lists += [_in([column], dict.fromkeys((row[at],) for row in rows)) for at, column in enumerate(columns)]
    if only_files and "name" in keys and all(dict(part)["name"].endswith(_MANIFEST) for part in parts):
        lists.append(_IS_MANIFEST)
    return _join("AND", lists)


def _in(columns: Sequence[str], rows: Collection[tuple[object, ...]]) -> Condition:
    marks = f"({', '.join('?' * len(columns))})"
    sql = f"({', '.join(columns)}) IN (VALUES {', '.join([marks] * len(rows))})"
    return Condition(sql, tuple(itertools.chain.from_iterable(rows)))


def _same_property(parts: Sequence[_Object]) -> Condition:
    """One and the same property must pass all tests of its key."""
    by_key: dict[str, list[tuple[str, str]]] = {}
    for key, value in itertools.chain.from_iterable(parts):
        if not key.startswith("@"):
            raise ValueError(key)
        by_key.setdefault(key[1:], []).extend(_parse_tests(value))
    return _join("AND", [_property(key, tests) for key, tests in by_key.items()])


def _property(key: str, tests: Sequence[tuple[str, str]]) -> Condition:
    """An item has a property that passes the tests."""
    wanted = [Condition("key = ?", (key,))] if key != "*" else []
    inner = _join("AND", wanted + [_compare("value", operator, value) for operator, value in tests])
    return Condition(f"id IN (SELECT item FROM properties WHERE {inner.sql})", inner.values)  # noqa: S608


def _any_property(key: str, operator: str, wanted: str) -> Condition:
    """An item has a property that passes a test; or, for a negative one, none that it excludes."""
    found = _property(key, [(_POSITIVE.get(operator, operator), wanted)])
    return Condition(f"NOT {found.sql}", found.values) if operator in _POSITIVE else found


def _parse_tests(value: object) -> list[tuple[str, str]]:
    """Read what a field is compared with: a plain value, or an object of operators."""
    if not isinstance(value, tuple):
        return [("$eq", _text(value))]
    if not value:
        raise ValueError("{}")
    return [(operator, _text(wanted)) for operator, wanted in value]


def _field(name: str, operator: str, wanted: str) -> Condition:
    if name == "type" and operator == "$eq" and wanted == "any":
        return Condition("1")
    if operator in {"$last", "$before"} and name in _TIMES:
        return Condition(f"{name} {'>' if operator == '$last' else '<'} ?", (_ago(wanted),))
    if name == "path" and (plain := _plain_path(operator, wanted)):
        return plain
    if name == "sha256" and operator == "$eq":
        return Condition("digest = ?", (f"sha256:{wanted}",))
    if name in _NUMBERS and operator not in _PATTERNS:
        return _compare(_FIELDS[name], operator, int(wanted[:18]))
    if name in _TIMES and operator not in _PATTERNS:
        moment = datetime.fromisoformat(wanted)
        wanted = timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return _compare(_FIELDS[name], operator, wanted)


def _plain_path(operator: str, wanted: str) -> Condition | None:
    """Compare the plain column, which has an index, where it makes no difference that the top is shown as `.`."""
    if operator == "$eq":
        return Condition("path = ?", ("" if wanted == "." else wanted,))
    if operator == "$match" and wanted and wanted.strip("*") not in {".", "?"}:
        return _join("AND", [*_begins(wanted), _compare("path", operator, wanted)])
    is_order = operator not in {"$ne", *_PATTERNS}
    return _compare("path", operator, wanted) if is_order and wanted > "." else None


def _begins(pattern: str) -> list[Condition]:
    """Say of a path what it begins with, in words that SQLite finds an index by: a pattern's parameter says nothing.

    Of hundreds of them, joined by OR, each is looked up then; SQLite has to be told that few paths begin so.
    """
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if not start or not start.isascii():
        return []
    end = start[:-1] + chr(ord(start[-1]) + 1)
    return [Condition("path >= ?", (start,)), Condition("likelihood(path < ?, 0.001)", (end,))]


def _compare(column: str, operator: str, wanted: str | int) -> Condition:
    if isinstance(wanted, str) and operator in _PATTERNS:
        if len(wanted) > _LONGEST_PATTERN:
            raise ValueError(wanted)
        wanted = wanted.replace("[", "[[]")  # to SQLite, brackets mean something, too
    return Condition(f"{column} {_OPERATORS[operator]} ?", (wanted,))


def _join(word: str, conditions: Sequence[Condition]) -> Condition:
    """Join conditions in halves: SQLite takes a thousand levels, and a plain chain would be as deep as it is long."""
    if len(conditions) <= 1:
        return conditions[0] if conditions else Condition("1")
    middle = len(conditions) // 2
    left, right = _join(word, conditions[:middle]), _join(word, conditions[middle:])
    return Condition(f"({left.sql} {word} {right.sql})", left.values + right.values)


def _parse_include(names: Sequence[object]) -> tuple[Mapping[str, str], list[str]]:
    """Read what is asked for: fields, `*` for all of them, `property` for all properties, `@key` for one."""
    fields: dict[str, str] = {}
    keys: list[str] = []
    for name in map(_text, names):
        if name.startswith("@"):
            keys.append(name[1:])
        elif name.partition(".")[0] == "property":
            keys.append("*")
        elif name == "*":
            fields |= _FIELDS
        else:
            fields[name] = _FIELDS[name]
    return fields or _DEFAULT_FIELDS, keys


def _parse_order(arguments: Sequence[object], fields: Mapping[str, str]) -> str:
    terms: list[str] = []
    for argument in arguments:
        if not isinstance(argument, tuple):
            raise ValueError(_show(argument))
        for direction, names in argument:
            word = {"$asc": "ASC", "$desc": "DESC"}[direction]
            for name in map(_text, names if isinstance(names, list) else [names]):
                column = fields[name]
                terms.append(f"{'path' if name == 'path' else column} {word}")
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _parse_number(arguments: Sequence[object]) -> int:
    [number] = arguments
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**31:
        raise ValueError(_show(number))
    return number


def _ago(period: str) -> str:
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise ValueError(period)
    unit = "mo" if match[2].startswith("mo") else match[2][0]
    return timestamp(datetime.now(UTC) - timedelta(seconds=int(match[1]) * _UNITS[unit]))


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_show(value))
    return str(value)


def _show(value: object) -> str:
    return str(dict(value)) if isinstance(value, tuple) else json.dumps(value)
