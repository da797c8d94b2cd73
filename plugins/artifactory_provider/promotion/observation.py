"""What tags show now, many of them in one request: the registry itself is the ledger."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import explain_repository, look
from artifactory_provider.artifactory.errors import (
    AuthenticationFailed,
    NotFound,
    PermissionDenied,
    QueryUnusable,
    RequestRefused,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.pending import Pending, is_pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient

log = logging.getLogger(__name__)

LIST_FILE, MANIFEST_FILE = "list.manifest.json", "manifest.json"
AQL_REFUSED = (AuthenticationFailed, NotFound, PermissionDenied, QueryUnusable, RequestRefused)
"""Servers refuse queries of anonymous users, proxies may not let them through, and digests may be missing in the
results: ask for each tag then."""
_TAGS_A_QUERY = 900
_CHARACTERS_A_QUERY = 100_000
_QUERIES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What a tag shows.

    :param digest: the digest of its manifest or index.
    :param is_index: whether it is an index.
    """

    digest: str
    is_index: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen in one moment.

    :param source: what the source tag shows, or None.
    :param target: what the target tag shows, or None.
    :param pending: the pending tags of the target image.
    """

    source: Shown | None
    target: Shown | None
    pending: tuple[Pending, ...]


async def observe(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, *, with_pending: bool
) -> Observation:
    """Look at both ends of a promotion.

    :param client: an open client.
    :param source: the source tag.
    :param target: the target tag.
    :param with_pending: whether the pending tags of the target image are looked for, too.
    """
    wanted = [_manifests_of(source), _manifests_of(target)]
    if with_pending:
        wanted.append(pending_manifests(target))
    try:
        items = await client.find_items({"$or": wanted})
    except AQL_REFUSED as error:
        log.info("%s Asking for each tag instead.", error)
        return await _observe_each(client, source, target, with_pending=with_pending)
    return Observation(
        source=shown_by(items, source),
        target=shown_by(items, target),
        pending=tuple(pending_tags(items, target)),
    )


async def observe_tags(client: ArtifactoryClient, references: Iterable[ImageReference]) -> dict[ImageReference, Shown]:
    """Return what many tags show, hundreds of them in one request; those that show nothing are left out.

    :param client: an open client.
    :param references: the tags; their digests do not count.
    """
    tags = sorted(dict.fromkeys(tag.unpinned() for tag in references), key=lambda tag: tag.repository)
    try:
        found = await concurrently(lambda part: _query_tags(client, part), _parts(tags), at_once=_QUERIES_AT_ONCE)
        return {tag: shown for part in found for tag, shown in part.items()}
    except AQL_REFUSED as error:
        log.info("%s Asking for each tag instead.", error)
    # A virtual repository shows what stands behind it, too; queries do not take that for its own.
    for repository in dict.fromkeys(tag.repository for tag in tags):
        await explain_repository(client, repository)
    descriptors = await concurrently(lambda tag: look(client, tag), tags)
    seen = zip(tags, descriptors, strict=True)
    return {tag: Shown(descriptor.digest, descriptor.is_index) for tag, descriptor in seen if descriptor}


def _parts(tags: Iterable[ImageReference]) -> list[list[ImageReference]]:
    """Split tags so that each part is of one repository, answered by one page, and of a length that servers take."""
    parts: list[list[ImageReference]] = []
    characters = 0
    for tag in tags:
        length = len(str(tag))
        is_full = parts and (len(parts[-1]) == _TAGS_A_QUERY or characters + length > _CHARACTERS_A_QUERY)
        if not parts or is_full or parts[-1][0].repository != tag.repository:
            parts.append([])
            characters = 0
        parts[-1].append(tag)
        characters += length
    return parts


async def _query_tags(client: ArtifactoryClient, tags: Sequence[ImageReference]) -> dict[ImageReference, Shown]:
    """Look at tags of one repository."""
    places = [{"path": f"{tag.image}/{tag.tag}"} for tag in tags]
    names = [{"name": MANIFEST_FILE}, {"name": LIST_FILE}]
    items = await client.find_items({"repo": tags[0].repository, "$and": [{"$or": places}, {"$or": names}]})
    by_place = {(tag.repository, f"{tag.image}/{tag.tag}"): tag for tag in tags}
    shown: dict[ImageReference, Shown] = {}
    # The list wins: it comes after the manifest that may stand beside it.
    for item in sorted(items, key=lambda item: item.name == LIST_FILE):
        tag = by_place.get((item.repository, item.folder))
        if tag is not None:
            shown[tag] = Shown(item.digest, item.name == LIST_FILE)
    return shown


def shown_by(items: Sequence[Item], reference: ImageReference) -> Shown | None:
    """Return what a tag shows, out of the files that were found.

    :param items: files of manifests.
    :param reference: repository, image and tag.
    """
    folder = f"{reference.image}/{reference.tag}"
    found = {item.name: item for item in items if (item.repository, item.folder) == (reference.repository, folder)}
    if LIST_FILE in found:
        return Shown(found[LIST_FILE].digest, is_index=True)
    if MANIFEST_FILE in found:
        return Shown(found[MANIFEST_FILE].digest, is_index=False)
    return None


def _manifests_of(reference: ImageReference) -> dict[str, Any]:
    return {
        "repo": reference.repository,
        "path": f"{reference.image}/{reference.tag}",
        "$or": [{"name": MANIFEST_FILE}, {"name": LIST_FILE}],
    }


def pending_manifests(target: ImageReference) -> dict[str, Any]:
    """Return the criteria that find the manifests of an image's pending tags.

    :param target: repository and image.
    """
    return {
        "repo": target.repository,
        "path": {"$match": f"{target.image}/pending-*"},
        "$or": [{"name": MANIFEST_FILE}, {"name": LIST_FILE}],
    }


def pending_tags(items: Iterable[Item], target: ImageReference) -> list[Pending]:
    """Return an image's pending tags, out of the files that were found.

    :param items: files of manifests.
    :param target: repository and image.
    """
    above = f"{target.image}/"
    found = {
        item.folder.removeprefix(above): item.updated
        for item in items
        if item.repository == target.repository and item.folder.startswith(above)
    }
    return [
        Pending(ImageReference(target.repository, target.image, tag), updated)
        for tag, updated in sorted(found.items())
        if is_pending(tag)
    ]


async def list_pending(client: ArtifactoryClient, target: ImageReference) -> list[Pending]:
    """Return an image's pending tags out of the list of its tags, for servers that refuse queries.

    :param client: an open client.
    :param target: repository and image.
    """
    try:
        tags = await client.tags(target.repository, target.image)
    except NotFound:
        return []
    except UnsupportedRepository:
        await explain_repository(client, target.repository)
        raise
    return [Pending(ImageReference(target.repository, target.image, tag), None) for tag in tags if is_pending(tag)]


async def _observe_each(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, *, with_pending: bool
) -> Observation:
    # The pending tags first: what is promoted from one of them meanwhile is seen under the target tag then.
    pending = await list_pending(client, target) if with_pending else []
    seen = [await look(client, reference) for reference in (source, target)]
    shown = [Shown(descriptor.digest, descriptor.is_index) if descriptor else None for descriptor in seen]
    return Observation(shown[0], shown[1], tuple(pending))
