"""Which tag of an image is meant: a tag, or the newest release of all tags, of those of a pattern, of those in a range.

What is promoted is written as one line: ``payments/api``, ``payments/api:1.4.2``, ``payments/api:*-alpine``,
``payments/api >=1.4 <2``.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import (
    ImageReference,
    InvalidReference,
    check_digest,
    check_image,
    is_tag,
    split_image,
)
from artifactory_provider.promotion.errors import InvalidPlan, VersionUncertain
from artifactory_provider.promotion.planning.newest import TagVersions, show_names
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.versions import VersionRange
from artifactory_provider.promotion.tags import select_images
from artifactory_provider.promotion.transfer import pin

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.planning.newest import Choice

log = logging.getLogger(__name__)

NEWEST = "newest"
"""What stands for an image's newest release where a tag could stand."""

_EXAMPLES = "Right ones are 'payments/api', 'payments/api:1.4.2', 'payments/api:*-alpine' and 'payments/api >=1.4 <2'"
_SIGN = re.compile(r"[<>=]")
_MOST_DOUBTS = 20


@dataclass(frozen=True)
class Candidate:
    """What is to be promoted: a tag of an image, or its newest release.

    :param image: the image name.
    :param tag: the tag, if one is named as it is.
    :param digest: the digest that the tag has to show, if one is given.
    :param patterns: which tags the newest release is chosen among; None for all.
    :param versions: the range that it has to be in; None for any.
    """

    image: str
    tag: str | None = None
    digest: str | None = None
    patterns: Patterns | None = None
    versions: VersionRange | None = None

    @classmethod
    def parse(cls, text: str) -> Candidate:
        """Read ``image[:tag[@digest]]`` or ``image[:pattern] [range]``.

        A pattern is one of ``Patterns``: it has ``*``, ``?`` or ``[…]``, or begins with ``regex:``. A range is one of
        ``VersionRange``, after a space.

        :raises InvalidReference: when the text is neither.
        """
        parts = _text(text).split(maxsplit=1)
        if not parts:
            raise InvalidReference(f"{text!r:.200} names no image. {_EXAMPLES}.")
        image, _, tag = parts[0].partition(":")
        is_pattern = tag.startswith("regex:") or not set(tag).isdisjoint("*?[")
        try:
            versions = VersionRange(parts[1]) if len(parts) > 1 else None
            if is_pattern:
                patterns = Patterns((tag,))
                return cls(check_image(image), patterns=None if patterns.is_everything else patterns, versions=versions)
        except InvalidPlan as error:
            raise InvalidReference(f"{text!r:.200} names no tags of an image: {error}") from error
        return cls._named(text, parts[0], versions)

    @classmethod
    def _named(cls, text: str, name: str, versions: VersionRange | None) -> Candidate:
        if _SIGN.search(name):
            raise InvalidReference(f"{text!r:.200} has no space before its range. {_EXAMPLES}.")
        image, tag, digest = split_image(name)
        if digest is not None and tag is None:
            raise InvalidReference(f"{text!r:.200} names a digest without a tag: give image:tag@digest.")
        if tag is not None and versions is not None:
            raise InvalidReference(f"{text!r:.200} names one tag and a range: give one of them. {_EXAMPLES}.")
        return cls(image, tag, digest, versions=versions)


def name_candidate(image: str, tag: str, *, digest: str | None = None) -> str:
    """Return the line that says what is meant by an image and what is said of its tags, as ``Candidate`` reads it.

    :param image: the image name.
    :param tag: a tag; ``newest`` for the newest release; a pattern or a range for the newest of these.
    :param digest: the digest that the tag has to show; None for whatever it shows.
    :raises InvalidReference: when a digest is given and no tag that could show it, or another one beside it.
    """
    if digest is not None:
        return f"{image}:{_name_alone(tag, check_digest(digest))}@{digest}"
    if tag == NEWEST:
        return image
    return f"{image} {tag}" if tag.startswith(("<", ">", "=", "!")) else f"{image}:{tag}"


