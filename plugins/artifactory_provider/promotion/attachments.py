"""What belongs to a digest but stands elsewhere: signatures, attestations, SBOMs. It is found, and brought along.

Cosign and others keep them under tags (``sha256-<hex>.sig``, ``.att``, ``.sbom``, any suffix); OCI 1.1 has referrers,
which no tag leads to, and for servers without the referrers endpoint a fallback tag ``sha256-<hex>`` (OCI distribution
specification 1.1, "Listing Referrers" and "Referrers Tag Schema").

All of it is brought to the target before the tag of what it belongs to. None of the target's own is lost: where both
sides have something under one tag, it is overwritten only by what holds all of it.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.layout import folder_of, is_fallback_tag
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import AttachmentLost, PromotionError, TargetUnverified
from artifactory_provider.promotion.guards import may_delete_layers
from artifactory_provider.promotion.listing import image_of
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.record import Attachment
from artifactory_provider.promotion.transfer import explain_unverified, send, wait_until_shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.promotion.listing import Listing

log = logging.getLogger(__name__)

_DEEPEST = 3
_DEEPEST_INDEX = 3
_MOST = 1000


async def find_attachments(ledger: Ledger, place: ImageReference, digests: Iterable[str]) -> tuple[Attachment, ...]:
    """Return what belongs to the digests, and what belongs to that in turn, some levels deep: tags and referrers.

    :param ledger: what is known of the registry.
    :param place: repository and image.
    :param digests: the digests.
    :raises AttachmentLost: when there is more than anyone can have meant.
    """
    found: dict[Attachment, None] = {}
    seen: set[str] = set()
    level = list(dict.fromkeys(digests))
    for _ in range(_DEEPEST):
        seen.update(level)
        subjects = tuple(place.by_digest().pinned(digest) for digest in level)
        listing = await ledger.look(Question(attachments_to=subjects))
        tagged = _select_tags(level, listing.attachments_in(image_of(place)))
        referring = await concurrently(lambda digest: _find_referrers(ledger, place, digest), level)
        new = [*tagged, *itertools.chain.from_iterable(referring)]
        found.update(dict.fromkeys(new))
        if len(found) > _MOST:
            raise AttachmentLost(f"{place.repository}/{place.image} has more than {_MOST} attachments to one image.")
        level = list(dict.fromkeys(a.digest for a in new if a.digest not in seen))
        if not level:
            break
    return tuple(found)


async def find_tagged(
    ledger: Ledger, source: ImageReference, listing: Listing, *, index: ImageReference | None
) -> tuple[Attachment, ...]:
    """Return what stands under tags and belongs to an image, out of all tags of that kind that its image has.

    An index is read only where something belongs to a digest that no tag shows: to a child, likely.

    :param ledger: what is known of the registry.
    :param source: repository, image, tag and digest.
    :param listing: the answer to ``attachments_in`` for its image.
    :param index: where the digest can be read, if it is an index's: a move may have taken it from the source already.
    """
    attached = listing.attachments_in(image_of(source))
    if not attached:
        return ()
    digests = [str(source.digest)]
    if index is not None and await _has_orphans(ledger, source, attached):
        digests += (await ledger.read(index)).children
    found: dict[Attachment, None] = {}
    for _ in range(_DEEPEST):
        unseen = [tag for digest in digests for tag, shown in attached.get(digest, {}).items() if shown is None]
        if unseen:
            places = tuple(ImageReference(source.repository, source.image, tag) for tag in unseen)
            now = (await ledger.look(Question(tags=places))).attachments_in(image_of(source))
            attached = {**attached, **{digest: now.get(digest, {}) for digest in digests}}
        new = [one for one in _select_tags(digests, attached) if one not in found]
        found.update(dict.fromkeys(new))
        digests = [attachment.digest for attachment in new]
        if not digests:
            break
    return tuple(found)


async def bring_attachments(
    ledger: Ledger,
    attachments: Sequence[Attachment],
    source: ImageReference,
    target: ImageReference,
    *,
    is_thorough: bool,
    within: float,
) -> None:
    """Bring attachments to the target.

    :param ledger: what is known of the registry.
    :param attachments: what belongs to the image.
    :param source: where the image stands.
    :param target: where it is promoted to.
    :param is_thorough: whether the manifest of each is read, so that every part of it is accounted for.
    :param within: the seconds that the target may take to show one of them.
    :raises AttachmentLost: when something could not be brought with its bytes unchanged.
    """
    if not attachments or image_of(source) == image_of(target):
        return
    log.info("%d attachments belong to it.", len(attachments))
    await ledger.check_repositories(source, target)
    bringing = [_Bringing(ledger, one, source, target, is_thorough, within) for one in attachments]
    tagged = tuple(one.place for one in bringing if one.attachment.tag)
    there = await ledger.look(Question(tags=tagged)) if tagged else None
    for one in bringing:
        try:
            await one.run(there)
        except (ArtifactoryError, PromotionError) as error:
            attachment = one.attachment
            raise AttachmentLost(
                f"{target} was not given this digest, because {attachment.name} of {attachment.subject} could not be "
                f"brought to {target.repository}/{target.image}. {error}"
            ) from error


@dataclass(frozen=True, slots=True)
class _Bringing:
    """One attachment on its way to the target."""

    ledger: Ledger
    attachment: Attachment
    source: ImageReference
    target: ImageReference
    is_thorough: bool
    within: float

    @property
    def origin(self) -> ImageReference:
        return ImageReference(self.source.repository, self.source.image, self.attachment.tag, self.attachment.digest)

    @property
    def place(self) -> ImageReference:
        return ImageReference(self.target.repository, self.target.image, self.attachment.tag, self.attachment.digest)

    async def run(self, there: Listing | None) -> None:
        shown = there.shows(self.place) if there and self.attachment.tag else None
        before = shown.digest if shown else None
        if self.attachment.tag and before != self.place.digest:
            if before is not None and not await self._adds_to(self.place.pinned(before)):
                return
            await send(self.ledger, self.origin, self.place, copy=True, within=self.within, before=before)
        if not (self.attachment.tag and await self._is_whole(before)):
            await _bring_parts(self.ledger.client, self.attachment.digest, self.source, self.target, depth=0)
        log.info("Brought %s of %s.", self.attachment.name, self.attachment.subject)

    async def _is_whole(self, before: str | None) -> bool:
        """Return whether the files of both sides prove that the target's tag shows it, and that it is all there."""
        origin, place = folder_of(self.origin), folder_of(self.place)
        question = Question(tags=(self.place,), folders=(origin, place))
        try:
            seen = await wait_until_shown(self.ledger, self.place, question, within=self.within, before=before)
        except TargetUnverified as error:
            await explain_unverified(self.ledger, self.origin, self.place, error)
            raise
        if is_fallback_tag(str(self.attachment.tag)) or not seen.is_copied(origin, place, self.attachment.digest):
            return False
        if not self.is_thorough:
            return True
        manifest = await self.ledger.read(self.origin)
        return not manifest.children and seen.has_blobs(place, manifest.blobs)

    async def _adds_to(self, old: ImageReference) -> bool:
        """Return whether the new one has all that the old one has, and more; nothing of the target's own gets lost."""
        client, new = self.ledger.client, self.origin
        new_parts = set(_list_parts(await client.manifest(new.by_digest())))
        old_parts = set(_list_parts(await client.manifest(old.by_digest())))
        if old_parts >= new_parts:
            log.info("%s has all of %s already.", old, new)
            return False
        if not new_parts >= old_parts:
            raise AttachmentLost(
                f"{old} holds what {new} does not hold, and the other way round: bring them together under one tag "
                "first."
            )
        if may_delete_layers(client):
            raise AttachmentLost(
                f"{old} lacks what {new} holds, and this Artifactory may delete layers when it is overwritten (fixed "
                "in 7.117.1): delete it in the target first."
            )
        return True


