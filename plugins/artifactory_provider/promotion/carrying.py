"""Bringing signatures, attestations and SBOMs to the target, before the tag of what they belong to.

None of the target's own is lost: where both sides have something under one tag, it is overwritten only by what holds
all of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.attachments import find, find_tagged
from artifactory_provider.promotion.conflicts import may_delete_layers
from artifactory_provider.promotion.errors import AttachmentLost, PromotionError
from artifactory_provider.promotion.preflight import check_repositories
from artifactory_provider.promotion.sending import send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.promotion.attachments import Attachment

log = logging.getLogger(__name__)

_DEEPEST_INDEX = 3


async def carry(
    client: ArtifactoryClient,
    source: ImageReference,
    target: ImageReference,
    digests: Sequence[str],
    *,
    within: float,
) -> tuple[Attachment, ...]:
    """Bring everything that belongs to the digests to the target, and return it.

    :param client: an open client.
    :param source: where the image stands.
    :param target: where it is promoted to.
    :param digests: the image's digest, and those of its children.
    :param within: the seconds that the target may take to show one of them.
    :raises AttachmentLost: when something could not be brought with its bytes unchanged.
    """
    attachments = await find(client, source, digests)
    if not attachments or (source.repository, source.image) == (target.repository, target.image):
        return attachments
    log.info("%d attachments belong to it.", len(attachments))
    await check_repositories(client, source, target)
    there = {found.tag: found.digest for found in await find_tagged(client, target, {a.subject for a in attachments})}
    for attachment in attachments:
        try:
            await _bring(client, attachment, source, target, there.get(attachment.tag), within=within)
        except (ArtifactoryError, PromotionError) as error:
            raise AttachmentLost(
                f"{target} was not given this digest, because {attachment.name} of {attachment.subject} could not be "
                f"brought to {target.repository}/{target.image}. {error}"
            ) from error
    return attachments


async def _bring(
    client: ArtifactoryClient,
    attachment: Attachment,
    source: ImageReference,
    target: ImageReference,
    there: str | None,
    *,
    within: float,
) -> None:
    if attachment.tag is not None and there != attachment.digest:
        origin = ImageReference(source.repository, source.image, attachment.tag, attachment.digest)
        place = ImageReference(target.repository, target.image, attachment.tag, attachment.digest)
        if there is not None and not await _adds_to(client, origin, place.pinned(there)):
            return
        await send(client, origin, place, copy=True, within=within)
    await _complete(client, attachment.digest, source, target, depth=0)
    log.info("Brought %s of %s.", attachment.name, attachment.subject)


async def _adds_to(client: ArtifactoryClient, new: ImageReference, old: ImageReference) -> bool:
    """Tell whether the new one has all that the old one has, and more; nothing of the target's own gets lost."""
    new_parts = set(_parts(await client.manifest(new.by_digest())))
    old_parts = set(_parts(await client.manifest(old.by_digest())))
    if old_parts >= new_parts:
        log.info("%s has all of %s already.", old, new)
        return False
    if not new_parts >= old_parts:
        raise AttachmentLost(
            f"{old} holds what {new} does not hold, and the other way round: bring them together under one tag first."
        )
    if may_delete_layers(client):
        raise AttachmentLost(
            f"{old} lacks what {new} holds, and this Artifactory may delete layers when it is overwritten (fixed in "
            "7.117.1): delete it in the target first."
        )
    return True


def _parts(manifest: Manifest) -> tuple[str, ...]:
    return manifest.children or manifest.layers


async def _complete(
    client: ArtifactoryClient, digest: str, source: ImageReference, target: ImageReference, *, depth: int
) -> None:
    """Make sure that the target has a manifest and all that it refers to; bring what is missing, its very bytes."""
    origin, place = (reference.by_digest().pinned(digest) for reference in (source, target))
    if depth > _DEEPEST_INDEX:
        raise AttachmentLost(f"{origin} stands in indexes in indexes more than {_DEEPEST_INDEX} deep.")
    manifest = await client.manifest(origin)
    for child in manifest.children:
        await _complete(client, child, source, target, depth=depth + 1)
    for blob in dict.fromkeys(manifest.blobs):
        if not await client.has_blob(place, blob):
            await client.copy_blob(origin, place, blob)
    if await client.descriptor(place) is None:
        await client.put_manifest(place, manifest)
