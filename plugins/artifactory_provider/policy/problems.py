"""What is wrong with a document: all of it at once, each with its line, its field and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.promotion.errors import PromotionError
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 20
_LONGEST = 500
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    :param line: the line in the document, from 1.
    :param field: where, such as ``rules[2].windows.allow[0]``; empty for the document itself.
    :param message: what is wrong and how to mend it: a sentence.
    """

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}{', ' if self.field else ''}{self.field}: {self.message}"


class InvalidDocument(PromotionError, ValueError):
    """A document that people have written cannot be read.

    :param name: what the document is called: the Variable's name, or a file's.
    :param problems: what is wrong, all of it.
    """

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        shown = [f"  {problem}" for problem in problems[:_NAMED]]
        if len(problems) > _NAMED:
            shown.append(f"  … and {len(problems) - _NAMED:,} more")
        number = "an error" if len(problems) == 1 else f"{len(problems):,} errors"
        super().__init__("\n".join([f"{printable(name, longest=200)} has {number}, and cannot be used:", *shown]))
        self.name = name
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[InvalidDocument], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.name, self.problems)


class InvalidPolicy(InvalidDocument):
    """A policy or a stop cannot be read: while it is so, nothing may move."""


class Problems:
    """What has been found wrong so far."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, line: int, field: str, message: str) -> None:
        """Note something that is wrong.

        :param line: the line in the document, from 1.
        :param field: where.
        :param message: what is wrong and how to mend it: a sentence.
        """
        if len(self.found) < _MOST:
            self.found.append(Problem(line, printable(field, longest=200), printable(message, longest=_LONGEST)))

    def raise_any(self, name: str, *, error: type[InvalidDocument] = InvalidPolicy) -> None:
        """Raise what was found, in the order of the lines, if anything was.

        :param name: what the document is called.
        :param error: what to raise.
        :raises InvalidDocument: when something was.
        """
        if self.found:
            raise error(name, sorted(self.found, key=lambda problem: problem.line))
