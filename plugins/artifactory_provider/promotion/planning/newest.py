"""Which tag of an image is its newest release, and where nobody can tell.

Only released versions are chosen, and an older one never where another tag may be newer: a tag that names a later
version in another way, or in another scheme, puts the choice in doubt until a pattern or a range says which are meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from artifactory_provider.promotion.planning.versions import Kind, TagReading, read_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.promotion.planning.versions import VersionRange

_SHOWN = 3
_LONGEST_ORDERED = 6
_SEPARATORS = "-_."
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_HASH = re.compile(r"(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,64}")
_LITERAL_ENDS = re.compile(r"(?P<before>[^*?\[]*).*[*?\]](?P<after>[^*?\]]*)")
_VERSIONS = frozenset({Kind.RELEASE, Kind.PRE_RELEASE, Kind.UNCLEAR})
_SCHEMES = frozenset({Kind.VARIANT, Kind.NAMED, Kind.COMMIT})


class _Entry(NamedTuple):
    """A tag, what it says, and the version that it names."""

    tag: str
    reading: TagReading
    version: Version

    @property
    def public(self) -> Version:
        """The version without what Helm writes after it."""
        return self.version if self.version.local is None else Version(self.version.public)

    @property
    def base(self) -> Version:
        """The version's numbers alone."""
        return Version(self.version.base_version)


@dataclass(frozen=True)
class Choice:
    """The newest release of an image, and what puts it in doubt.

    :param newest: its tag; several where they are one version: they have to show one digest. The first one is taken.
    :param doubtful: the tags that may be newer, the highest first; none where the choice is certain.
    :param advice: what to put after the image's name to say which tags are meant.
    """

    newest: tuple[str, ...]
    doubtful: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


