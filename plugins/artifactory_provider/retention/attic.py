"""The attic: a repository of its own to which tags go first, so that for a time they can be brought back.

A tag is moved by one request, under its own name, to an image that is named after where it stood: ``web:1`` of
``docker-dev`` becomes ``docker-dev/web:1`` of the attic. What was moved is looked at afterwards: a tag that somebody
has pushed anew in between is put back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, AuthenticationFailed
from artifactory_provider.artifactory.layout import any_manifest, is_tag_folder, split_folder, subject_of
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.queries import Question, find_together
from artifactory_provider.retention.report import DeletionResult, RetentionReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.listing import Listing
    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.retention.rules import Kind

log = logging.getLogger(__name__)


def place_in_attic(attic: str, tag: ImageReference) -> ImageReference:
    """Return where a tag lies in the attic.

    :param attic: the attic's repository key.
    :param tag: repository, image and tag.
    """
    return ImageReference(attic, f"{tag.repository}/{tag.image}", tag.tag, tag.digest)


def place_before(tag: ImageReference) -> ImageReference:
    """Return where a tag of the attic stood.

    :param tag: repository, image and tag.
    :raises InvalidReference: when it has no such name.
    """
    repository, _, image = tag.image.partition("/")
    return ImageReference(repository, image, tag.tag, tag.digest)


async def put_back_others(
    client: ArtifactoryClient, attic: str, moved: Sequence[ImageReference]
) -> dict[ImageReference, str]:
    """Put back what was moved and is not what was planned; return the tags and what became of them, in words.

    :param client: an open client.
    :param attic: the attic's repository key.
    :param moved: the tags that were moved, pinned to the digests that were planned.
    :raises ArtifactoryError: when the server cannot be asked.
    """
    places = [place_in_attic(attic, tag) for tag in moved]
    seen = await _look(client, [*places, *moved])
    found: dict[ImageReference, str] = {}
    for tag, place in zip(moved, places, strict=True):
        shown = seen.shows(place)
        if shown is None or shown.digest == tag.digest:
            continue
        if seen.shows(tag) is None:
            await client.promote(place.unpinned(), tag.unpinned(), copy=False)
            found[tag] = f"it was pushed anew while it went, and shows {shown.digest}: it was put back"
        else:
            found[tag] = f"it was pushed anew twice while it went: {shown.digest} is kept as {place.unpinned()}"
    return found


async def restore(
    client: ArtifactoryClient, attic: str, *, repositories: Patterns | None = None, images: Patterns | None = None
) -> RetentionReport:
    """Bring back from the attic what it holds, where its tag is free; one that fails does not stop the others.

    :param client: an open client.
    :param attic: the attic's repository key.
    :param repositories: to which repositories something is brought back; None for all.
    :param images: of which images something is brought back, by their names there; None for all.
    :raises ArtifactoryError: when the server cannot be asked.
    """
    pairs = []
    for item in await client.find_items({"repo": attic, **any_manifest()}):
        image, name = split_folder(item.folder)
        if not is_tag_folder(name):
            continue
        try:
            place = ImageReference(attic, image, name)
            before = place_before(place)
        except InvalidReference as error:
            log.info("Passing over %s/%s: %s", attic, item.folder, error)
            continue
        is_meant = repositories is None or repositories.match(before.repository)
        if is_meant and (images is None or images.match(before.image)):
            pairs.append((place, before))
    # What belongs to a digest comes first: a tag is never without it.
    pairs = sorted(set(pairs), key=lambda pair: (subject_of(str(pair[1].tag)) is None, str(pair[1])))
    seen = await _look(client, [end for pair in pairs for end in pair])

    async def bring(pair: tuple[ImageReference, ImageReference]) -> DeletionResult:
        return await _bring_back(client, seen, *pair)

    attached = [pair for pair in pairs if subject_of(str(pair[1].tag)) is not None]
    results = await concurrently(bring, attached)
    results += await concurrently(bring, pairs[len(attached) :])
    return RetentionReport(tuple(results))


async def _bring_back(
    client: ArtifactoryClient, seen: Listing, place: ImageReference, before: ImageReference
) -> DeletionResult:
    lies, standing = seen.shows(place), seen.shows(before)
    tag = before.pinned(lies.digest) if lies else before
    kind: Kind = "tag" if subject_of(str(before.tag)) is None else "attachment"
    if standing is not None:
        reason = f"it shows {standing.digest} now"
        return DeletionResult(tag=tag, kind=kind, outcome="left", reason=reason)
    try:
        await client.promote(place, before, copy=False)
    except AuthenticationFailed:
        raise
    except ArtifactoryError as error:
        return DeletionResult(tag=tag, kind=kind, outcome="failed", reason=str(error), error=error)
    log.info("Brought back %s.", tag)
    return DeletionResult(tag=tag, kind=kind, outcome="restored")


async def _look(client: ArtifactoryClient, tags: Sequence[ImageReference]) -> Listing:
    return await find_together(client, [Question(tags=tuple(tag.unpinned() for tag in tags))])
