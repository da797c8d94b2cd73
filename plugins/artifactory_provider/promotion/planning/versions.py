"""What tags say about versions: one grammar for the newest version of an image, for ranges and for templates.

A version is what PEP 440 says (``packaging`` reads and orders it), with what tags do to it: a leading ``v``, Helm's
``_`` in place of ``+``, and ``-<n>`` for a later build of the same version. Whatever follows or precedes a version in a
tag makes it something else: a variant (``1.4.2-alpine``), a named scheme (``buster-v1.4.2``), the build of a commit.
"""

from __future__ import annotations

import datetime
import operator
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from artifactory_provider.artifactory.references import is_tag
from artifactory_provider.promotion.errors import InvalidPlan

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = re.VERBOSE | re.IGNORECASE | re.ASCII
_END = r"(?![0-9A-Za-z])"
_VERSION = re.compile(
    rf"""
    (?P<v>v?)
    (?P<numbers>[0-9]+(?:\.[0-9]+)*)
    (?P<pre>[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*{_END})?
    (?P<post>(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*){_END})?
    (?P<dev>[-_.]?dev[-_.]?[0-9]*{_END})?
    (?:_(?P<local>(?=[a-z.]*[0-9])[0-9a-z]+(?:\.[0-9a-z]+)*){_END})?
    """,
    _FLAGS,
)
_NAME = re.compile(
    r"""
    (?P<glued>[a-z]|rel(?:ease)?|ver(?:sion)?)(?=[0-9]+\.[0-9])
    | (?P<name>[a-z][a-z0-9._-]*?)(?:[-_]|(?<![0-9])\.)(?=v?[0-9]+\.[0-9])
    """,
    _FLAGS,
)
_HASH = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{7,64}", _FLAGS)
_DATE = re.compile(
    r"v?(?:(?P<day>[0-9]{8})(?P<time>(?:[0-9]{2}){1,3})?|(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}))"
    r"(?:-(?P<build>[0-9]{1,6})|-g?(?P<commit>[0-9a-f]{6,40}))?",
    _FLAGS,
)
_COMMIT = re.compile(r".*(?:-[0-9]+-g[0-9a-f]{6,40}|[-.][0-9]{14}-[0-9a-f]{12})(?:-dirty)?", _FLAGS)
_LETTER = re.compile(r"[-_.]?[abc]", _FLAGS)
_MILESTONE = re.compile(r"[-_.]m[0-9]+(?![0-9a-z])", _FLAGS)
_SECOND_VERSION = re.compile(r"(?<![0-9a-z])v?([0-9]+(?:\.[0-9]+)+)(?![0-9a-z])", _FLAGS)
_WORD = re.compile(r"[a-z]+")
_NOT_RELEASED = frozenset(
    {"alpha", "beta", "branch", "canary", "candidate", "ci", "cr", "daily", "dev", "devel", "develop", "development"}
    | {"dirty", "draft", "ea", "eap", "edge", "exp", "experimental", "feat", "feature", "insider", "insiders"}
    | {"milestone", "mr", "nightly", "poc", "pr", "pre", "prerelease", "preview", "rc", "snapshot", "spike", "temp"}
    | {"test", "testing", "tmp", "unstable", "wip"}
)
_BRANCHES = frozenset({"head", "main", "master", "next", "trunk"})
_LATER_BUILD = frozenset({"bugfix", "build", "fix", "hotfix", "p", "patch", "security", "sp", "u", "update"})
_LONGEST_NUMBER = 6
_FIRST_YEAR, _LAST_YEAR = 1980, 2100


class Kind(Enum):
    """What a tag is, as far as versions go."""

    RELEASE = "releases"
    PRE_RELEASE = "pre-releases"
    NUMBER = "whole numbers"
    LONG_NUMBER = "long numbers, such as hashes"
    DATED = "dates"
    VARIANT = "versions with something after them"
    NAMED = "versions with a name before them"
    UNCLEAR = "pre-releases or later patches"
    COMMIT = "builds of commits"
    OTHER = "no versions"


@dataclass(frozen=True, slots=True)
class TagReading:
    """What a tag says.

    :param kind: what it is.
    :param version: the version that it names; None where it names none.
    :param numbers: the numbers of that version, as they are written.
    :param text: the version without a leading ``v``, as it is written.
    :param name: what precedes the version.
    :param suffix: what follows it.
    :param is_marked: whether the version has a leading ``v``.
    """

    kind: Kind
    version: Version | None = None
    numbers: tuple[str, ...] = ()
    text: str = ""
    name: str = ""
    suffix: str = ""
    is_marked: bool = False

    @property
    def is_version(self) -> bool:
        """Whether the whole tag is a version."""
        return self.version is not None and not self.suffix and not self.name and self.kind not in _NUMERIC

    @property
    def is_calendar(self) -> bool:
        """Whether the version begins with a year or a date."""
        if self.version is None:
            return False
        first = self.version.release[0]
        return _FIRST_YEAR <= first <= _LAST_YEAR or first > 9999

    @property
    def is_long(self) -> bool:
        """Whether the version is one number of many digits, as dates and hashes are."""
        return len(self.numbers) == 1 and len(self.numbers[0]) > _LONGEST_NUMBER

    @property
    def is_bare(self) -> bool:
        """Whether the version is one number without a leading ``v``, as hashes, dates and counters are."""
        return len(self.numbers) == 1 and not self.is_marked

    @property
    def second_version(self) -> Version | None:
        """The highest other version that follows, such as 1.27.3 in ``v0.3.0-k8s.v1.27.3``."""
        return max(map(Version, _SECOND_VERSION.findall(self.suffix)), default=None)