def _name_alone(tag: str, digest: str) -> str:
    """Return the tag that has to show a digest."""
    name, at, named = tag.partition("@")
    if at and named != digest:
        raise InvalidReference(f"{name!r:.200} is to show {named:.100} and {digest}: give one digest.")
    if name == NEWEST or not is_tag(name):
        raise InvalidReference(
            f"{tag!r:.200} is no tag, and {digest} is what one tag has to show: name the tag, such as 1.4.2, or leave "
            "the digest out."
        )
    return name


def read_candidates(lines: Iterable[str]) -> list[str]:
    """Return the lines that say what is promoted, each once and without blank ones.

    :param lines: each as ``Candidate`` reads it.
    :raises InvalidReference: when one of them names nothing that could be promoted, or all are blank.
    """
    candidates = [line for line in dict.fromkeys(map(_text, lines)) if line]
    for line in candidates or [""]:
        Candidate.parse(line)
    return candidates


async def select(
    client: ArtifactoryClient, repository: str, candidate: str, *, created_before: datetime.datetime | None = None
) -> ImageReference | None:
    """Return what is to be promoted, pinned to its digest, or None where there was no such release by then.

    :param client: an open client.
    :param repository: the repository key.
    :param candidate: what ``Candidate`` reads.
    :param created_before: see ``newest_version``; it does not count for a tag that is named.
    :raises InvalidReference: when the candidate is malformed.
    :raises NotFound: naming what is missing.
    :raises VersionUncertain: when nobody can tell which release is the newest.
    """
    wanted = Candidate.parse(candidate)
    if wanted.tag is None:
        return await newest_version(
            client,
            repository,
            wanted.image,
            patterns=wanted.patterns,
            versions=wanted.versions,
            created_before=created_before,
        )
    reference = ImageReference(repository, wanted.image, wanted.tag, wanted.digest)
    return reference.pinned((await pin(client, reference)).digest)


async def newest_version(
    client: ArtifactoryClient,
    repository: str,
    image: str,
    *,
    patterns: Patterns | None = None,
    versions: VersionRange | None = None,
    created_before: datetime.datetime | None = None,
) -> ImageReference | None:
    """Return the newest release of an image, pinned to its digest, or None where it had none by then.

    See ``planning.newest`` for what a release is, and where none is certainly the newest.

    :param client: an open client.
    :param repository: the repository key.
    :param image: the image name.
    :param patterns: which tags it is chosen among; None for all.
    :param versions: the range that it has to be in; None for any.
    :param created_before: what was created at this moment or later is passed over, so that a run for a past night
        finds what that night would have found.
    :raises ImageNotFound: when there is no such image.
    :raises TagNotFound: when it has no such release at all.
    :raises VersionUncertain: when nobody can tell which release is the newest.
    """
    place = ImageReference(repository, image)
    tags = select_images(await client.tags(repository, image))
    found = TagVersions(tags, patterns=patterns, versions=versions)
    if found.choose() is None:
        raise TagNotFound(explain_none(place, tags, found, patterns, versions))
    chosen = await _choose(_Looks(client, place, created_before), place, found)
    if chosen is not None:
        log.info("%s: %s is the newest release. Passed over: %s.", place, chosen.tag, found.explain())
    return chosen


async def _choose(looks: _Looks, place: ImageReference, found: TagVersions) -> ImageReference | None:
    while (choice := found.choose(without=looks.later)) is not None:
        if choice.doubtful and looks.are_of_now:
            raise explain_doubt(place, choice)
        digests = await looks.look(choice.newest)
        if len(digests) < len(choice.newest):
            continue
        if choice.doubtful:
            if await looks.are_all_later(choice.doubtful):
                continue
            raise explain_doubt(place, choice)
        if len(set(digests)) > 1:
            raise explain_two_images(place, choice, digests)
        return ImageReference(place.repository, place.image, choice.newest[0], digests[0])
    return None