class TagVersions:
    """The tags of one image, and which of them is its newest release.

    :param tags: the tags that are images of their own, in any order.
    :param patterns: which tags are meant; None for all. Words that stand in a pattern are taken as said:
        ``nightly-*`` chooses among what stands for ``*``.
    :param versions: the range that the release has to be in; None for any.
    """

    def __init__(
        self, tags: Iterable[str], *, patterns: Patterns | None = None, versions: VersionRange | None = None
    ) -> None:
        self._patterns = patterns
        self._range = versions
        read = _reader(patterns)
        entries = [
            _Entry(tag, reading, reading.version)
            for tag in sorted(set(tags))
            if (patterns is None or patterns.match(tag)) and (reading := read(tag)).version is not None
        ]
        main = self._main(entries)
        self._main_tags = sorted(main, key=lambda entry: entry.version, reverse=True)
        chosen = {entry.tag for entry in main}
        self._others = sorted((entry for entry in entries if entry.tag not in chosen), key=_order, reverse=True)
        self._series = {series for entry in main for series in _series_of(entry.version.release)}

    @property
    def ordered(self) -> Sequence[str]:
        """The tags that are chosen among, the highest first."""
        return [entry.tag for entry in self._main_tags]

    @property
    def others(self) -> Sequence[str]:
        """The tags that look like versions and are not chosen among, the highest first."""
        return [entry.tag for entry in self._others]

    def choose(self, *, without: Collection[str] = ()) -> Choice | None:
        """Return the newest release and what puts it in doubt, or None where there is no release.

        :param without: tags that do not count.
        """
        main = [entry for entry in self._main_tags if entry.tag not in without]
        if not main:
            return None
        others = [entry for entry in self._others if entry.tag not in without]
        if main[0].reading.kind in _SCHEMES:
            leaders, doubts = _lead_of_scheme(main)
            doubts += [one for one in others if one.reading.kind is Kind.UNCLEAR and one.base >= main[0].base]
        else:
            leaders = _latest_build([entry for entry in main if entry.public == main[0].public])
            doubts = self._doubts(main, others)
        leaders.sort(key=lambda entry: (-len(entry.reading.numbers), entry.reading.is_marked, entry.tag))
        named = tuple(f":{entry.tag}" for entry in leaders[:_SHOWN])
        return Choice(
            tuple(entry.tag for entry in leaders),
            tuple(entry.tag for entry in sorted(doubts, key=_order, reverse=True)),
            self._advise(main, leaders[0], doubts) if doubts else named,
        )

    def explain(self) -> str:
        """Return which tags that look like versions are passed over, and as what, for the log."""
        kinds: dict[str, list[str]] = defaultdict(list)
        for entry in self._others:
            is_outside = self._range is not None and not self._range.spans(entry.reading)
            kinds["outside of the range" if is_outside else entry.reading.kind.value].append(entry.tag)
        return "; ".join(f"{kind}: {show_names(tags)}" for kind, tags in kinds.items()) or "none"

    def advise(self) -> str:
        """Return what, after the image's name, would mean some of the tags that are passed over."""
        for entry in self._others:
            if entry.reading.kind is not Kind.PRE_RELEASE:
                return f":{_pattern_like(entry.tag)}"
        version = next((entry.reading.text for entry in self._others if entry.reading.is_version), "")
        return f" >={version}" if version else ":v*"

    def _main(self, entries: Sequence[_Entry]) -> list[_Entry]:
        """Return what the newest release is chosen among: all of one kind, the first one of which there are any."""
        numbers = {Kind.NUMBER} if self._patterns is None else {Kind.NUMBER, Kind.LONG_NUMBER}
        for kinds in (_VERSIONS, numbers, {Kind.DATED}):
            found = [entry for entry in entries if entry.reading.kind in kinds and self._is_meant(entry.reading)]
            if found:
                return found
        if self._patterns is None:
            return []
        is_in = self._range.spans if self._range else lambda _: True
        return [entry for entry in entries if entry.reading.kind in _SCHEMES and is_in(entry.reading)]

    def _is_meant(self, reading: TagReading) -> bool:
        if self._range is not None:
            return self._range.holds(reading)
        return reading.kind not in {Kind.PRE_RELEASE, Kind.UNCLEAR}

    def _doubts(self, main: Sequence[_Entry], others: Sequence[_Entry]) -> list[_Entry]:
        top = main[0]
        doubts: list[_Entry] = []
        if any(len(entry.reading.numbers) > 1 for entry in main):
            # A year is higher than all numbers of other schemes, and so says nothing.
            doubts += [entry for entry in main if entry.reading.is_calendar != top.reading.is_calendar][:1]
        names: set[str] = set()
        for entry in others:
            if self._range is not None and not self._range.spans(entry.reading):
                continue
            if entry.reading.kind is Kind.NAMED:
                is_first = entry.reading.name not in names
                names.add(entry.reading.name)
                if is_first and not self._is_of_the_series(entry):
                    doubts.append(entry)
            elif self._may_be_newer(entry, top):
                doubts.append(entry)
        return doubts

    def _may_be_newer(self, entry: _Entry, top: _Entry) -> bool:
        reading, kind = entry.reading, entry.reading.kind
        if kind is Kind.UNCLEAR:
            return entry.base >= top.base
        if kind is Kind.PRE_RELEASE or (kind is Kind.COMMIT and not reading.is_long):
            return False
        if reading.is_long and top.reading.kind in _VERSIONS:
            # A hash, a date or a counter beside versions; with a leading v it is called a version itself.
            return reading.is_marked
        if entry.public > top.public:
            return True
        if kind is not Kind.VARIANT or self._is_of_the_series(entry):
            return False
        second = reading.second_version
        return reading.is_calendar != top.reading.is_calendar or (second is not None and second > top.public)

    def _is_of_the_series(self, entry: _Entry) -> bool:
        """Return whether the same version is there without anything else, or a more exact one: 1.4.2 for 1.4."""
        return entry.version.release in self._series

    def _advise(self, main: Sequence[_Entry], top: _Entry, doubts: Sequence[_Entry]) -> tuple[str, ...]:
        """Return what, after the image's name, chooses the newest release, and what chooses among the others."""
        advice = [f":{top.tag}"]
        if top.reading.kind not in _SCHEMES and not any(one.reading.kind is Kind.UNCLEAR for one in doubts):
            advice.insert(0, f"{self._plain_pattern(top, doubts)}{self._range_without(main, doubts)}")
        other = max(doubts, key=_order)
        if other.reading.kind is Kind.RELEASE:
            advice.append(f"{self._said()} <{_bound(top)}")
        else:
            pattern = _pattern_like(other.tag)
            advice.append(f":{other.tag if pattern == '*' else pattern}")
        return tuple(dict.fromkeys(filter(None, advice)))

    def _said(self) -> str:
        return (
            f":{self._patterns.include[0]}" if self._patterns is not None and len(self._patterns.include) == 1 else ""
        )

    def _plain_pattern(self, top: _Entry, doubts: Sequence[_Entry]) -> str:
        if self._patterns is None and any(one.reading.kind is Kind.NAMED for one in doubts):
            return f":{top.tag[0]}*" if top.reading.is_marked else ":[0-9]*"
        return self._said()

    def _range_without(self, main: Sequence[_Entry], doubts: Sequence[_Entry]) -> str:
        """Return the range that leaves out what is doubtful, as far as the numbers of versions can."""
        top = main[0]
        kept = [entry for entry in main if entry.reading.is_calendar == top.reading.is_calendar]
        others = [one for one in doubts if one.reading.kind is not Kind.NAMED]
        higher = [one for one in others if one.public > top.public]
        lower = [one for one in others if one.public <= top.public]
        bounds = [self._range.text] if self._range is not None else []
        if lower:
            ceiling = max(one.version for one in lower)
            # They are sorted: the last one is the lowest.
            bounds.append(f">={_bound([top, *(entry for entry in kept if entry.version > ceiling)][-1])}")
        if higher and (top.reading.is_long or not all(one.reading.is_long for one in higher)):
            bounds.append(f"<{_bound(min(higher, key=lambda one: one.version))}")
        elif higher and not bounds:
            bounds.append(f">={_bound(kept[-1])}")
        return f" {' '.join(bounds)}" if bounds else ""


