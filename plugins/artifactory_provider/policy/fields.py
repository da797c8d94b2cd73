"""Reading the fields of a document's objects, each as what it should be; what is wrong is noted, and the rest read."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from artifactory_provider.policy.durations import read_duration
from artifactory_provider.policy.origins import DEFAULT_ORIGINS, ORIGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.policy.document import Node
    from artifactory_provider.policy.durations import Duration
    from artifactory_provider.policy.origins import Origin
    from artifactory_provider.policy.problems import Problems

MOST_ITEMS = 1000
LONGEST_TEXT = 2000
_READABLE = {"str", "merge", "value"}

T = TypeVar("T")


class Fields:
    """The fields of one object.

    :param node: where the object should be.
    :param problems: where to note what is wrong.
    :param known: the fields that it may have; others are noted.
    """

    def __init__(self, node: Node, problems: Problems, known: Sequence[str]) -> None:
        self.node, self.problems = node, problems
        self._fields: Mapping[str, Node] = {}
        if not isinstance(node.value, Mapping):
            self.add(node, f"{node.in_words}: give an object with the fields {', '.join(known)}.")
            return
        self._fields = node.value
        every = f" There are: {', '.join(known)}."
        for key, value in self._fields.items():
            if key not in known:
                close = "".join(f" Did you mean {one}?" for one in get_close_matches(key, known, n=1))
                self.add(value, f"There is no such field.{close or every}")

    def add(self, node: Node, message: str) -> None:
        """Note what is wrong with a part.

        :param node: the part.
        :param message: a sentence.
        """
        self.problems.add(node.line, node.field, message)

    def get(self, name: str) -> Node | None:
        """Return a field where it is given and not left empty.

        :param name: the field's name.
        """
        node = self._fields.get(name)
        if node is not None and node.kind == "null":
            self.add(node, "It is left empty: fill it in, or leave the field out.")
            return None
        return node

    @property
    def is_object(self) -> bool:
        """Whether there is an object at all."""
        return isinstance(self.node.value, Mapping)

    def is_given(self, name: str) -> bool:
        """Tell whether a field stands there, with whatever value."""
        return name in self._fields

    def require(self, name: str, advice: str) -> Node | None:
        """Return a field that has to be there; its absence is noted.

        :param name: the field's name.
        :param advice: what to write, a sentence.
        """
        if name not in self._fields and self.is_object:
            self.add(self.node, f"The field {name} is missing. {advice}")
        return self.get(name)

    def read(self, node: Node | None, read: Callable[[str], T]) -> T | None:
        """Return what a text says, or None where there is no text, or it does not say that.

        :param node: where the text should be.
        :param read: reads it; a ValueError says what is wrong.
        """
        text = self.read_text(node)
        if node is None or text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.add(node, str(error))
            return None

    def read_text(self, node: Node | None) -> str | None:
        """Return a text that YAML takes for one, printable and not too long; a number or a boolean is none."""
        if node is None:
            return None
        if not isinstance(node.value, str) or node.kind not in _READABLE:
            advice = "quote it, so that it is a text" if isinstance(node.value, str) else "give a text"
            self.add(node, f"{node.in_words}: {advice}.")
            return None
        return self._check_text(node, node.value)

    def _check_text(self, node: Node, text: str) -> str | None:
        if not text.strip():
            self.add(node, "It is an empty text: fill it in, or leave the field out.")
        elif len(text) > LONGEST_TEXT:
            self.add(node, f"It has {len(text):,} characters: at most {LONGEST_TEXT:,} are read.")
        elif not text.isprintable():
            self.add(node, f"{text!r:.60} holds a character that cannot be printed, or a line break: leave it out.")
        else:
            return text
        return None

    def read_choice(self, node: Node | None, choices: Sequence[str]) -> str | None:
        """Return a text that is one of some.

        :param node: where the text should be.
        :param choices: the texts that there are.
        """
        if node is None:
            return None
        if isinstance(node.value, str) and node.kind in _READABLE and node.value in choices:
            return node.value
        given = node.value if isinstance(node.value, str) else ""
        close = "".join(f" Did you mean {one}?" for one in get_close_matches(given, choices, n=1))
        self.add(node, f"{node.in_words}: give {' or '.join(choices)}.{close}")
        return None

    def read_list(self, node: Node | None) -> tuple[Node, ...]:
        """Return the parts of a list, which has at least one."""
        if node is None:
            return ()
        if not isinstance(node.value, tuple):
            self.add(node, f"{node.in_words}: give a list, such as [{_example(node)}].")
            return ()
        if not node.value:
            self.add(node, "It is an empty list: fill it in, or leave the field out.")
        if len(node.value) > MOST_ITEMS:
            self.add(node, f"It has {len(node.value):,} entries: at most {MOST_ITEMS:,} are read.")
            return ()
        return node.value

    def read_texts(self, node: Node | None) -> tuple[str, ...]:
        """Return the texts of a list."""
        texts = [self.read_text(part) for part in self.read_list(node)]
        return tuple(text for text in texts if text is not None)

    def read_number(self, node: Node | None) -> int | None:
        """Return a whole number, written with digits alone."""
        if node is None:
            return None
        text = node.value if isinstance(node.value, str) else ""
        if node.kind == "int" and text.isdecimal() and (text == "0" or not text.startswith("0")) and len(text) < 10:
            return int(text)
        self.add(node, f"{node.in_words}: give a whole number, such as 2.")
        return None

    def read_switch(self, node: Node | None) -> bool | None:
        """Return true or false."""
        if node is None:
            return None
        if node.kind == "bool" and str(node.value).lower() in {"true", "false"}:
            return str(node.value).lower() == "true"
        self.add(node, f"{node.in_words}: give true or false.")
        return None

    def read_duration(self, node: Node | None) -> Duration | None:
        """Return a span of time, such as ``24h``."""
        if node is not None and node.kind in {"int", "float"}:
            self.add(node, f"{node.value} has no unit: write 90m, 24h or 2d, for instance.")
            return None
        return self.read(node, read_duration)

    def read_moment(self, node: Node | None) -> datetime.datetime | None:
        """Return a moment with a time zone, in UTC; YAML may take it for a date of its own."""
        if node is not None and node.kind == "timestamp":
            node = type(node)(node.line, node.field, node.value, "str")
        return self.read(node, _parse_moment)

    def read_origins(self, node: Node | None) -> frozenset[Origin]:
        """Return whom a rule applies to."""
        if node is None:
            return DEFAULT_ORIGINS
        texts = self.read_texts(node)
        for text in texts:
            if text not in ORIGINS:
                close = "".join(f" Did you mean {one}?" for one in get_close_matches(text, ORIGINS, n=1))
                self.add(node, f"{text!r:.60} starts no runs: give some of {', '.join(ORIGINS)}.{close}")
        return frozenset(origin for origin in ORIGINS if origin in texts)


def _parse_moment(text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r:.60} is no moment with a time zone: write 2026-12-18T16:00:00Z, or with +01:00.")
    return moment.astimezone(datetime.UTC)


def _example(node: Node) -> str:
    return f"{node.value!r:.60}" if isinstance(node.value, str) else "…"
