"""The Artifactory Query Language, as far as items go: a query's text becomes one SQL statement with parameters."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from artifactory_sandbox.items import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_QUERY = 256 * 1024
_DEEPEST, _MOST_CRITERIA, _LONGEST_PATTERN = 20, 5000, 4000
# The order in which they must come (JFrog's documentation of AQL, "Sorting").
_PARTS = ("include", "sort", "offset", "limit")
_METHOD = re.compile(r"\s*\.\s*([a-z]+)\s*\(")
_GAP = re.compile(r"\s*(,?)\s*")
_END = re.compile(r"\s*\)")
FIELDS = {
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
_DEFAULT_FIELDS = tuple(name for name in FIELDS if name not in {"depth", "sha256"})
_PLACE = {"repo": "repository", "path": "path", "name": "name"}
_NUMBERS = frozenset({"size", "depth"})
_TIMES = frozenset({"created", "modified", "updated"})
_OPERATORS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<=", "$match": "GLOB"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2592000, "y": 31536000}
_PERIOD = re.compile(r"(\d{1,6})\s*(s|seconds?|m|minutes?|h|hours?|d|days?|w|weeks?|mo|months?|y|years?)")


class QueryError(Exception):
    """A query that cannot be understood; the message is what Artifactory says of it."""


class _Object(tuple[tuple[str, object], ...]):
    """A JSON object with its members in order; the same key may stand in it twice."""

    __slots__ = ()


class Condition(NamedTuple):
    """A part of a WHERE clause, with the values that belong to it."""

    sql: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has been understood.

    :param fields: of each item, in the order of the answer.
    :param properties: the keys of the properties that are shown: None for all, empty for none.
    :param condition: which items.
    :param order: the ORDER BY clause; empty for any order.
    :param offset: how many items are passed over.
    :param limit: how many items at most; None for all.
    """

    fields: tuple[str, ...]
    properties: tuple[str, ...] | None
    condition: Condition
    order: str
    offset: int
    limit: int | None

    @property
    def statement(self) -> str:
        """The SELECT: id, repository, path and name for the permissions, then the fields."""
        columns = ", ".join(FIELDS[field] for field in self.fields)
        order = f" ORDER BY {self.order}" if self.order else ""
        return f"SELECT id, repository, path, name, {columns} FROM items WHERE {self.condition.sql}{order}"  # noqa: S608


def parse_query(text: str) -> Query:
    """Read `items.find(…).include(…).sort(…).offset(n).limit(n)`.

    :param text: the query.
    :raises QueryError: in Artifactory's own words, with the part that is not understood.
    """
    arguments = dict(_calls(text))
    try:
        fields, properties = _included(arguments.get("include", []))
        [criteria] = arguments["find"] or [_Object()]
        compiler = _Compiler(criteria)
        condition = compiler.conjunction(criteria)
        if compiler.files_only:
            condition = _join([condition, Condition("kind <> 'folder'")], "AND")
        order = _order(arguments.get("sort", []), fields)
        offset = _number(arguments.get("offset", [0]))
        limit = _number(arguments["limit"]) if "limit" in arguments else None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _error(text, str(error.args[0] if error.args else text)) from None
    return Query(fields, properties, condition, order, offset, limit)


def _calls(text: str) -> Iterator[tuple[str, list[object]]]:
    """Split a query into its calls, each with its arguments, which are JSON values."""
    decoder = json.JSONDecoder(object_pairs_hook=_Object)
    stripped = text.strip()
    position = 5 if stripped.startswith("items") else 0
    expected: Sequence[str] = ("find",)
    while position < len(stripped) or "find" in expected:
        call = _METHOD.match(stripped, position)
        if call is None or not position or call[1] not in expected:
            raise _error(text, stripped[position:])
        arguments: list[object] = []
        start, position = position, call.end()
        while (end := _END.match(stripped, position)) is None:
            gap = _GAP.match(stripped, position)
            try:
                if gap is None or bool(gap[1]) != bool(arguments):
                    raise ValueError(stripped[position:])
                value, position = decoder.raw_decode(stripped, gap.end())
            except (ValueError, RecursionError):
                raise _error(text, stripped[start:]) from None
            arguments.append(value)
        yield call[1], arguments
        position = end.end()
        expected = _PARTS[_PARTS.index(call[1]) + 1 :] if call[1] in _PARTS else _PARTS


