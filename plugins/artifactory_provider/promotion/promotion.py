"""One promotion: pin, look, promote, verify.

The endpoint takes a tag and never a digest, overwrites silently, and answers one line of text whatever it
did. So the digest is pinned first, the target tag is looked at before it is written, and the target must
answer with the very bytes of that digest, and with every child of an index, before the promotion counts.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import tenacity

from artifactory_provider.artifactory.diagnosis import check_promotable, explain_missing
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    ConnectionFailed,
    NotFound,
    ServerFailed,
    TagNotFound,
)
from artifactory_provider.promotion.errors import (
    InvalidPromotion,
    SourceMoved,
    TargetConflict,
    TargetUnverified,
)
from artifactory_provider.promotion.records import PromotionRecord

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor, Manifest
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

OnConflict = Literal["fail", "overwrite"]

_CHILDREN_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One source reference that becomes one target reference.

    :param source: repository, image and tag; with a digest, only that digest is promoted.
    :param target: repository, image and tag.
    :param copy: True copies; False moves, which removes the source tag.
    :param on_conflict: what happens when the target tag shows another digest: ``fail`` or ``overwrite``.
    :param confirmation_timeout: seconds that the target may take to show what was promoted.
    :raises InvalidPromotion: when a tag is missing, or source and target are the same.
    """

    source: ImageReference
    target: ImageReference
    copy: bool = True
    on_conflict: OnConflict = "fail"
    confirmation_timeout: float = 60

    def __post_init__(self) -> None:
        if self.source.tag is None or self.target.tag is None:
            raise InvalidPromotion("A promotion needs a source tag and a target tag.")
        if self.target.digest is not None:
            raise InvalidPromotion("The digest is given with the source, not with the target.")
        if _place(self.source) == _place(self.target):
            raise InvalidPromotion(
                f"Source and target are both {self.target}: give another target repository, image or tag."
            )
        if self.on_conflict not in {"fail", "overwrite"}:
            raise InvalidPromotion(f"on_conflict is 'fail' or 'overwrite', not {self.on_conflict!r}.")


async def pin(client: ArtifactoryClient, source: ImageReference) -> Descriptor:
    """Return what the source tag shows now.

    :param client: an open client.
    :param source: repository, image and tag; with a digest, the tag must show it.
    :raises NotFound: naming what is missing: repository, image or tag.
    :raises SourceMoved: when the tag shows another digest than the reference's.
    """
    descriptor = await client.descriptor(source)
    if descriptor is None:
        raise await explain_missing(client, source)
    if source.digest is not None and descriptor.digest != source.digest:
        raise SourceMoved(
            f"{source.repository}/{source.image}:{source.tag} shows {descriptor.digest}, but {source.digest} "
            "was to be promoted: the tag was moved since. Verify the new digest and promote that."
        )
    return descriptor


async def promote(client: ArtifactoryClient, promotion: Promotion) -> PromotionRecord:
    """Promote one image and make sure of the result; safe to run again after any end.

    :param client: an open client.
    :param promotion: what is promoted to where.
    :raises SourceMoved: when the source tag does not show the pinned digest, before or after.
    :raises TargetConflict: when the target tag shows another digest and may not be overwritten.
    :raises TargetUnverified: when the target does not answer with the whole image in time.
    :raises ArtifactoryError: when the server refuses or cannot be reached.
    """
    source, target = promotion.source, promotion.target
    before = await client.descriptor(target)
    digest = await _pinned_digest(client, promotion, before)
    source = source.pinned(digest)
    log.info("Pinned %s.", source)

    already_there = before is not None and before.digest == digest
    if already_there and (promotion.copy or await _is_gone(client, source)):
        log.info("%s shows this digest already.", target)
    else:
        if before is not None and not already_there:
            _check_conflict(promotion, before, digest)
        await _send(client, promotion, digest)
    manifest = await _verify(client, promotion, digest)
    log.info("Verified %s: %d children.", target.pinned(digest), len(manifest.children))
    return PromotionRecord(
        outcome="unchanged" if already_there else "promoted",
        source=source,
        target=target.pinned(digest),
        media_type=manifest.descriptor.media_type,
        children=manifest.children,
        replaced=before.digest if before is not None and not already_there else None,
        copy=promotion.copy,
    )