def show_names(names: Sequence[str]) -> str:
    """Return names for a message, a few of them where there are many.

    :param names: the names.
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _order(entry: _Entry) -> tuple[Version, Sequence[tuple[int, ...]]]:
    return entry.version, _numbers(entry.reading.suffix)


def _series_of(release: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    """Return a version's numbers, and the first ones alone, as floating tags have them."""
    first = (*release[:4], 0, 0, 0)[:4]
    return (release, first[:1], first[:2], first[:3], first)


def _latest_build(entries: Sequence[_Entry]) -> list[_Entry]:
    """Return those of one version whose build, which follows ``_``, is the last; all where that is not certain."""
    builds = {entry.version.local or "" for entry in entries}
    if len({_skeleton(build) for build in builds if build}) > 1 or any(map(_HASH.search, builds)):
        return list(entries)
    if "" in builds and not all(build.replace(".", "").isdigit() for build in builds if build):
        return list(entries)
    last = max(builds, key=_numbers)
    return [entry for entry in entries if (entry.version.local or "") == last]


def _lead_of_scheme(main: Sequence[_Entry]) -> tuple[list[_Entry], list[_Entry]]:
    """Return the newest of tags that are more than a version, and what may be as new."""
    top = main[0]
    elsewhere = {entry.reading.name: entry for entry in reversed(main) if entry.reading.name != top.reading.name}
    if elsewhere:
        return [top], list(elsewhere.values())
    leaders = [entry for entry in main if entry.version == top.version]
    skeletons = {_skeleton(entry.reading.suffix) for entry in leaders}
    runs = [_numbers(entry.reading.suffix) for entry in leaders]
    if len(skeletons) > 1 or not _are_ordered(runs):
        return leaders[:1], leaders[1:]
    last = max(runs)
    return [entry for entry in leaders if _numbers(entry.reading.suffix) == last], []


def _are_ordered(runs: Sequence[Sequence[tuple[int, ...]]]) -> bool:
    """Return whether the numbers in which texts differ are counters rather than hashes."""
    differing = [numbers for column in zip(*runs, strict=True) if len(set(column)) > 1 for numbers in column]
    return all(
        number < 10**_LONGEST_ORDERED or 19800101 <= number <= 21001231 for numbers in differing for number in numbers
    )


def _skeleton(text: str) -> str:
    """Return a text with a mark for each number; hashes stay as they are, since they have no order."""
    parts, position = [], 0
    for found in _HASH.finditer(text):
        parts += [_NUMBERS.sub("#", text[position : found.start()]), found[0]]
        position = found.end()
    return "".join([*parts, _NUMBERS.sub("#", text[position:])])


def _numbers(text: str) -> list[tuple[int, ...]]:
    return [tuple(map(int, run.split("."))) for run in _NUMBERS.findall(text)]


def _bound(entry: _Entry) -> str:
    """Return a version as it stands in a range."""
    return entry.reading.text if len(entry.reading.numbers) > 1 else entry.reading.numbers[0]


def _pattern_like(tag: str) -> str:
    """Return the pattern of all tags that differ from one in their numbers and hashes alone."""
    return _NUMBERS.sub("*", _HASH.sub("*", tag))


def _reader(patterns: Patterns | None) -> Callable[[str], TagReading]:
    """Return what reads a tag without the words that the pattern says already."""
    if patterns is None or len(patterns.include) != 1 or patterns.include[0].startswith("regex:"):
        return read_tag
    ends = _LITERAL_ENDS.fullmatch(patterns.include[0])
    if ends is None:
        return read_tag
    before, after = _words_before(ends["before"]), _words_after(ends["after"])

    def read(tag: str) -> TagReading:
        rest = tag[before : len(tag) - after].lstrip(_SEPARATORS) if len(tag) > before + after else ""
        return read_tag(rest or tag)

    return read


def _words_before(literal: str) -> int:
    """Return how many characters end with the last word; a ``v`` that marks a version is none."""
    for position in range(len(literal) - 1, -1, -1):
        is_start = position == 0 or not literal[position - 1].isalnum()
        is_mark = literal[position] in "vV" and is_start and not literal[position + 1 : position + 2].isalpha()
        if literal[position].isalpha() and not is_mark:
            return position + 1
    return 0


def _words_after(literal: str) -> int:
    """Return how many characters begin with the first word and what separates it."""
    words = literal.lstrip("0123456789" + _SEPARATORS)
    if not words:
        return 0
    before = literal[: len(literal) - len(words)]
    return len(literal) - len(before.rstrip(_SEPARATORS))
