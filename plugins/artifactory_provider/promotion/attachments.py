"""What belongs to a digest but stands elsewhere: signatures, attestations, SBOMs. They travel before the tag.

Cosign keeps them under tags (``sha256-<hex>.sig``, ``.att``, ``.sbom``); OCI 1.1 has referrers, which no tag leads to,
and for servers without the referrers endpoint a fallback tag ``sha256-<hex>`` (OCI distribution specification 1.1,
"Listing Referrers" and "Referrers Tag Schema").
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, NotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import AttachmentLost
from artifactory_provider.promotion.observation import AQL_REFUSED, LIST_FILE, MANIFEST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest

log = logging.getLogger(__name__)

_SUFFIXES = (".sig", ".att", ".sbom", "")
_DEEPEST = 3
_MOST = 1000
_TAGS_A_QUERY = 200


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment.

    :param subject: the digest that it belongs to.
    :param digest: its own digest.
    :param tag: the tag that it stands under; None for a referrer.
    """

    subject: str
    digest: str
    tag: str | None

    def as_dict(self) -> dict[str, str | None]:
        """Return it as a JSON object."""
        return {"subject": self.subject, "digest": self.digest, "tag": self.tag}


async def carry(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, digests: Sequence[str]
) -> tuple[Attachment, ...]:
    """Bring everything that belongs to the digests to the target, and return it.

    :param client: an open client.
    :param source: where the image stands.
    :param target: where it is promoted to.
    :param digests: the image's digest, and those of its children.
    :raises AttachmentLost: when something could not be brought with its bytes unchanged.
    """
    attachments = await find(client, source, digests)
    if not attachments or (source.repository, source.image) == (target.repository, target.image):
        return attachments
    log.info("%d attachments belong to it.", len(attachments))
    there = {found.tag: found.digest for found in await _tagged(client, target, {a.subject for a in attachments})}
    for attachment in attachments:
        if attachment.tag is None or there.get(attachment.tag) != attachment.digest:
            try:
                await _bring(client, attachment, source, target, there.get(attachment.tag))
            except ArtifactoryError as error:
                raise AttachmentLost(
                    f"{_name(attachment)} of {attachment.subject} could not be brought to {target.repository}/"
                    f"{target.image}, so the image was not promoted. {error}"
                ) from error
    return attachments


async def find(client: ArtifactoryClient, place: ImageReference, digests: Iterable[str]) -> tuple[Attachment, ...]:
    """Return what belongs to the digests, and what belongs to that in turn, some levels deep.

    :param client: an open client.
    :param place: repository and image.
    :param digests: the digests.
    :raises AttachmentLost: when there is more than anyone can have meant.
    """
    found: dict[Attachment, None] = {}
    seen: set[str] = set()
    level = list(dict.fromkeys(digests))
    for _ in range(_DEEPEST):
        seen.update(level)
        tagged = await _tagged(client, place, level)
        referring = await concurrently(lambda digest: _referrers(client, place, digest), level)
        new = [*tagged, *itertools.chain.from_iterable(referring)]
        found.update(dict.fromkeys(new))
        if len(found) > _MOST:
            raise AttachmentLost(f"{place.repository}/{place.image} has more than {_MOST} attachments to one image.")
        level = list(dict.fromkeys(a.digest for a in new if a.digest not in seen))
        if not level:
            break
    return tuple(found)


async def _tagged(client: ArtifactoryClient, place: ImageReference, digests: Iterable[str]) -> list[Attachment]:
    """Return the attachments that stand under tags, in one request for many digests."""
    names = {_tag(digest, suffix): digest for digest in digests for suffix in _SUFFIXES}
    try:
        shown = await _shown_by_query(client, place, list(names))
    except AQL_REFUSED as error:
        log.info("%s Reading the list of tags instead.", error)
        shown = await _shown_by_list(client, place, names)
    return [Attachment(names[tag], digest, tag) for tag, digest in sorted(shown.items())]