async def _pinned_digest(client: ArtifactoryClient, promotion: Promotion, before: Descriptor | None) -> str:
    """Pin the source; a move whose source is gone has happened when the target shows the digest."""
    try:
        return (await pin(client, promotion.source)).digest
    except NotFound:
        digest = promotion.source.digest
        if promotion.copy or digest is None or before is None or before.digest != digest:
            raise
        log.info("The move of %s had happened before.", promotion.source)
        return digest


async def _is_gone(client: ArtifactoryClient, source: ImageReference) -> bool:
    return await client.descriptor(source) is None


def _check_conflict(promotion: Promotion, before: Descriptor, digest: str) -> None:
    if promotion.on_conflict == "fail":
        raise TargetConflict(
            f"{promotion.target} shows {before.digest} already, and {digest} was to be promoted: nothing was "
            "changed. Promote to another target tag, or set on_conflict='overwrite'."
        )
    log.info("%s shows %s and will be overwritten.", promotion.target, before.digest)


async def _send(client: ArtifactoryClient, promotion: Promotion, digest: str) -> None:
    """Send the request once; after an unclear end only the registry tells what was done."""
    verb = "Copying" if promotion.copy else "Moving"
    log.info("%s %s to %s.", verb, promotion.source, promotion.target)
    try:
        await client.promote(promotion.source, promotion.target, copy=promotion.copy)
    except (ConnectionFailed, ServerFailed, NotFound) as error:
        log.warning("%s Looking at %s for what was done.", error, promotion.target)
        try:
            await _verify(client, promotion, digest)
        except (TargetUnverified, SourceMoved, ArtifactoryError) as unverified:
            raise error from unverified


async def _verify(client: ArtifactoryClient, promotion: Promotion, digest: str) -> Manifest:
    """Wait, within bounds, until the target answers with the digest's bytes and all its children."""
    patience = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(TargetUnverified),
        stop=tenacity.stop_after_delay(promotion.confirmation_timeout),
        wait=tenacity.wait_exponential_jitter(initial=0.2, max=5),
        reraise=True,
    )
    try:
        return await patience(_verify_once, client, promotion.target, digest)
    except TargetUnverified:
        await _explain_unverified(client, promotion, digest)
        raise


async def _verify_once(client: ArtifactoryClient, target: ImageReference, digest: str) -> Manifest:
    try:
        manifest = await client.manifest(target)
    except TagNotFound as error:
        raise TargetUnverified(
            f"{target} does not exist although {digest} was promoted to it: check that {target.repository!r} is "
            "a local or federated Docker repository, and run the promotion again."
        ) from error
    found = manifest.descriptor.digest
    if found != digest:
        raise TargetUnverified(
            f"{target} shows {found} although {digest} was promoted to it: the source tag or the target tag was "
            "moved meanwhile. Find out who writes these tags before promoting again."
        )
    missing = await _missing_children(client, target, manifest)
    if missing:
        raise TargetUnverified(
            f"{target} shows {digest}, but {len(missing)} of its {len(manifest.children)} platforms are missing in "
            f"{target.repository!r}: {', '.join(missing)}. Promote again with on_conflict='overwrite'."
        )
    return manifest


async def _missing_children(client: ArtifactoryClient, target: ImageReference, manifest: Manifest) -> list[str]:
    at_once = asyncio.Semaphore(_CHILDREN_AT_ONCE)

    async def answers(child: str) -> bool:
        async with at_once:
            return await client.descriptor(target.by_digest().pinned(child)) is not None

    found = await asyncio.gather(*(answers(child) for child in manifest.children))
    return [child for child, there in zip(manifest.children, found, strict=True) if not there]


async def _explain_unverified(client: ArtifactoryClient, promotion: Promotion, digest: str) -> None:
    """Raise the better explanation where there is one: a repository that cannot promote, a moved source tag."""
    await check_promotable(client, promotion.target.repository)
    if promotion.copy:
        await pin(client, promotion.source.pinned(digest))


def _place(reference: ImageReference) -> tuple[str, str, str | None]:
    return reference.repository, reference.image, reference.tag
