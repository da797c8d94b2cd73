"""Whether everything that a manifest refers to is there: every child of an index, and every blob."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.promotion.confirmation import patience_for
from artifactory_provider.promotion.errors import TargetUnverified
from artifactory_provider.promotion.observation import (
    AQL_REFUSED,
    Observation,
    pending_manifests,
    pending_tags,
    shown_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

_MOST_MANIFESTS = 1000
_DEEPEST_INDEX = 4
_FOLDERS_A_QUERY = 500


class Listing:
    """The files that belong to images in source and target, as a few queries have found them.

    :param items: the files.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self._folders: dict[tuple[str, str], set[str]] = {}
        for item in self.items:
            name = item.name if item.name.startswith("sha256__") else f"{item.name} {item.digest}"
            self._folders.setdefault((item.repository, item.folder), set()).add(name)

    def has_blobs(self, place: ImageReference, folder: str, blobs: Iterable[str]) -> bool:
        """Tell whether a folder holds all these blobs."""
        return self._files(place, folder) >= {_blob_file(blob) for blob in blobs}

    def is_copied(self, source: ImageReference, target: ImageReference, digest: str) -> bool:
        """Tell whether the target's folder of a child holds all that the source's holds, and that is the child."""
        wanted = self._files(source, digest)
        return f"manifest.json {digest}" in wanted and self._files(target, digest) >= wanted

    def proves(self, source: ImageReference, target: ImageReference, manifest: Manifest) -> bool:
        """Tell whether the target has all blobs of a manifest, and all children with what they have in the source."""
        return self.has_blobs(target, str(target.tag), manifest.blobs) and all(
            self.is_copied(source, target, child) for child in manifest.children
        )

    def observation(self, pending: ImageReference, target: ImageReference) -> Observation:
        """Return what a pending tag and its target tag show, and the pending tags beside it."""
        found = pending_tags(self.items, target)
        return Observation(shown_by(self.items, pending), shown_by(self.items, target), tuple(found))

    def _files(self, place: ImageReference, folder: str) -> set[str]:
        return self._folders.get((place.repository, f"{place.image}/{folder}"), set())


async def complete(
    client: ArtifactoryClient,
    source: ImageReference,
    target: ImageReference,
    manifest: Manifest,
    *,
    within: float,
    beside: ImageReference | None = None,
) -> Listing | None:
    """Make sure that the target has all children and blobs, and return the files that one query has found.

    One query answers for both sides; what it does not prove, and all where queries are refused, is asked of the
    Docker API part by part.

    :param client: an open client.
    :param source: where the image was promoted from.
    :param target: the tag that it was promoted to, with its digest.
    :param manifest: its manifest or index.
    :param within: the seconds that the target may take to show it all.
    :param beside: another tag of the target image, which is looked at in the same query, with all pending tags.
    :raises TargetUnverified: naming what is missing.
    """
    patience = patience_for(TargetUnverified, within=within)
    return await patience(_complete_once, client, source, target, manifest, beside)


async def find_proved(
    client: ArtifactoryClient, copies: Sequence[tuple[ImageReference, ImageReference, Manifest]]
) -> set[ImageReference]:
    """Return the targets that a few queries prove to have all children and blobs; the others have to be asked about.

    :param client: an open client.
    :param copies: where each image was promoted from, the tag that it was promoted to, and its manifest.
    """
    places = {(target.repository, f"{target.image}/{target.tag}") for _, target, _ in copies}
    for source, target, manifest in copies:
        children = manifest.children[:_MOST_MANIFESTS]
        places |= {(place.repository, f"{place.image}/{child}") for place in (source, target) for child in children}
    folders = [{"repo": repository, "path": path} for repository, path in sorted(places)]
    try:
        parts = [folders[start : start + _FOLDERS_A_QUERY] for start in range(0, len(folders), _FOLDERS_A_QUERY)]
        found = await concurrently(lambda part: client.find_items({"$or": part}), parts, at_once=2)
    except AQL_REFUSED as error:
        log.info("%s Asking for each part instead.", error)
        return set()
    listing = Listing(itertools.chain.from_iterable(found))
    return {target for source, target, manifest in copies if listing.proves(source, target, manifest)}


async def _complete_once(
    client: ArtifactoryClient,
    source: ImageReference,
    target: ImageReference,
    manifest: Manifest,
    beside: ImageReference | None,
) -> Listing | None:
    listing = await _list_image(client, source, target, manifest, beside)
    if listing and listing.has_blobs(target, str(target.tag), manifest.blobs):
        missing = []
    else:
        missing = await _missing_blobs(client, target, manifest)
    unproved = [c for c in manifest.children if not (listing and listing.is_copied(source, target, c))]
    missing += await _missing_below(client, target, unproved)
    if missing:
        raise TargetUnverified(
            f"{target} is there, but {len(missing)} of the parts that it refers to are missing in "
            f"{target.repository!r}: {', '.join(missing[:5])}. Check that the source has them, and promote again with "
            "on_conflict='overwrite'."
        )
    return listing


async def _list_image(
    client: ArtifactoryClient,
    source: ImageReference,
    target: ImageReference,
    manifest: Manifest,
    beside: ImageReference | None,
) -> Listing | None:
    """Find the files of an image on both sides in one request, or None where the server refuses queries."""
    folders: list[dict[str, Any]] = [
        {"repo": place.repository, "path": f"{place.image}/{place.tag}"} for place in (target, beside) if place
    ]
    if beside is not None:
        folders.append(pending_manifests(beside))
    for child in manifest.children[:_MOST_MANIFESTS]:
        folders += [{"repo": place.repository, "path": f"{place.image}/{child}"} for place in (source, target)]
    try:
        return Listing(await client.find_items({"$or": folders}))
    except AQL_REFUSED as error:
        log.info("%s Asking for each part instead.", error)
        return None


async def _missing_below(client: ArtifactoryClient, target: ImageReference, children: list[str]) -> list[str]:
    """Return the digests of manifests and blobs below an index, at every level, that the target does not have."""
    missing: list[str] = []
    seen: set[str] = set()
    level = children
    for _ in range(_DEEPEST_INDEX):
        seen.update(level)
        if len(seen) > _MOST_MANIFESTS:
            break
        manifests = dict(zip(level, await concurrently(lambda c: _child(client, target, c), level), strict=True))
        missing += [child for child, manifest in manifests.items() if manifest is None]
        there = [manifest for manifest in manifests.values() if manifest is not None]
        for manifest in there:
            missing += await _missing_blobs(client, target, manifest)
        level = list(dict.fromkeys(child for manifest in there for child in manifest.children if child not in seen))
        if not level:
            return list(dict.fromkeys(missing))
    raise TargetUnverified(
        f"{target} refers to more than {_MOST_MANIFESTS} manifests, or to indexes in indexes more than "
        f"{_DEEPEST_INDEX} deep: that is no image, and was not verified."
    )


async def _child(client: ArtifactoryClient, target: ImageReference, digest: str) -> Manifest | None:
    try:
        return await client.manifest(target.by_digest().pinned(digest))
    except TagNotFound:
        return None


async def _missing_blobs(client: ArtifactoryClient, target: ImageReference, manifest: Manifest) -> list[str]:
    blobs = list(dict.fromkeys(manifest.blobs))
    there = await concurrently(lambda blob: client.has_blob(target, blob), blobs)
    return [blob for blob, is_there in zip(blobs, there, strict=True) if not is_there]


def _blob_file(digest: str) -> str:
    return digest.replace(":", "__")
