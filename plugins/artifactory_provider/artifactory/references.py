"""Image references: the one place where they are parsed, checked and printed.

Grammar of image names, tags and digests: OCI distribution specification 1.1, "Pulling manifests", and OCI
image specification 1.1, "Digests".
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

_REPOSITORY_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_IMAGE = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_IMAGE = 255


class InvalidReference(ValueError):
    """A repository key, image name, tag or digest that no server could accept."""


def check_text(value: object, wanted: str) -> str:
    """Return what was given for a name when it is text.

    :param value: what was given.
    :param wanted: what it should be, such as ``a tag``.
    :raises InvalidReference: when it is anything else.
    """
    if isinstance(value, str):
        return value
    raise InvalidReference(explain_no_text(value, wanted))


def explain_no_text(value: object, wanted: str) -> str:
    """Return why a value is no name: YAML, JSON and native templates make numbers of ``1.10``, booleans of ``yes``.

    :param value: what was given, no text.
    :param wanted: what it should be, such as ``a tag``.
    """
    if isinstance(value, bool | int | float | datetime.date):
        kind = "boolean" if isinstance(value, bool) else "date" if isinstance(value, datetime.date) else "number"
        return f"{value} is a {kind}, not {wanted}: quote it."
    return f"{_show(value)} is not {wanted}: give it as text."


def check_repository(key: str) -> str:
    """Return the repository key when it is well formed.

    :param key: an Artifactory repository key, such as ``docker-dev``.
    :raises InvalidReference: when it is not.
    """
    if _fits(_REPOSITORY_KEY, check_text(key, "a repository key")):
        return key
    raise InvalidReference(
        f"{_show(key)} is not a repository key: give the key alone, such as 'docker-dev' "
        "(letters, digits, '.', '_' and '-', at most 64)."
    )


def check_image(name: str) -> str:
    """Return the image name when it is well formed.

    :param name: the Docker repository name inside an Artifactory repository, such as ``payments/api``.
    :raises InvalidReference: when it is not.
    """
    if _fits(_IMAGE, check_text(name, "an image name"), longest=_LONGEST_IMAGE):
        return name
    raise InvalidReference(
        f"{_show(name)} is not an image name: give it without host, repository key, tag and digest, such as "
        f"'payments/api' (lower-case letters, digits, and '.', '_', '-' between them, "
        f"at most {_LONGEST_IMAGE})."
    )


def check_tag(tag: str) -> str:
    """Return the tag when it is well formed.

    :param tag: an OCI tag, such as ``1.4.2``.
    :raises InvalidReference: when it is not.
    """
    if _fits(_TAG, check_text(tag, "a tag")):
        return tag
    raise InvalidReference(
        f"{_show(tag)} is not a tag: letters, digits, '_', '.' and '-', the first one no '.' or '-', "
        "at most 128 (a digest is given as the digest, not as the tag)."
    )


def check_digest(digest: str) -> str:
    """Return the digest when it is well formed.

    :param digest: ``sha256:`` and 64 lower-case hexadecimal digits.
    :raises InvalidReference: when it is not.
    """
    if _fits(_DIGEST, check_text(digest, "a digest")):
        return digest
    raise InvalidReference(
        f"{_show(digest)} is not a digest: 'sha256:' and 64 lower-case hexadecimal digits are needed."
    )


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where an image stands: repository, image, and a tag, a digest, or both.

    :param repository: the Artifactory repository key.
    :param image: the image name in that repository.
    :param tag: the tag, if one is meant.
    :param digest: the digest, if one is pinned.
    :raises InvalidReference: when a part is malformed.
    """

    repository: str
    image: str
    tag: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        check_repository(self.repository)
        check_image(self.image)
        if self.tag is not None:
            check_tag(self.tag)
        if self.digest is not None:
            check_digest(self.digest)

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read ``repository/image[:tag][@digest]``.

        :raises InvalidReference: when the text is no such reference.
        """
        repository, slash, rest = check_text(text, "an image reference").partition("/")
        if not slash:
            raise InvalidReference(
                f"{_show(text)} is not an image reference: 'repository/image:tag' is needed, such as "
                "'docker-dev/payments/api:1.4.2'."
            )
        image, tag, digest = split_image(rest)
        return cls(repository=repository, image=image, tag=tag, digest=digest)

    def pinned(self, digest: str) -> ImageReference:
        """Return the same reference with this digest."""
        return self._with(self.tag, check_digest(digest))

    def tagged(self, tag: str) -> ImageReference:
        """Return the same image with this tag.

        :raises InvalidReference: when it is malformed.
        """
        return self._with(check_tag(tag), self.digest)

    def unpinned(self) -> ImageReference:
        """Return the reference to the tag, whatever it shows."""
        return self if self.digest is None else self._with(self.tag, None)

    def by_digest(self) -> ImageReference:
        """Return the reference to the digest alone, whatever the tag shows now."""
        return self if self.tag is None else self._with(None, self.digest)

    def _with(self, tag: str | None, digest: str | None) -> ImageReference:
        """Return the same image with other parts that have been checked: batches make dozens for each promotion."""
        made = object.__new__(ImageReference)
        for name, value in zip(self.__slots__, (self.repository, self.image, tag, digest), strict=True):
            object.__setattr__(made, name, value)
        return made

    @property
    def name(self) -> str:
        """What a manifest is asked for by: the tag, or the digest where there is no tag."""
        name = self.tag or self.digest
        if name is None:
            raise InvalidReference(f"{self} names neither a tag nor a digest: one of them is needed.")
        return name

    @property
    def short_digest(self) -> str | None:
        """What people tell digests apart by in a line of a log: ``34378e27…``; None where none is pinned."""
        return f"{self.digest.removeprefix('sha256:')[:8]}…" if self.digest else None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}/{self.image}{tag}{digest}"


def is_tag(text: str) -> bool:
    """Return whether a text can be a tag: repositories may hold folders with other names, such as ``1.4.2+build``."""
    return _fits(_TAG, text)


def split_image(text: str) -> tuple[str, str | None, str | None]:
    """Split ``image[:tag][@digest]`` into its checked parts.

    :raises InvalidReference: when a part is malformed.
    """
    rest, at, digest = check_text(text, "an image").partition("@")
    image, colon, tag = rest.partition(":")
    return (
        check_image(image),
        check_tag(tag) if colon else None,
        check_digest(digest) if at else None,
    )


def _fits(pattern: re.Pattern[str], value: object, *, longest: int = 1000) -> bool:
    """Return whether a value is a text of that form: what a server answers may be a number, or nothing."""
    return isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value) is not None


def _show(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 120 else f"{shown[:117]}…'"