def _select_tags(subjects: Iterable[str], attached: Mapping[str, Mapping[str, str | None]]) -> list[Attachment]:
    """Return the attachments to some digests, out of all: digest → tag → what that shows."""
    return [
        Attachment(subject, digest, tag)
        for subject in subjects
        for tag, digest in sorted(attached.get(subject, {}).items())
        if digest is not None
    ]


async def _has_orphans(
    ledger: Ledger, source: ImageReference, attached: Mapping[str, Mapping[str, str | None]]
) -> bool:
    """Return whether something belongs to a digest that no tag of the image shows, as far as that is known."""
    known = {source.digest, *(digest for tags in attached.values() for digest in tags.values())}
    orphans = attached.keys() - known
    return bool(orphans and orphans - await ledger.list_digests(source))


async def _find_referrers(ledger: Ledger, place: ImageReference, digest: str) -> list[Attachment]:
    subject = place.by_digest().pinned(digest)
    return [Attachment(digest, referrer.digest, None) for referrer in await ledger.find_referrers(subject)]


def _list_parts(manifest: Manifest) -> tuple[str, ...]:
    return manifest.children or manifest.layers


async def _bring_parts(
    client: ArtifactoryClient, digest: str, source: ImageReference, target: ImageReference, *, depth: int
) -> None:
    """Make sure that the target has a manifest and all that it refers to; bring what is missing, its very bytes."""
    origin, place = (reference.by_digest().pinned(digest) for reference in (source, target))
    if depth > _DEEPEST_INDEX:
        raise AttachmentLost(f"{origin} stands in indexes in indexes more than {_DEEPEST_INDEX} deep.")
    manifest = await client.manifest(origin)
    for child in manifest.children:
        await _bring_parts(client, child, source, target, depth=depth + 1)
    for blob in dict.fromkeys(manifest.blobs):
        if await client.has_blob(place, blob):
            continue
        if blob not in manifest.kept_elsewhere or await client.has_blob(origin, blob):
            await client.copy_blob(origin, place, blob)
    if await client.descriptor(place) is None:
        await client.put_manifest(place, manifest)
