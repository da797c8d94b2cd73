"""Patterns of names, as people type them into a form: globs and regular expressions, matched in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import re2

from artifactory_provider.promotion.errors import InvalidPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_REGEX = "regex:"
_LONGEST = 1000
_EXAMPLES = "Right ones are 'payments/*', '1.4.?', 'release-[0-9]*' and 'regex:v?1[.][0-9]+'"
_PART_OF_GLOB = re.compile(
    r"(?P<star>\*+)|(?P<any>\?)|\[(?P<negated>[!^]?)(?P<characters>[A-Za-z0-9._/-]+)\]|(?P<literal>[A-Za-z0-9._/-]+)"
)


@dataclass(frozen=True)
class Patterns:
    """Which names are meant: those that one of the first patterns matches, and none of the others.

    A pattern is a glob over the whole name: ``*`` stands for any characters, ``/`` among them, ``?`` for one,
    ``[0-9]`` for one of these, ``[!0-9]`` for any other one. Or it is ``regex:`` and a regular expression, in RE2's
    syntax, that matches the whole name.

    :param include: the patterns of the names that are meant.
    :param exclude: the patterns of names that are not, after all.
    :raises InvalidPlan: when a pattern is none.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    _is_included: Callable[[str], bool] = field(init=False, repr=False, compare=False)
    _is_excluded: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("include", "exclude"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        if not self.include:
            raise InvalidPlan(f"There is no pattern, so no name is meant. {_EXAMPLES}; '*' means all names.")
        object.__setattr__(self, "_is_included", _matcher(self.include))
        object.__setattr__(self, "_is_excluded", _matcher(self.exclude))

    def match(self, name: str) -> bool:
        """Tell whether a name is meant.

        :param name: the whole name.
        """
        return self._is_included(name) and not self._is_excluded(name)

    @property
    def is_everything(self) -> bool:
        """Whether all names are meant."""
        return not self.exclude and any(set(pattern) == {"*"} for pattern in self.include)

    @property
    def exact(self) -> tuple[str, ...]:
        """The names that are given as they are, in their order, without those that are excluded."""
        return tuple(name for name in self.include if _is_exact(name) and not self._is_excluded(name))

    @property
    def has_wildcards(self) -> bool:
        """Whether a pattern may match other names than itself."""
        return not all(map(_is_exact, self.include))

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What names begin with that match a pattern that has wildcards; an empty one where that cannot be told."""
        found = {_prefix(pattern) for pattern in self.include if not _is_exact(pattern)}
        return tuple(sorted(one for one in found if not any(one != other and one.startswith(other) for other in found)))

    def __reduce__(self) -> tuple[type[Patterns], tuple[tuple[str, ...], tuple[str, ...]]]:
        return Patterns, (self.include, self.exclude)


def _texts(name: str, patterns: Iterable[Any]) -> tuple[str, ...]:
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
        raise InvalidPlan(f"{name} is a list of patterns, not {_shown(patterns)}. {_EXAMPLES}.")
    return tuple(dict.fromkeys(patterns))


def _is_exact(pattern: str) -> bool:
    return not pattern.startswith(_REGEX) and not set(pattern) & set("*?[")


def _prefix(pattern: str) -> str:
    return "" if pattern.startswith(_REGEX) else re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    compiled = {pattern: _compiled(pattern) for pattern in patterns}
    # Hundreds of plain names are looked up rather than tried one after the other.
    exact = frozenset(pattern for pattern in compiled if _is_exact(pattern))
    # The most common globs are a beginning and a star: comparing that costs a tenth of an expression.
    begun = {pattern: pattern[:-1] for pattern in compiled if pattern[-1:] == "*" and _is_exact(pattern[:-1])}
    others = [expression for pattern, expression in compiled.items() if pattern not in exact and pattern not in begun]
    beginnings = tuple(begun.values())

    def match(name: str) -> bool:
        return name in exact or name.startswith(beginnings) or any(one.fullmatch(name) is not None for one in others)

    return match


def _compiled(pattern: str) -> Any:
    if len(pattern) > _LONGEST:
        raise InvalidPlan(f"{_shown(pattern)} is longer than {_LONGEST} characters: no pattern. {_EXAMPLES}.")
    expression = pattern.removeprefix(_REGEX) if pattern.startswith(_REGEX) else _expression(pattern)
    if not expression:
        raise InvalidPlan(f"{_shown(pattern)} is empty: no pattern. {_EXAMPLES}.")
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
    except UnicodeError:
        reason = "it holds a character that is none"
    raise InvalidPlan(f"{_shown(pattern)} is no pattern: {_shortened(reason)}. {_EXAMPLES}.")


def _expression(glob: str) -> str:
    """Translate a glob, whose characters are those that names have."""
    parts, position = [], 0
    while position < len(glob):
        part = _PART_OF_GLOB.match(glob, position)
        if part is None:
            raise InvalidPlan(
                f"{_shown(glob)} is no pattern: {glob[position]!r} is neither a character that names of images and "
                f"tags have, nor *, ? or a whole [...]. {_EXAMPLES}."
            )
        if part["literal"]:
            parts.append(re2.escape(part["literal"]))
        elif part["characters"]:
            parts.append(f"[{'^' if part['negated'] else ''}{_members(part['characters'])}]")
        else:
            parts.append(".*" if part["star"] else ".")
        position = part.end()
    return "".join(parts)


def _members(characters: str) -> str:
    """Put a hyphen that stands first or last, and so for itself, where it does so in an expression."""
    inner = characters.strip("-")
    return rf"\-{inner}" if inner != characters else inner


def _shown(value: object) -> str:
    return _shortened(repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"
