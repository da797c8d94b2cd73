"""Whether everything that a manifest refers to is there: every child of an index, and every blob."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.layout import folder_of, folder_of_digest
from artifactory_provider.promotion.errors import PartsMissing, SourceIncomplete, TargetUnverified
from artifactory_provider.promotion.queries import Question

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Listing

log = logging.getLogger(__name__)

_MOST_MANIFESTS = 1000
_DEEPEST_INDEX = 4
_MOST_ASKED = 20


def ask_for_parts(source: ImageReference, target: ImageReference, manifest: Manifest) -> Question:
    """Return the question whose answer can prove that an image is complete: its files, on both sides.

    :param source: repository and image.
    :param target: repository, image and tag.
    :param manifest: the manifest or index.
    """
    children = manifest.children[:_MOST_MANIFESTS]
    folders = [folder_of_digest(place, child) for child in children for place in (source, target)]
    return Question(tags=(target,), folders=(folder_of(target.unpinned()), *folders))


async def check_complete(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, manifest: Manifest, seen: Listing
) -> None:
    """Make sure that the target has all children and blobs; what was seen and proves nothing is asked for one by one.

    :param client: an open client.
    :param source: where the image was promoted from.
    :param target: the tag that it was promoted to, with its digest.
    :param manifest: its manifest or index.
    :param seen: the answer to ``ask_for_parts``.
    :raises PartsMissing: naming what is missing.
    :raises TargetUnverified: when it refers to more than any image does.
    """
    if seen.proves(source, target, manifest):
        return
    missing: list[str] = []
    if not seen.has_blobs(folder_of(target.unpinned()), manifest.blobs):
        missing += await _find_missing_blobs(client, source, target, manifest)
    unproved = [
        child
        for child in manifest.children
        if not seen.is_copied(folder_of_digest(source, child), folder_of_digest(target, child), child)
    ]
    missing += await _find_missing_below(client, source, target, unproved)
    if missing:
        raise PartsMissing(
            f"{target} is there, but {len(missing)} of the parts that it refers to are missing in "
            f"{target.repository!r}: {', '.join(missing[:5])}. Check that the source has them, and promote again with "
            "on_conflict='overwrite'.",
            found=target.digest,
            parts=missing,
        )


async def check_source_complete(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, missing: PartsMissing
) -> None:
    """Find out whether what the target lacks could ever come: whether the source has it.

    :param client: an open client.
    :param source: where the image was promoted from.
    :param target: where parts of it are missing.
    :param missing: which parts.
    :raises SourceIncomplete: naming what the source lacks, too.
    """
    parts = missing.parts[:_MOST_ASKED]
    there = await concurrently(lambda part: _has_part(client, source, part), parts)
    lost = [part for part, is_there in zip(parts, there, strict=True) if not is_there]
    if lost:
        raise SourceIncomplete(
            f"{target.by_digest()} refers to parts that its source {source.repository}/{source.image} does not have "
            f"either: {', '.join(lost[:5])}. Push the image again, and promote that."
        )


async def _has_part(client: ArtifactoryClient, place: ImageReference, digest: str) -> bool:
    """Return whether an image has a manifest or blob; a child is one, and a layer the other."""
    if await client.has_blob(place, digest):
        return True
    return await client.descriptor(place.by_digest().pinned(digest)) is not None


async def _find_missing_below(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, children: list[str]
) -> list[str]:
    """Return the digests of manifests and blobs below an index, at every level, that the target does not have."""
    missing: list[str] = []
    seen: set[str] = set()
    level = children
    for _ in range(_DEEPEST_INDEX):
        seen.update(level)
        if len(seen) > _MOST_MANIFESTS:
            break
        manifests = dict(zip(level, await concurrently(lambda c: _read_child(client, target, c), level), strict=True))
        missing += [child for child, manifest in manifests.items() if manifest is None]
        there = [manifest for manifest in manifests.values() if manifest is not None]
        for manifest in there:
            missing += await _find_missing_blobs(client, source, target, manifest)
        level = list(dict.fromkeys(child for manifest in there for child in manifest.children if child not in seen))
        if not level:
            return list(dict.fromkeys(missing))
    raise TargetUnverified(
        f"{target} refers to more than {_MOST_MANIFESTS} manifests, or to indexes in indexes more than "
        f"{_DEEPEST_INDEX} deep: that is no image, and was not verified.",
        found=target.digest,
    )


async def _read_child(client: ArtifactoryClient, target: ImageReference, digest: str) -> Manifest | None:
    try:
        return await client.manifest(target.by_digest().pinned(digest))
    except TagNotFound:
        return None


async def _find_missing_blobs(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, manifest: Manifest
) -> list[str]:
    """Return the blobs that the target lacks; of layers with URLs of their own only those that the source has."""
    blobs = list(dict.fromkeys(manifest.blobs))
    there = await concurrently(lambda blob: client.has_blob(target, blob), blobs)
    missing = [blob for blob, is_there in zip(blobs, there, strict=True) if not is_there]
    return [blob for blob in missing if blob not in manifest.kept_elsewhere or await client.has_blob(source, blob)]