class _Looks:
    """What the tags of an image show, and which of them are later than the moment that counts.

    :param client: an open client.
    :param place: repository and image.
    :param before: the moment; None for now.
    """

    def __init__(self, client: ArtifactoryClient, place: ImageReference, before: datetime.datetime | None) -> None:
        self._client = client
        self._place = place
        self._before = before
        self._digests: dict[str, str] = {}
        self._doubts = 0
        self.later: set[str] = set()

    @property
    def are_of_now(self) -> bool:
        """Whether there is no such moment, so that nothing is later."""
        return self._before is None

    async def look(self, tags: Sequence[str]) -> list[str]:
        """Return the digests of those that were there by then; the others are later from now on.

        :param tags: the tags.
        """
        digests = []
        for tag in tags:
            if tag not in self._digests and tag not in self.later:
                await self._look(tag)
            if tag in self._digests:
                digests.append(self._digests[tag])
        return digests

    async def are_all_later(self, tags: Sequence[str]) -> bool:
        """Return whether none of the tags was there by then; False, too, where asking would take too many requests.

        :param tags: the tags.
        """
        for tag in tags:
            self._doubts += 1
            if self._doubts > _MOST_DOUBTS or await self.look([tag]):
                return False
        return True

    async def _look(self, tag: str) -> None:
        reference = ImageReference(self._place.repository, self._place.image, tag)
        descriptor = await pin(self._client, reference)
        path = manifest_path(reference, descriptor)
        if self._before is None or await self._client.created(path) < self._before:
            self._digests[tag] = descriptor.digest
        else:
            self.later.add(tag)


def _text(line: object) -> str:
    if not isinstance(line, str):
        raise InvalidReference(f"{line!r:.200} is no text, and so names no image: put it in quotes. {_EXAMPLES}.")
    return line.strip()


def explain_doubt(place: ImageReference, choice: Choice) -> VersionUncertain:
    """Return what is said where another tag may be newer.

    :param place: repository and image.
    :param choice: the choice, with its doubts.
    """
    return VersionUncertain(
        f"Which release of {place} is the newest is not certain: {choice.newest[0]} is the highest version, but "
        f"{show_names(choice.doubtful)} may be newer. Say which tags are meant, by a pattern, a range or the tag: "
        f"{_advice(place, choice)}."
    )


def explain_two_images(place: ImageReference, choice: Choice, digests: Sequence[str]) -> VersionUncertain:
    """Return what is said where several tags are one version, and show different images.

    :param place: repository and image.
    :param choice: the choice.
    :param digests: what its tags show, in their order.
    """
    shown = [f"{tag} ({digest[:19]}…)" for tag, digest in zip(choice.newest, digests, strict=True)]
    return VersionUncertain(
        f"Which release of {place} is the newest is not certain: {show_names(shown)} are one version and show "
        f"different images. Make them show the same one, or name the tag: {_advice(place, choice)}."
    )


def _advice(place: ImageReference, choice: Choice) -> str:
    return " or ".join(f"'{place.image}{text}'" for text in choice.advice)


def explain_none(
    place: ImageReference,
    tags: Sequence[str],
    found: TagVersions,
    patterns: Patterns | None,
    versions: VersionRange | None,
) -> str:
    """Return what is said where an image has no release that is meant.

    :param place: repository and image.
    :param tags: its tags that are images of their own.
    :param found: which of them are versions.
    :param patterns: which tags are meant; None for all.
    :param versions: the range that is meant; None for any.
    """
    meant = f" that matches {patterns.include[0]!r}" if patterns is not None else ""
    meant += f" in the range {versions.text!r}" if versions is not None else ""
    seen = f". There are {found.explain()}. Say" if found.others else ": say"
    return (
        f"{place} has {len(tags)} tags, but no released version such as 1.4.2 or v1.4.2{meant}{seen} which tags are "
        f"meant, by a pattern, as in '{place.image}{found.advise()}', or name the tag, as in '{place.image}:tag'."
    )
