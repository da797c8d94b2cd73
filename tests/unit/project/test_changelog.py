"""The changelog has the form of Keep a Changelog 1.1.0, and what has not is refused."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from packaging.version import Version
from scripts.changelog import InvalidChangelog, Section, read_changelog

TEXT = (Path(__file__).parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")
RELEASED = """\
# Changelog

Something about it.

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- One thing,
  on two lines.
- Another.

### Security

- A hole is closed.

## [0.1.0] - 2026-11-01 [YANKED]

### Fixed

- It starts.
"""


def test_the_changelog_can_be_read_and_says_what_is_unreleased() -> None:
    unreleased, *_ = read_changelog(TEXT)
    assert unreleased.version is None


def test_the_changelog_names_the_form_that_it_has() -> None:
    assert "https://keepachangelog.com/en/1.1.0/" in TEXT
    assert "https://semver.org/spec/v2.0.0.html" in TEXT


def test_the_changelog_links_to_no_host_but_those_of_its_form() -> None:
    assert set(re.findall(r"\w+://([^/\s)]+)", TEXT)) == {"keepachangelog.com", "semver.org"}


def test_releases_are_read_with_their_dates_and_changes() -> None:
    assert read_changelog(RELEASED) == [
        Section(),
        Section(
            Version("0.2.0"),
            datetime.date(2026, 12, 1),
            {"Added": ["One thing, on two lines.", "Another."], "Security": ["A hole is closed."]},
        ),
        Section(Version("0.1.0"), datetime.date(2026, 11, 1), {"Fixed": ["It starts."]}),
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("# Changelog\n", "# Changes\n", "line 1"),
        ("## [Unreleased]\n", "", "comes before all releases"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n## [Unreleased]\n", "stands twice"),
        ("## [Unreleased]\n", "## Unreleased\n", "line 5: '## Unreleased' is neither"),
        ("## [0.2.0] - 2026-12-01", "## 0.2.0, unreleased", "line 7"),
        ("## [0.2.0] - 2026-12-01", "## [0.2.0]", "line 7"),
        ("## [0.2.0] - 2026-12-01", "## [0.2] - 2026-12-01", "line 7"),
        ("## [0.2.0] - 2026-12-01", "## [0.2.0] - 01.12.2026", "line 7"),
        ("## [0.2.0] - 2026-12-01", "## [0.2.0] - 2026-13-01", "line 7: month"),
        ("## [0.2.0] - 2026-12-01", "## [0.0.9] - 2026-12-01", "0.1.0 comes after 0.0.9"),
        ("## [0.2.0] - 2026-12-01", "## [0.2.0] - 2026-10-01", "0.1.0 comes after 0.2.0"),
        ("### Added", "### New", "line 9: 'New' has no place here"),
        ("### Security", "### Added", "line 15: 'Added' has no place here"),
        ("### Added", "### Security", "line 15: 'Security' has no place here"),
        ("### Fixed\n\n- It starts.\n", "", "0.1.0: says nothing"),
        ("### Security\n\n- A hole is closed.", "### Security\n", "0.2.0: Security is empty"),
        ("- Another.", "* Another.", "line 13"),
        ("- Another.", "Another.", "line 13"),
        ("### Fixed\n\n", "", "is no entry"),
        ("### Added\n\n", "### Added\n\n  One.\n", "line 11"),
    ],
)
def test_what_is_not_in_the_form_is_refused_with_the_place(old: str, new: str, why: str) -> None:
    assert RELEASED.count(old) == 1
    with pytest.raises(InvalidChangelog, match=re.escape(why)):
        read_changelog(RELEASED.replace(old, new))


def test_an_empty_file_is_no_changelog() -> None:
    with pytest.raises(InvalidChangelog, match="line 1"):
        read_changelog("")
