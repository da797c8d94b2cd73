"""Reading a document that people write, as YAML or JSON, into a tree that knows the line and field of everything.

The tree holds texts as they are written: YAML would make a number of ``1.10`` and a boolean of ``on``, and what was
meant would be gone. What could do harm is refused before anything is made of it: aliases, which let a short text stand
for a huge one, tags, which name types, depth and size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_provider.policy.problems import Problems

LONGEST = 256 * 1024
_DEEPEST = 20
_TOO_LONG = f"It is longer than {LONGEST // 1024} KiB, and was not read: give patterns instead of names."
_EMPTY = "It is empty: fill it in, or delete it as a whole."
_HINTS = {
    "alias": ' A text that begins with * is quoted: "*".',
    "cannot start any token": " A text that begins with @, % or ` is quoted, and no line begins with a tab.",
    "comment or line break": ' A text that begins with > or | is quoted: ">=1.4".',
    "mapping values": " A text that holds a colon and a space is quoted.",
    "did not find expected": " A text that holds { or [ is quoted, and what belongs together begins in one column.",
}
_CORE = "tag:yaml.org,2002:"
_CORE_TAGS = {None, "!", *(f"{_CORE}{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map"))}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_KINDS = {
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "null": "nothing",
    "timestamp": "a date",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the document.

    :param line: where it begins, from 1.
    :param field: which part it is, such as ``rules[2].name``.
    :param value: a text as it is written, a list, or an object.
    :param kind: what YAML takes a text for: ``str``, ``int``, ``float``, ``bool``, ``null``, ``timestamp``; else empty.
    """

    line: int
    field: str
    value: str | tuple[Node, ...] | Mapping[str, Node]
    kind: str = ""

    @property
    def in_words(self) -> str:
        """What it is, for a message: ``1.10 is a number``."""
        if isinstance(self.value, str):
            shown = printable(self.value, longest=60)
            return f"{shown or 'This'} is {_KINDS[self.kind]}" if self.kind in _KINDS else f"{shown!r} is a text"
        return "This is an object" if isinstance(self.value, Mapping) else "This is a list"


class _Unreadable(Exception):
    """The document cannot be read any further."""

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(message)
        self.where = (line, field, message)


def read_document(text: str | bytes, problems: Problems, *, needed: str = "version: 1") -> Node | None:
    """Read a document that is one object; what is wrong with it is noted, and None is returned where nothing is left.

    :param text: YAML or JSON; bytes are UTF-8.
    :param problems: where to note what is wrong.
    :param needed: what such an object has to have, for messages.
    """
    try:
        checked = _check_text(text)
        root = _Builder(problems).build(checked)
    except _Unreadable as error:
        problems.add(*error.where)
        return None
    except yaml.YAMLError as error:
        problems.add(*_explain(error))
        return None
    if not isinstance(root.value, Mapping):
        problems.add(root.line, "", f"{root.in_words}: an object is needed, with {needed}.")
        return None
    return root


def _check_text(text: str | bytes) -> str:
    if len(text) > LONGEST:
        raise _Unreadable(1, "", _TOO_LONG)
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        size = len(text.encode())
    except UnicodeError:
        raise _Unreadable(1, "", "It is no UTF-8: save it as UTF-8.") from None
    if size > LONGEST:
        raise _Unreadable(1, "", _TOO_LONG)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _Unreadable(line, "", "It holds a NUL, as binary files do: give text.")
    if not text.strip():
        raise _Unreadable(1, "", _EMPTY)
    if text.lstrip().startswith("{"):
        # JSON may be indented with tabs, and writes characters beyond the first 65,536 as pairs: both are no YAML.
        text = _PAIR.sub(_join_pair, text.replace("\t", " "))
    return text


def _join_pair(found: re.Match[str]) -> str:
    high, low = int(found[2], 16), int(found[3], 16)
    return found[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _explain(error: yaml.YAMLError) -> tuple[int, str, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
    said = f"{what} {getattr(error, 'context', '')}"
    hint = next((hint for words, hint in _HINTS.items() if words in said), "")
    return (mark.line + 1 if mark else 1), "", f"It is neither YAML nor JSON: {what}.{hint}"


def _line_of(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


class _Open:
    """A list or object that is being read."""

    def __init__(self, line: int, field: str, *, is_list: bool) -> None:
        self.line, self.field, self.is_list = line, field, is_list
        self.items: list[Node] = []
        self.fields: dict[str, Node] = {}
        self.key: str | None = None

    def close(self) -> Node:
        return Node(self.line, self.field, tuple(self.items) if self.is_list else self.fields)


class _Builder:
    """Makes the tree of a document of YAML's events, without recursion."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._open: list[_Open] = []
        self._root: Node | None = None

    def build(self, text: str) -> Node:
        for event in self._read_events(text):
            line = _line_of(event)
            if isinstance(event, yaml.CollectionEndEvent):
                self._put(self._open.pop().close())
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(self._open) >= _DEEPEST:
                    raise _Unreadable(line, self._field(), f"Lists and objects stand in each other {_DEEPEST} deep.")
                self._check_place(line)
                is_list = isinstance(event, yaml.SequenceStartEvent)
                self._open.append(_Open(line, self._field(), is_list=is_list))
            elif isinstance(event, yaml.ScalarEvent):
                self._put_text(event, line)
        if self._root is None:
            raise _Unreadable(1, "", _EMPTY)
        return self._root

    def _read_events(self, text: str) -> Iterator[yaml.Event]:
        """Yield the events, as long as there is nothing among them that a document has no need of."""
        for event in yaml.parse(text, Loader=_LOADER):
            line = _line_of(event)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _Unreadable(
                    line, self._field(), 'Anchors and aliases (&, *) are not read: write it out; quote patterns: "*".'
                )
            if (tag := getattr(event, "tag", None)) not in _CORE_TAGS:
                raise _Unreadable(line, self._field(), f"The tag {tag} is not read: leave it out.")
            if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise _Unreadable(line, "", "A second document begins here: give one.")
            yield event

    def _field(self) -> str:
        if not self._open:
            return ""
        last = self._open[-1]
        if last.is_list:
            return f"{last.field}[{len(last.items)}]"
        return f"{last.field}.{last.key}".lstrip(".") if last.key is not None else last.field

    def _check_place(self, line: int) -> None:
        if self._open and not self._open[-1].is_list and self._open[-1].key is None:
            raise _Unreadable(line, self._field(), "A list or an object stands where a key is needed.")

    def _put_text(self, event: yaml.ScalarEvent, line: int) -> None:
        last = self._open[-1] if self._open else None
        if last is not None and not last.is_list and last.key is None:
            last.key = printable(event.value, longest=100)
            return
        kind = event.tag or _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
        self._put(Node(line, self._field(), event.value, kind.removeprefix(_CORE).replace("!", "str")))

    def _put(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        last = self._open[-1]
        if last.is_list:
            last.items.append(node)
            return
        key, last.key = last.key or "", None
        if key in last.fields:
            self._problems.add(node.line, node.field, f"It stands here twice, first in line {last.fields[key].line}.")
        else:
            last.fields[key] = node
