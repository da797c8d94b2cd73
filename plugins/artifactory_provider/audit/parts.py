"""What belongs to the images of a survey and has to stand beside them: children of indexes, recorded attachments."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.artifactory.manifests import InvalidManifest
from artifactory_provider.artifactory.references import ImageReference, InvalidReference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.audit.survey import StandingTag, Survey

log = logging.getLogger(__name__)

_AT_ONCE = 16


Children = dict[str, tuple[str, ...]]
"""Digest of an index → the digests of its children."""


async def find_children(client: ArtifactoryClient, survey: Survey) -> Children:
    """Return the children of the indexes that tags of images show: as records name them, or as the index itself does.

    No query tells them, so each index that no record describes is read, once wherever it stands.

    :param client: an open client.
    :param survey: what stands there.
    """
    found: Children = {}
    unknown: dict[str, ImageReference] = {}
    for tag in survey:
        if tag.is_index and subject_of(tag.name) is None:
            record = tag.record
            if record is not None and record.children is not None:
                found[tag.digest] = record.children
            else:
                unknown[tag.digest] = tag.place

    async def read(place: ImageReference) -> None:
        try:
            found[str(place.digest)] = (await client.manifest(place.by_digest())).children
        except (TagNotFound, InvalidManifest) as error:
            log.warning("The children of %s are unknown: %s", place, error)

    await concurrently(read, [unknown[one] for one in unknown.keys() - found.keys()], at_once=_AT_ONCE)
    return found


async def find_lost_children(
    client: ArtifactoryClient, survey: Survey, children: Children
) -> list[tuple[StandingTag, tuple[str, ...]]]:
    """Return the indexes that lack children, each with their digests.

    :param client: an open client.
    :param survey: what stands there.
    :param children: the children of its indexes.
    """
    lost = [
        (tag, [one for one in children.get(tag.digest, ()) if not survey.has_manifest(tag.image, one)])
        for tag in survey
        if tag.is_index
    ]
    return await _confirm(client, lost)


async def find_lost_attachments(client: ArtifactoryClient, survey: Survey) -> list[tuple[StandingTag, tuple[str, ...]]]:
    """Return the tags whose records name attachments that are gone, each with their tags and digests.

    A signature that gained another one stands under the same tag with another digest: that is no loss.

    :param client: an open client.
    :param survey: what stands there.
    """
    lost = []
    for tag in survey:
        record = tag.record
        if record is None or not record.attachments:
            continue
        there = survey.tags_of(tag.image)
        missing = [one for one in record.attachments if one not in there and not survey.has_manifest(tag.image, one)]
        lost.append((tag, missing))
    return await _confirm(client, lost)


async def _confirm(
    client: ArtifactoryClient, lost: Iterable[tuple[StandingTag, list[str]]]
) -> list[tuple[StandingTag, tuple[str, ...]]]:
    """Leave only what the Docker API does not have either: where servers keep referrers is for them to know."""

    async def ask(one: tuple[StandingTag, list[str]]) -> tuple[StandingTag, tuple[str, ...]]:
        tag, names = one
        return tag, tuple([name for name in names if not await _stands(client, tag.place, name)])

    asked = await concurrently(ask, [one for one in lost if one[1]], at_once=_AT_ONCE)
    return [one for one in asked if one[1]]


async def _stands(client: ArtifactoryClient, place: ImageReference, name: str) -> bool:
    is_digest = name.startswith("sha256:")
    try:
        there = ImageReference(place.repository, place.image, None if is_digest else name, name if is_digest else None)
    except InvalidReference:
        return False  # Whoever may annotate writes what a record names: what no server could have does not stand there.
    return await client.descriptor(there) is not None