_NUMERIC = frozenset({Kind.LONG_NUMBER, Kind.DATED})
_NOTHING = TagReading(Kind.OTHER)


def read_tag(tag: str) -> TagReading:
    """Return what a tag says about a version.

    :param tag: any text; what cannot be a tag is no version.
    """
    if not is_tag(tag) or _HASH.fullmatch(tag):
        return _NOTHING
    if (dated := _read_date(tag)) is not None:
        return dated
    if (version := _VERSION.match(tag)) is not None:
        return _read_version(tag, version)
    name = _NAME.match(tag)
    version = _VERSION.match(tag, name.end()) if name else None
    if name is None or version is None:
        return _NOTHING
    words = name["name"] or name["glued"]
    # A branch before a version may as well be a part of the product, such as its master.
    is_unreleased = not _NOT_RELEASED.isdisjoint(_WORD.findall(words.lower())) or bool(
        version["pre"] or version["dev"] or _is_unreleased(tag[version.end() :])
    )
    return _reading(Kind.PRE_RELEASE if is_unreleased else Kind.NAMED, version, tag, name=words)


def version_of(tag: str) -> Version | None:
    """Return the version that a tag is, or None.

    :param tag: such as ``1.4.2``, ``v1.4.2``, ``3.5.9-0``, ``2026.02.0`` or ``104.1.1_up57.0.3``.
    """
    reading = read_tag(tag)
    return reading.version if reading.is_version else None


def _read_date(tag: str) -> TagReading | None:
    found = _DATE.fullmatch(tag)
    if found is None:
        return None
    day = found["day"] or found["iso"].replace("-", "")
    try:
        datetime.date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return None
    if not _FIRST_YEAR <= int(day[:4]) <= _LAST_YEAR:
        return None
    time = f".{found['time']}" if found["time"] else ""
    build = f"-{found['build']}" if found["build"] else ""
    is_marked = tag[0] in "vV"
    return TagReading(Kind.DATED, Version(f"{day}{time}{build}"), (day,), tag[is_marked:], is_marked=is_marked)


def _read_version(tag: str, found: re.Match[str]) -> TagReading:
    rest = tag[found.end() :]
    is_single = "." not in found["numbers"]
    is_bare = is_single and not found["v"]
    if is_bare and found["pre"] and len(found["numbers"]) > 4:
        return _NOTHING
    if rest and rest[0] not in "-_.":
        # Glued to one number it is a name, such as 3scale; to several it may be a patch, such as 1.1.1w.
        if is_single:
            return _NOTHING
        return _reading(Kind.PRE_RELEASE if _is_unreleased(rest) else Kind.UNCLEAR, found, tag)
    if is_bare and len(found["numbers"]) > _LONGEST_NUMBER and rest and _read_date(found["numbers"]) is None:
        return _NOTHING
    return _reading(_kind(tag, found, rest, is_bare=is_bare), found, tag)


def _kind(tag: str, found: re.Match[str], rest: str, *, is_bare: bool) -> Kind:
    if _COMMIT.fullmatch(tag):
        return Kind.COMMIT
    if found["pre"] or found["dev"]:
        is_letter = not rest and not found["dev"] and not found["post"] and _LETTER.fullmatch(found["pre"])
        return Kind.UNCLEAR if is_letter else Kind.PRE_RELEASE
    if not rest:
        if not is_bare:
            return Kind.RELEASE
        return Kind.NUMBER if len(found["numbers"]) <= _LONGEST_NUMBER else Kind.LONG_NUMBER
    if not found["local"] and _is_unreleased(rest):
        return Kind.PRE_RELEASE
    first = _WORD.match(rest.lower(), 1)
    return Kind.UNCLEAR if first and first[0] in _LATER_BUILD else Kind.VARIANT


def _is_unreleased(text: str) -> bool:
    words = _WORD.findall(text.lower())
    return not (_NOT_RELEASED | _BRANCHES).isdisjoint(words) or _MILESTONE.match(text) is not None