class _Compiler:
    """Turns criteria into SQL; every value travels as a parameter."""

    def __init__(self, criteria: object) -> None:
        self._left = _MOST_CRITERIA
        self.files_only = isinstance(criteria, _Object) and all(key != "type" for key, _ in criteria)

    def conjunction(self, criteria: object, depth: int = 0) -> Condition:
        """All members of an object must hold."""
        return _join([self._member(key, value, depth) for key, value in self._members(criteria, depth)], "AND")

    def _members(self, criteria: object, depth: int) -> _Object:
        if not isinstance(criteria, _Object) or depth > _DEEPEST:
            raise ValueError(_shown(criteria))
        self._left -= 1 + sum(len(value) if isinstance(value, _Object) else 1 for _, value in criteria)
        if self._left < 0:
            raise ValueError(f"more than {_MOST_CRITERIA} criteria")
        return criteria

    def _member(self, key: str, value: object, depth: int) -> Condition:
        if key in {"$and", "$or", "$msp"}:
            if not isinstance(value, list) or not value:
                raise ValueError(_shown(value))
            if key == "$msp":
                return self._same_property(value, depth)
            listed = self._listed(value, depth) if key == "$or" else None
            if listed is not None:
                return listed
            return _join([self.conjunction(part, depth + 1) for part in value], key[1:].upper())
        if key.startswith("@"):
            return _join([self._property(key[1:], [test]) for test in _tests(value)], "AND")
        if key not in FIELDS:
            raise ValueError(key)
        return _join([self._field(key, operator, wanted) for operator, wanted in _tests(value)], "AND")

    def _field(self, name: str, operator: str, wanted: str) -> Condition:
        condition = _field(name, operator, wanted)
        names = [wanted] if name == "name" and operator in {"$eq", "$match"} else []
        return _join([condition, *self._only_manifests(names)], "AND")

    def _only_manifests(self, names: Sequence[object]) -> list[Condition]:
        """No other files than manifests have names of theirs, and manifests have indexes of their own."""
        is_manifest = self.files_only and names and all(str(name).endswith("manifest.json") for name in names)
        return [Condition("kind = 'manifest'")] if is_manifest else []

    def _listed(self, parts: Sequence[object], depth: int) -> Condition | None:
        """Look alternatives up in one list, if all give plain values to the same fields that tell where items are."""
        keys = [key for key, _ in parts[0]] if isinstance(parts[0], _Object) else []
        columns = [_PLACE[key] for key in keys if key in _PLACE]
        if not keys or len(set(columns)) < len(keys) or len(parts) == 1:
            return None
        rows: list[list[object]] = []
        for part in parts:
            if not isinstance(part, _Object) or [key for key, _ in part] != keys:
                return None
            rows.append(["" if key == "path" and value == "." else value for key, value in part])
        if not all(isinstance(value, str) for row in rows for value in row):
            return None
        for part in parts:
            self._members(part, depth + 1)
        # SQLite finds its index by the single columns; the rows say which of their combinations are meant.
        lists = [_in(columns, rows)] if len(columns) > 1 else []
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            lists.append(_in([column], [[value] for value in dict.fromkeys(values)]))
            lists += self._only_manifests(values) if column == "name" else []
        return _join(lists, "AND")

    def _same_property(self, parts: Sequence[object], depth: int) -> Condition:
        """One and the same property must pass all tests of its key."""
        by_key: dict[str, list[tuple[str, str]]] = {}
        for key, value in (member for part in parts for member in self._members(part, depth + 1)):
            if not key.startswith("@"):
                raise ValueError(key)
            by_key.setdefault(key[1:], []).extend(_tests(value))
        return _join([self._property(key, tests, negatable=False) for key, tests in by_key.items()], "AND")

    def _property(self, key: str, tests: Sequence[tuple[str, str]], *, negatable: bool = True) -> Condition:
        """An item has a property that passes the tests; or, for one negative test, none that it excludes."""
        inverted = {"$ne": "$eq", "$nmatch": "$match"}
        is_negated = negatable and tests[0][0] in inverted
        if is_negated:
            tests = [(inverted[tests[0][0]], tests[0][1])]
        wanted = [Condition("key = ?", (key,))] if key != "*" else []
        wanted += [_compare("value", operator, value) for operator, value in tests]
        inner = _join(wanted, "AND")
        word = "NOT IN" if is_negated else "IN"
        return Condition(f"id {word} (SELECT item FROM properties WHERE {inner.sql})", inner.values)  # noqa: S608


def _tests(value: object) -> list[tuple[str, str]]:
    """Read what a field is compared with: a plain value, or an object of operators."""
    if not isinstance(value, _Object):
        return [("$eq", _text(value))]
    if not value:
        raise ValueError("{}")
    return [(operator, _text(wanted)) for operator, wanted in value]


