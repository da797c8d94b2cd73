"""What belongs to the images of a survey and has to stand beside them: children of indexes, recorded attachments."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.artifactory.manifests import InvalidManifest
from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.audit.survey import StandingTag, Survey
    from artifactory_provider.promotion.listing import Image

log = logging.getLogger(__name__)

_AT_ONCE = 16


@dataclass(frozen=True)
class Indexes:
    """The children of the indexes of a survey: no query tells them, so each index is read, once wherever it stands.

    :param children: digest of an index → the digests of its children.
    :param platforms: digest of an index → its children's platforms as old servers name tags: ``linux-amd64`` → digest.
    """

    children: dict[str, tuple[str, ...]] = field(default_factory=dict)
    platforms: dict[str, dict[str, str]] = field(default_factory=dict)

    def renamed(self, survey: Survey) -> dict[Image, dict[str, str]]:
        """Return the tags under which servers before 7.111.0 keep children: image → tag → digest.

        :param survey: what stands there.
        """
        found: dict[Image, dict[str, str]] = {}
        for tag in survey:
            for platform, digest in self.platforms.get(tag.digest, {}).items():
                found.setdefault(tag.image, {})[f"{tag.name}-{platform}"] = digest
        return found


async def read_indexes(client: ArtifactoryClient, survey: Survey) -> Indexes:
    """Read each index that tags of images show, once.

    :param client: an open client.
    :param survey: what stands there.
    """
    places = {tag.digest: tag.place for tag in survey if tag.is_index and subject_of(tag.name) is None}
    found = Indexes()

    async def read(place: ImageReference) -> None:
        try:
            manifest = await client.manifest(place.by_digest())
        except (TagNotFound, InvalidManifest) as error:
            log.warning("The children of %s are unknown: %s", place, error)
            return
        found.children[manifest.descriptor.digest] = manifest.children
        found.platforms[manifest.descriptor.digest] = _read_platforms(manifest)

    await concurrently(read, places.values(), at_once=_AT_ONCE)
    return found


async def find_lost_children(
    client: ArtifactoryClient, survey: Survey, indexes: Indexes
) -> list[tuple[StandingTag, tuple[str, ...]]]:
    """Return the indexes that lack children, each with their digests.

    :param client: an open client.
    :param survey: what stands there.
    :param indexes: the children of its indexes.
    """
    lost = [
        (tag, [one for one in indexes.children.get(tag.digest, ()) if not survey.has_manifest(tag.image, one)])
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
    there = ImageReference(place.repository, place.image, None if is_digest else name, name if is_digest else None)
    return await client.descriptor(there) is not None


def _read_platforms(manifest: Manifest) -> dict[str, str]:
    found = {}
    for child in json.loads(manifest.content).get("manifests", []):
        platform = child.get("platform")
        if isinstance(platform, dict):
            found[f"{platform.get('os')}-{platform.get('architecture')}"] = str(child.get("digest"))
    return found
