"""How an image differs between two stages, and where people can read what changed between the two."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from artifactory_provider.board.survey import REVISION, SOURCE

if TYPE_CHECKING:
    from artifactory_provider.audit import StandingTag

Difference = Literal["same", "another digest", "another tag", "only in the first", "only in the second"]

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_LONGEST_ADDRESS = 500


def compare(before: StandingTag | None, after: StandingTag | None) -> Difference:
    """Return how two stages differ in what they show of an image; one of them shows something.

    :param before: what the first shows.
    :param after: what the second shows.
    """
    if before is None:
        return "only in the second"
    if after is None:
        return "only in the first"
    if before.digest == after.digest:
        return "same"
    return "another digest" if before.name == after.name else "another tag"


def revision_of(tag: StandingTag) -> str:
    """Return the source revision that an image's label names; empty where there is none.

    :param tag: the image.
    """
    return _label(tag, REVISION)[:_LONGEST_ADDRESS]


def source_of(tag: StandingTag) -> str:
    """Return the web address of the source that an image's label names; empty where it is none.

    :param tag: the image.
    """
    text = _label(tag, SOURCE)
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and not parts.username and not parts.password
    except ValueError:
        return ""
    return text if is_address and text.isprintable() and len(text) <= _LONGEST_ADDRESS else ""


def link_changes(before: StandingTag | None, after: StandingTag | None) -> str:
    """Return the address at which GitHub, GitLab and Gitea compare two revisions; empty where none is known.

    :param before: what the first stage shows.
    :param after: what the second stage shows.
    """
    if before is None or after is None:
        return ""
    first, second, source = revision_of(before), revision_of(after), source_of(after)
    is_known = _COMMIT.fullmatch(first) and _COMMIT.fullmatch(second) and source == source_of(before) and source
    if not is_known or first == second or urlsplit(source).query or urlsplit(source).fragment:
        return ""
    base = source.rstrip("/").removesuffix(".git")
    return f"{base}/compare/{quote(first)}...{quote(second)}"


def _label(tag: StandingTag, name: str) -> str:
    return " ".join(tag.properties.get(name, ())).strip()
