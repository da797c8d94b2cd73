"""Which tag of each of many images is meant: the same answers as for one image, out of one listing for all."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently, in_turns
from artifactory_provider.artifactory.errors import ArtifactoryError, TagNotFound
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.errors import PromotionError, SourceMoved
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.newest import TagVersions
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.sources import list_tags
from artifactory_provider.promotion.selection import (
    Candidate,
    explain_doubt,
    explain_none,
    explain_two_images,
    select,
)
from artifactory_provider.promotion.tags import select_images

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.planning.sources import ListedTag

log = logging.getLogger(__name__)

_AT_ONCE = 8

Tags = dict[str, "ListedTag"]
"""Tag → what a repository shows under it, of one image."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What was found for one candidate.

    :param candidate: what was asked for, as ``Candidate`` reads it.
    :param reference: what is to be promoted, pinned; None where there was no such release by then, or an error.
    :param error: why nobody can tell what is to be promoted.
    :param created: when the image was created; None where that was not asked for, or is not known.
    """

    candidate: str
    reference: ImageReference | None = None
    created: datetime.datetime | None = None
    error: Exception | None = None


async def list_image_names(client: ArtifactoryClient, repository: str, images: Patterns) -> list[str]:
    """Return the names of the images that patterns mean: those that are named, and those of the repository that match.

    :param client: an open client.
    :param repository: the repository key.
    :param images: the patterns.
    :raises ArtifactoryError: when the repository's images cannot be listed.
    """
    listed = await client.images(repository) if images.has_wildcards else ()
    return list(dict.fromkeys((*images.exact, *(name for name in sorted(listed) if images.match(name)))))


async def select_many(
    client: ArtifactoryClient,
    repository: str,
    candidates: Sequence[str],
    *,
    created_before: datetime.datetime | None = None,
    with_times: bool = False,
) -> list[Selected]:
    """Return for each candidate what is to be promoted; what nobody can tell of one harms no other.

    :param client: an open client.
    :param repository: the repository key.
    :param candidates: what ``Candidate`` reads, each.
    :param created_before: passes over what was created at this moment or later; not for a tag that is named.
    :param with_times: whether it is needed when each image was created.
    :raises ArtifactoryError: when the server cannot be asked.
    """
    wanted = [_parse(candidate) for candidate in candidates]
    images = sorted({one.image for one in wanted if isinstance(one, Candidate)})
    found = (
        await _list(client, repository, images, with_times=with_times or created_before is not None) if images else {}
    )
    selected = [
        _select(repository, candidate, one, found, created_before)
        async for candidate, one in in_turns(zip(candidates, wanted, strict=True))
    ]
    return await concurrently(
        lambda one: _ask_alone(client, repository, one, found, created_before), selected, at_once=_AT_ONCE
    )


async def _list(
    client: ArtifactoryClient, repository: str, images: Sequence[str], *, with_times: bool
) -> dict[str, Tags]:
    criteria = TagCriteria(repositories=(repository,), images=Patterns(tuple(images)))
    async with Ledger(client) as ledger:
        listed = await list_tags(ledger, criteria, with_times=with_times, with_attachments=False)
    found: dict[str, Tags] = {}
    async for tag in in_turns(listed.tags):
        found.setdefault(tag.reference.image, {})[str(tag.reference.tag)] = tag
    return found


def _parse(candidate: str) -> Candidate | InvalidReference:
    try:
        return Candidate.parse(candidate)
    except InvalidReference as error:
        return error


def _select(
    repository: str,
    candidate: str,
    wanted: Candidate | InvalidReference,
    listed: dict[str, Tags],
    before: datetime.datetime | None,
) -> Selected:
    if isinstance(wanted, InvalidReference):
        return Selected(candidate, error=wanted)
    tags = listed.get(wanted.image, {})
    place = ImageReference(repository, wanted.image)
    try:
        found = _newest(place, wanted, tags, before) if wanted.tag is None else _named(place, wanted, tags)
    except (ArtifactoryError, PromotionError) as error:
        return Selected(candidate, error=error)
    return Selected(candidate, found.reference, found.created) if found else Selected(candidate)


def _named(place: ImageReference, wanted: Candidate, tags: Tags) -> ListedTag:
    listed = tags.get(str(wanted.tag))
    if listed is None:
        raise TagNotFound(f"There is no {place}:{wanted.tag}.")
    if wanted.digest not in {None, listed.reference.digest}:
        raise SourceMoved(
            f"{listed.reference.unpinned()} shows {listed.reference.digest}, and {wanted.digest} is to be promoted."
        )
    return listed


def _newest(place: ImageReference, wanted: Candidate, tags: Tags, before: datetime.datetime | None) -> ListedTag | None:
    there = select_images(tags)
    every = TagVersions(there, patterns=wanted.patterns, versions=wanted.versions)
    if every.choose() is None:
        raise TagNotFound(explain_none(place, there, every, wanted.patterns, wanted.versions))
    late = set() if before is None else {tag for tag in there if not _was_there(tags[tag], before)}
    known = TagVersions([tag for tag in there if tag not in late], patterns=wanted.patterns, versions=wanted.versions)
    choice = known.choose()
    if choice is None:
        return None
    if choice.doubtful:
        raise explain_doubt(place, choice)
    digests = [str(tags[tag].reference.digest) for tag in choice.newest]
    if len(set(digests)) > 1:
        raise explain_two_images(place, choice, digests)
    return tags[choice.newest[0]]


def _was_there(tag: ListedTag, moment: datetime.datetime) -> bool:
    return tag.created is not None and tag.created < moment


async def _ask_alone(
    client: ArtifactoryClient,
    repository: str,
    one: Selected,
    found: dict[str, Tags],
    before: datetime.datetime | None,
) -> Selected:
    """Ask for an image of which nothing was found by itself: a query may not show it, or it says what is missing."""
    if not isinstance(one.error, TagNotFound):
        return one
    wanted = Candidate.parse(one.candidate)
    if wanted.tag is None and wanted.image in found:
        return one
    try:
        return Selected(one.candidate, await select(client, repository, one.candidate, created_before=before))
    except (ArtifactoryError, PromotionError) as error:
        return Selected(one.candidate, error=error)
