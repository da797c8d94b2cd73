"""What a person decides about an image: a tag is held, a digest is rejected, and either is lifted again.

Each is written on the image itself, with its reason, its author and its time; see ``marks``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.layout import any_manifest
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.promotion.errors import DecisionIncomplete, NothingToLift, name_first
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.marks import (
    HOLD,
    HOLD_PROPERTIES,
    REJECTED,
    REJECTED_PROPERTIES,
    Mark,
    hold_of,
    hold_properties,
    lifting_properties,
    rejection_properties,
)
from artifactory_provider.promotion.transfer import pin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)


async def hold(client: ArtifactoryClient, tag: ImageReference, *, reason: str, by: str) -> ImageReference:
    """Hold a tag: schedules, events, backfills and people leave what it shows as it is until the hold is lifted.

    :param client: an open client.
    :param tag: repository, image and tag; with a digest, the tag must show it.
    :param reason: why, in one line.
    :param by: who says so.
    :return: the tag, pinned to the digest that it is held on.
    :raises InvalidPromotion: when the reason is none.
    :raises NotFound: naming what is missing.
    """
    properties = hold_properties(tag, reason=reason, by=by)
    descriptor = await pin(client, tag)
    await client.set_properties(manifest_path(tag, descriptor), properties)
    held = tag.pinned(descriptor.digest)
    log.info("Held %s: %s", held, properties[HOLD])
    return held


async def lift_hold(client: ArtifactoryClient, tag: ImageReference, *, reason: str, by: str) -> ImageReference:
    """Lift the hold on a tag, and leave who has lifted it and why in its place.

    :param client: an open client.
    :param tag: repository, image and tag.
    :param reason: why, in one line.
    :param by: who says so.
    :return: the tag, pinned to the digest that it was held on.
    :raises NothingToLift: when it is not held.
    :raises NotFound: naming what is missing.
    """
    lifted = lifting_properties(reason=reason, by=by)
    descriptor = await pin(client, tag)
    path = manifest_path(tag, descriptor)
    mark = hold_of(await client.properties(path), tag)
    if mark is None:
        raise NothingToLift(f"{tag.pinned(descriptor.digest)} is not held: nothing was changed.")
    await client.set_properties(path, lifted)
    await client.delete_properties(path, HOLD_PROPERTIES)
    log.info("Lifted the hold on %s, which was: %s", tag, mark)
    return tag.pinned(descriptor.digest)


async def reject(client: ArtifactoryClient, image: ImageReference, *, reason: str, by: str) -> tuple[str, ...]:
    """Reject a digest: it is not promoted any more, under whatever tag and from whatever repository.

    It is marked wherever it stands; where the server refuses queries, under the tag that is named alone. What shows it
    already goes on showing it.

    :param client: an open client.
    :param image: repository, image and tag, of which the digest is taken; with a digest, that one.
    :param reason: why, in one line.
    :param by: who says so.
    :return: the paths of the manifests that are marked now.
    :raises DecisionIncomplete: after all others, when some could not be marked.
    :raises NotFound: naming what is missing.
    """
    properties = rejection_properties(reason=reason, by=by)
    paths = await _find(client, image)
    await _change(image, "rejected", paths, lambda path: client.set_properties(path, properties))
    log.info("Rejected %s in %d places: %s", image, len(paths), properties[REJECTED])
    return paths


async def lift_rejection(client: ArtifactoryClient, image: ImageReference, *, reason: str, by: str) -> tuple[str, ...]:
    """Take back the rejection of a digest wherever it stands, and leave who has done so and why in its place.

    :param client: an open client.
    :param image: repository, image and tag, of which the digest is taken; with a digest, that one.
    :param reason: why, in one line.
    :param by: who says so.
    :return: the paths of the manifests that were marked.
    :raises NothingToLift: when it is not rejected anywhere.
    :raises DecisionIncomplete: after all others, when some could not be changed.
    :raises NotFound: naming what is missing.
    """
    lifted = lifting_properties(reason=reason, by=by)
    paths = await _find(client, image, {f"@{REJECTED}": {"$match": "*"}})

    async def lift(path: str) -> bool:
        if Mark.read(await client.properties(path), REJECTED) is None:
            return False
        await client.set_properties(path, lifted)
        await client.delete_properties(path, REJECTED_PROPERTIES)
        return True

    were = await _change(image, "lifted", paths, lift)
    marked = tuple(path for path, was in zip(paths, were, strict=True) if was)
    if not marked:
        raise NothingToLift(f"{image} is not rejected anywhere: nothing was changed.")
    log.info("Lifted the rejection of %s in %d places.", image, len(marked))
    return marked


async def _find(
    client: ArtifactoryClient, image: ImageReference, narrower: dict[str, Any] | None = None
) -> tuple[str, ...]:
    """Return the paths of the manifests with the digest of an image, that of its own tag first."""
    own: tuple[str, ...] = ()
    digest = image.digest
    if image.tag is not None:
        descriptor = await pin(client, image)
        own, digest = (manifest_path(image, descriptor),), descriptor.digest
    criteria = {"sha256": str(digest).removeprefix("sha256:"), **any_manifest(), **(narrower or {})}
    async with Ledger(client) as ledger:
        items = await ledger.find_items(criteria)
    if items is None:
        log.warning("The server answers no queries: %s is changed where it is named, and nowhere else.", image)
    found = sorted(f"{item.repository}/{item.folder}/{item.name}" for item in items or ())
    return tuple(dict.fromkeys([*own, *found]))


async def _change(
    image: ImageReference, what: str, paths: Sequence[str], change: Callable[[str], Awaitable[Any]]
) -> list[Any]:
    """Change all, one after the other's failure too; then say which could not be."""
    failures: list[str] = []

    async def try_one(path: str) -> Any:
        try:
            return await change(path)
        except ArtifactoryError as error:
            failures.append(f"{path}: {error}")
            return None

    changed = await concurrently(try_one, paths)
    if failures:
        raise DecisionIncomplete(
            f"{image} could not be {what} in {len(failures)} of {len(paths)} places; it is in all others. Run it again "
            f"once the reasons are gone:\n{name_first(failures)}"
        )
    return changed