def _reading(kind: Kind, found: re.Match[str], tag: str, *, name: str = "") -> TagReading:
    parts = (found["numbers"], found["pre"], found["post"], found["dev"])
    text = "".join(part for part in parts if part)
    start = found.start() + len(found["v"])
    return TagReading(
        kind,
        Version(f"{text}+{found['local']}" if found["local"] else text),
        tuple(found["numbers"].split(".")),
        tag[start : found.end()],
        name,
        tag[found.end() :],
        bool(found["v"]),
    )


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
_BOUND = re.compile(r"(?P<operator>>=|<=|==|!=|>|<|=|)\s*(?P<version>[0-9A-Za-z][0-9A-Za-z._+-]*)")
_SHORT = re.compile(r"v?[0-9]+(\.[0-9]+)?")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class _Bound:
    sign: str
    version: Version
    is_number: bool
    is_long: bool

    def holds(self, version: Version) -> bool:
        # As in PEP 440: what stands after + counts only where the bound has it, too.
        if version.local is not None and self.version.local is None:
            version = Version(version.public)
        return _OPERATORS[self.sign](version, self.version)


@dataclass(frozen=True)
class VersionRange:
    """A range of versions in the order of PEP 440, such as ``>=1.4.0 <2.0.0``.

    Its bounds, apart by spaces or commas, must all hold. A pre-release is in it only where a bound names a pre-release
    of the same version: ``>=1.4.0-rc.1`` holds ``1.4.0-rc.2``, and not ``1.5.0-rc.1``. A whole number such as ``17`` is
    in it only where all bounds are whole numbers, and a date or a number of seven digits or more only where a bound is
    one, too.

    :param text: the bounds: ``>=``, ``<=``, ``>``, ``<``, ``=``, ``!=`` and a version.
    :raises InvalidPlan: when it is no range, or no version can be in it.
    """

    text: str
    _bounds: tuple[_Bound, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bounds", _bounds(self.text))
        lowest = [bound.version for bound in self._bounds if bound.sign in {">", ">=", "=", "==", ""}]
        highest = [bound.version for bound in self._bounds if bound.sign in {"<", "<=", "=", "==", ""}]
        if lowest and highest and max(lowest) > min(highest):
            raise _invalid(self.text, f"nothing is both from {max(lowest)} on and up to {min(highest)}")

    def includes(self, tag: str) -> bool:
        """Return whether a tag is a version in this range.

        :param tag: such as ``1.4.2`` or ``v1.4.2``.
        """
        return self.holds(read_tag(tag))

    def holds(self, reading: TagReading) -> bool:
        """Return whether the whole of a tag is a version in this range.

        :param reading: what the tag says.
        """
        version = reading.version
        if version is None or reading.name or reading.suffix or not self.spans(reading):
            return False
        named = {bound.version.release for bound in self._bounds if bound.version.is_prerelease}
        return not version.is_prerelease or _without_zeros(version.release) in map(_without_zeros, named)

    def spans(self, reading: TagReading) -> bool:
        """Return whether the version that a tag names lies between the bounds, whatever else the tag says.

        :param reading: what the tag says.
        """
        version = reading.version
        if version is None:
            return False
        if reading.is_long and not any(bound.is_long for bound in self._bounds):
            return False
        if reading.is_bare and not all(bound.is_number for bound in self._bounds):
            return False
        return all(bound.holds(version) for bound in self._bounds)


def _bounds(text: object) -> tuple[_Bound, ...]:
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise _invalid(text, f"it is no text of at most {_LONGEST} characters")
    bounds, position, rest = [], 0, text.replace(",", " ").strip()
    while position < len(rest):
        bound = _BOUND.match(rest, position)
        if bound is None or (bound.end() < len(rest) and not rest[bound.end()].isspace()):
            raise _invalid(text, f"{rest[position : position + 40]!r} is no bound")
        bounds.append(_bound(text, bound["operator"], bound["version"]))
        position = bound.end() + len(rest[bound.end() :]) - len(rest[bound.end() :].lstrip())
    if not bounds:
        raise _invalid(text, "it is empty")
    return tuple(bounds)


def _bound(text: str, sign: str, version: str) -> _Bound:
    reading = read_tag(version.replace("+", "_", 1))
    if reading.version is None or reading.name or reading.suffix:
        raise _invalid(text, f"{version[:40]!r} is no version")
    if _SHORT.fullmatch(version) and not reading.is_long and sign not in {">=", "<"}:
        raise _invalid(text, f"it is open whether {version} in {sign + version!r} means {_open(version)}")
    return _Bound(sign, reading.version, is_number=len(reading.numbers) == 1, is_long=reading.is_long)


def _open(version: str) -> str:
    exact = version + ".0" * (2 - version.count("."))
    return f"{exact} alone, or all that begins with {version}.: write {exact}, or a bound with >= or <"


def _without_zeros(release: tuple[int, ...]) -> tuple[int, ...]:
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]


def _invalid(text: object, reason: str) -> InvalidPlan:
    return InvalidPlan(f"{str(text)[:120]!r} is no range of versions: {reason}. A right one is '>=1.4.0 <2.0.0'.")
