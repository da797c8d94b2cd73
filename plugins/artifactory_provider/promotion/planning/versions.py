"""Ranges of semantic versions, and the versions that tags are."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import semver

from artifactory_provider.promotion.errors import InvalidPlan

if TYPE_CHECKING:
    from collections.abc import Callable

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "=": operator.eq,
    "": operator.eq,
    "!=": operator.ne,
}
_BOUND = re.compile(r"(?P<operator>>=|<=|==|!=|>|<|=|)\s*v?(?P<version>[0-9A-Za-z][0-9A-Za-z.-]*)")
_SHORT = re.compile(r"\d{1,9}(\.\d{1,9})?")
_LONGEST = 500


@dataclass(frozen=True)
class VersionRange:
    """A range of semantic versions (Semantic Versioning 2.0.0), such as ``>=1.4.0 <2.0.0``.

    Its bounds, apart by spaces or commas, must all hold. A pre-release is in it only where a bound names a pre-release
    of the same version: ``>=1.4.0-rc.1`` holds ``1.4.0-rc.2``, and not ``1.5.0-rc.1``.

    :param text: the bounds: ``>=``, ``<=``, ``>``, ``<``, ``=``, ``!=`` and a version.
    :raises InvalidPlan: when it is no range, or no version can be in it.
    """

    text: str
    _bounds: tuple[tuple[str, semver.Version], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bounds", _bounds(self.text))
        lowest = [version for sign, version in self._bounds if sign in {">", ">=", "=", "==", ""}]
        highest = [version for sign, version in self._bounds if sign in {"<", "<=", "=", "==", ""}]
        if lowest and highest and max(lowest) > min(highest):
            raise _invalid(self.text, f"nothing is both from {max(lowest)} on and up to {min(highest)}")

    def includes(self, tag: str) -> bool:
        """Tell whether a tag is a version in this range.

        :param tag: such as ``1.4.2`` or ``v1.4.2``.
        """
        version = version_of(tag)
        if version is None or not all(_OPERATORS[sign](version, bound) for sign, bound in self._bounds):
            return False
        named = {bound.to_tuple()[:3] for _, bound in self._bounds if bound.prerelease}
        return not version.prerelease or version.to_tuple()[:3] in named


def version_of(tag: str) -> semver.Version | None:
    """Return the version that a tag is, or None.

    :param tag: such as ``1.4.2`` or ``v1.4.2``.
    """
    text = tag.removeprefix("v")
    return semver.Version.parse(text) if semver.Version.is_valid(text) else None


def _bounds(text: object) -> tuple[tuple[str, semver.Version], ...]:
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise _invalid(text, f"it is no text of at most {_LONGEST} characters")
    bounds, position, rest = [], 0, text.replace(",", " ").strip()
    while position < len(rest):
        bound = _BOUND.match(rest, position)
        if bound is None or (bound.end() < len(rest) and not rest[bound.end()].isspace()):
            raise _invalid(text, f"{rest[position : position + 40]!r} is no bound")
        bounds.append((bound["operator"], _bound(text, bound["operator"], bound["version"])))
        position = bound.end() + len(rest[bound.end() :]) - len(rest[bound.end() :].lstrip())
    if not bounds:
        raise _invalid(text, "it is empty")
    return tuple(bounds)


def _bound(text: str, sign: str, version: str) -> semver.Version:
    # Elsewhere it would be open whether 1.4 means 1.4.0 or all of 1.4.
    if _SHORT.fullmatch(version) and sign in {">=", "<"}:
        version += ".0" * (2 - version.count("."))
    if not semver.Version.is_valid(version):
        raise _invalid(text, f"{version[:40]!r} is no semantic version of three numbers")
    return semver.Version.parse(version)


def _invalid(text: object, reason: str) -> InvalidPlan:
    return InvalidPlan(f"{str(text)[:120]!r} is no range of versions: {reason}. A right one is '>=1.4.0 <2.0.0'.")
