"""The grammar of repository keys, image names, tags and digests."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UPLOADS_FOLDER = "_uploads"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LOOSE_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._+:-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_REPOSITORY_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
_LONGEST_IMAGE = 255


def is_image(name: str) -> bool:
    """Return whether a name is an image name by the OCI distribution specification ("Pulling manifests")."""
    return len(name) <= _LONGEST_IMAGE and _IMAGE.fullmatch(name) is not None


def is_tag(tag: str) -> bool:
    """Return whether a tag follows OCI's grammar and does not collide with the folder of blobs in flight."""
    return _TAG.fullmatch(tag) is not None and tag != UPLOADS_FOLDER


def is_loose_tag(tag: str) -> bool:
    """Return whether Artifactory before 7.94.1 took a tag from a promotion: `+` and `:` were allowed."""
    return _LOOSE_TAG.fullmatch(tag) is not None and tag != UPLOADS_FOLDER and not is_digest(tag)


def is_digest(digest: str) -> bool:
    """Return whether a text is a whole sha256 or sha512 digest."""
    return _DIGEST.fullmatch(digest) is not None


def is_repository_key(key: str) -> bool:
    """Return whether a text can name a repository."""
    return _REPOSITORY_KEY.fullmatch(key) is not None


def blob_name(digest: str) -> str:
    """Return the file name under which Artifactory stores a blob: `sha256__<hex>`."""
    return digest.replace(":", "__", 1)


@functools.lru_cache(maxsize=4096)
def ant_pattern(pattern: str) -> re.Pattern[str]:
    """Return what an Ant pattern means: `?`, `*` within a folder's name, `**` across folders."""
    parts = re.split(r"(/\*\*$|\*\*/|\*\*|\*|\?)", pattern)
    meanings = {"/**": "(?:/.*)?", "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts))


def matches(path: str, includes: Iterable[str], excludes: Iterable[str]) -> bool:
    """Return whether a path fits one of some Ant patterns, and none of others."""
    included, excluded = (any(ant_pattern(one).fullmatch(path) for one in some) for some in (includes, excludes))
    return included and not excluded


@dataclass(frozen=True, slots=True)
class Place:
    """An image in a repository: where tags and digests live."""

    repository: str
    image: str

    def path(self, reference: str) -> str:
        """Return the path of a tag's or a digest's folder within the repository."""
        return f"{self.image}/{reference}"


def parse_reference(text: str) -> tuple[Place, str]:
    """Split `repository/image:tag` or `repository/image@digest` into its place and its digest, or else its tag.

    :param text: the reference; the image may hold slashes.
    :raises ValueError: when a part is missing or breaks the grammar.
    """
    names, at, digest = text.partition("@")
    names, _, tag = names.partition(":")
    repository, _, image = names.partition("/")
    reference = digest if at else tag
    is_reference = is_digest(digest) if at else is_tag(tag)
    if not (is_repository_key(repository) and is_image(image) and is_reference):
        raise ValueError(
            f"{text!r} is no image reference: expected repository/image:tag or repository/image@sha256:<hex>"
        )
    return Place(repository, image), reference