async def _shown_by_query(client: ArtifactoryClient, place: ImageReference, tags: list[str]) -> dict[str, str]:
    shown: dict[str, str] = {}
    for start in range(0, len(tags), _TAGS_A_QUERY):
        some = tags[start : start + _TAGS_A_QUERY]
        criteria: dict[str, Any] = {
            "repo": place.repository,
            "$and": [
                {"$or": [{"path": f"{place.image}/{tag}"} for tag in some]},
                {"$or": [{"name": MANIFEST_FILE}, {"name": LIST_FILE}]},
            ],
        }
        items = await client.find_items(criteria)
        for item in sorted(items, key=lambda item: item.name, reverse=True):
            shown[item.folder.removeprefix(f"{place.image}/")] = item.digest
    return shown


async def _shown_by_list(client: ArtifactoryClient, place: ImageReference, tags: Iterable[str]) -> dict[str, str]:
    try:
        listed = set(await client.tags(place.repository, place.image))
    except NotFound:
        return {}
    shown = {}
    for tag in sorted(listed.intersection(tags)):
        descriptor = await client.descriptor(ImageReference(place.repository, place.image, tag))
        if descriptor is not None:
            shown[tag] = descriptor.digest
    return shown


async def _referrers(client: ArtifactoryClient, place: ImageReference, digest: str) -> list[Attachment]:
    return [Attachment(digest, referrer, None) for referrer in await client.referrers(place.by_digest().pinned(digest))]


async def _bring(
    client: ArtifactoryClient,
    attachment: Attachment,
    source: ImageReference,
    target: ImageReference,
    there: str | None,
) -> None:
    if attachment.tag is None:
        await _push(client, attachment.digest, source, target, depth=0)
        return
    origin = ImageReference(source.repository, source.image, attachment.tag, attachment.digest)
    place = ImageReference(target.repository, target.image, attachment.tag)
    if there is not None and not await _adds_to(client, origin, place.pinned(there)):
        return
    await client.promote(origin, place, copy=True)
    found = await client.descriptor(place)
    if found is None or found.digest != attachment.digest:
        raise AttachmentLost(
            f"{place} shows {found.digest if found else 'nothing'} after {attachment.digest} was promoted to it: "
            "the image was not promoted. Run it again."
        )
    log.info("Brought %s.", place.pinned(attachment.digest))


async def _adds_to(client: ArtifactoryClient, new: ImageReference, old: ImageReference) -> bool:
    """Tell whether the new one has all that the old one has, and more; nothing of the target's own gets lost."""
    new_parts = set(_parts(await client.manifest(new.by_digest())))
    old_parts = set(_parts(await client.manifest(old.by_digest())))
    if old_parts >= new_parts:
        log.info("%s has all of %s already.", old, new)
        return False
    if new_parts >= old_parts:
        return True
    raise AttachmentLost(
        f"{old} holds signatures or the like that {new} has not, and the other way round: the image was not promoted. "
        "Bring them together first."
    )


def _parts(manifest: Manifest) -> tuple[str, ...]:
    return manifest.children or manifest.layers


async def _push(
    client: ArtifactoryClient, digest: str, source: ImageReference, target: ImageReference, *, depth: int
) -> None:
    """Bring a manifest that no tag leads to: its blobs, what it refers to, then its very bytes."""
    origin, place = (reference.by_digest().pinned(digest) for reference in (source, target))
    if await client.descriptor(place) is not None:
        return
    if depth > _DEEPEST:
        raise AttachmentLost(f"{origin} refers to indexes in indexes more than {_DEEPEST} deep.")
    manifest = await client.manifest(origin)
    for child in manifest.children:
        await _push(client, child, source, target, depth=depth + 1)
    for blob in dict.fromkeys(manifest.blobs):
        if not await client.has_blob(place, blob):
            await client.copy_blob(origin, place, blob)
    await client.put_manifest(place, manifest)
    log.info("Brought %s.", place)


def _tag(digest: str, suffix: str) -> str:
    return f"{digest.replace(':', '-')}{suffix}"


def _name(attachment: Attachment) -> str:
    return f"The attachment {attachment.tag or attachment.digest}"
