"""The changelog, read strictly: the form of Keep a Changelog 1.1.0, and nothing else."""

from __future__ import annotations

import datetime
import itertools
import re
from dataclasses import dataclass, field

from packaging.version import Version

TITLE = "# Changelog"
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_UNRELEASED = "## [Unreleased]"
_RELEASE = re.compile(r"## \[(?P<version>\d+\.\d+\.\d+)] - (?P<date>\d{4}-\d{2}-\d{2})(?: \[YANKED])?")


class InvalidChangelog(ValueError):
    """The changelog has not the form of Keep a Changelog 1.1.0."""


@dataclass(frozen=True)
class Section:
    """What one release changed, or what the next one will.

    :param version: None for what is unreleased.
    :param date: of the release; None for what is unreleased.
    :param changes: entries by kind, such as ``Added``, in the order of the file.
    """

    version: Version | None = None
    date: datetime.date | None = None
    changes: dict[str, list[str]] = field(default_factory=dict)


def read_changelog(text: str) -> list[Section]:
    """Return the sections of a changelog, what is unreleased first.

    :param text: the whole file.
    :raises InvalidChangelog: says which line, or which section, is not in the form.
    """
    if text.partition("\n")[0] != TITLE:
        raise InvalidChangelog(f"line 1: {TITLE!r} comes first")
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if line.startswith("## "):
                sections.append(_read_heading(line))
            elif sections and line:
                _add_line(sections[-1], line)
        except ValueError as error:
            raise InvalidChangelog(f"line {number}: {error}") from error
    _check_order(sections)
    return sections


def _read_heading(line: str) -> Section:
    if line == _UNRELEASED:
        return Section()
    if not (found := _RELEASE.fullmatch(line)):
        raise ValueError(f"{line!r} is neither {_UNRELEASED!r} nor '## [1.2.3] - 2026-12-31'")
    return Section(Version(found["version"]), datetime.date.fromisoformat(found["date"]))


def _add_line(section: Section, line: str) -> None:
    if line.startswith("### "):
        kind = line.removeprefix("### ")
        later = KINDS[KINDS.index(list(section.changes)[-1]) + 1 :] if section.changes else KINDS
        if kind not in later:
            raise ValueError(f"{kind!r} has no place here: each kind once, in the order {', '.join(KINDS)}")
        section.changes[kind] = []
        return
    entries = list(section.changes.values())[-1] if section.changes else None
    if entries is not None and line.startswith("- "):
        entries.append(line.removeprefix("- "))
    elif entries and line.startswith("  "):
        entries[-1] += f" {line.strip()}"
    else:
        raise ValueError(f"{line!r} is no entry ('- …') of a kind ('### Added')")


def _check_order(sections: list[Section]) -> None:
    if not sections or sections[0].version is not None:
        raise InvalidChangelog(f"{_UNRELEASED!r} comes before all releases, even when it is empty")
    for section in sections:
        name = section.version or "Unreleased"
        for kind, entries in section.changes.items():
            if not entries:
                raise InvalidChangelog(f"{name}: {kind} is empty")
        if section.version and not section.changes:
            raise InvalidChangelog(f"{name}: says nothing")
    if any(section.version is None for section in sections[1:]):
        raise InvalidChangelog(f"{_UNRELEASED!r} stands twice")
    for newer, older in itertools.pairwise(sections[1:]):
        if newer.version is None or older.version is None or newer.date is None or older.date is None:
            continue
        if newer.version <= older.version or newer.date < older.date:
            raise InvalidChangelog(f"{older.version} comes after {newer.version}: the newest release comes first")