def _field(name: str, operator: str, wanted: str) -> Condition:
    if name == "type" and operator == "$eq" and wanted == "any":
        return Condition("1")
    if operator in {"$last", "$before"} and name in _TIMES:
        return Condition(f"{name} {'>' if operator == '$last' else '<'} ?", (_ago(wanted),))
    if operator == "$nmatch":
        inner = _compare(FIELDS[name], "$match", wanted)
        return Condition(f"NOT ({inner.sql})", inner.values)
    if name == "path":
        return _path(operator, wanted)
    if name == "sha256" and operator == "$eq":
        return Condition("digest = ?", (f"sha256:{wanted}",))
    if name in _NUMBERS and operator != "$match":
        return Condition(f"{FIELDS[name]} {_OPERATORS[operator]} ?", (int(wanted[:18]),))
    if name in _TIMES and operator != "$match":
        moment = datetime.fromisoformat(wanted)
        wanted = timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return _compare(FIELDS[name], operator, wanted)


def _path(operator: str, wanted: str) -> Condition:
    """Compare the plain column, which has an index, wherever it makes no difference that the top is shown as `.`."""
    if operator == "$eq":
        return Condition("path = ?", ("" if wanted == "." else wanted,))
    if operator == "$match" and fnmatchcase("", wanted) == fnmatchcase(".", wanted):
        return _compare("path", operator, wanted)
    return _compare(FIELDS["path"], operator, wanted)


def _compare(column: str, operator: str, wanted: str) -> Condition:
    if operator == "$nmatch":
        return Condition(f"NOT ({column} GLOB ?)", (_glob(wanted),))
    return Condition(f"{column} {_OPERATORS[operator]} ?", (_glob(wanted) if operator == "$match" else wanted,))


def _in(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Condition:
    marks = f"({', '.join('?' * len(columns))})"
    sql = f"({', '.join(columns)}) IN (VALUES {', '.join([marks] * len(rows))})"
    return Condition(sql, tuple(value for row in rows for value in row))


def _glob(pattern: str) -> str:
    """Return a pattern with `*` and `?` for SQLite, to which brackets mean something, too."""
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(pattern)
    return pattern.replace("[", "[[]")


def _join(conditions: Sequence[Condition], word: str) -> Condition:
    """Join conditions in halves: SQLite takes a thousand levels, and a plain chain would be as deep as it is long."""
    if len(conditions) <= 1:
        return conditions[0] if conditions else Condition("1")
    middle = len(conditions) // 2
    left, right = _join(conditions[:middle], word), _join(conditions[middle:], word)
    return Condition(f"({left.sql} {word} {right.sql})", left.values + right.values)


def _included(names: Sequence[object]) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Read what is asked for: fields, `*` for all of them, `property` for all properties, `@key` for one."""
    fields: list[str] = []
    keys: list[str] = []
    has_all = False
    for name in map(_text, names):
        if name.startswith("@"):
            keys.append(name[1:])
        elif name.partition(".")[0] == "property":
            has_all = True
        elif name == "*":
            fields += FIELDS
        elif name in FIELDS:
            fields.append(name)
        else:
            raise ValueError(name)
    return tuple(dict.fromkeys(fields)) or _DEFAULT_FIELDS, None if has_all or "*" in keys else tuple(keys)


def _order(arguments: Sequence[object], fields: Sequence[str]) -> str:
    terms: list[str] = []
    for argument in arguments:
        if not isinstance(argument, _Object):
            raise ValueError(_shown(argument))
        for direction, names in argument:
            word = {"$asc": "ASC", "$desc": "DESC"}[_text(direction)]
            for name in map(_text, names if isinstance(names, list) else [names]):
                if name not in fields:
                    raise ValueError(name)
                terms.append(f"{name if name == 'path' else FIELDS[name]} {word}")
    return ", ".join(terms)


def _number(arguments: Sequence[object]) -> int:
    [number] = arguments
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**31:
        raise ValueError(_shown(number))
    return number


def _ago(period: str) -> str:
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise ValueError(period)
    unit = "mo" if match[2].startswith("mo") else match[2][0]
    return timestamp(datetime.now(UTC) - timedelta(seconds=int(match[1]) * _UNITS[unit]))


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_shown(value))
    return str(value)


def _shown(value: object) -> str:
    return json.dumps(value, default=str)[:300] if not isinstance(value, _Object) else str(dict(value))[:300]


def _error(text: str, rest: str) -> QueryError:
    return QueryError(
        f"Failed to parse query: {text[:1000]}, it looks like there is syntax error near the following sub-query: "
        f"{rest[:300]}"
    )
