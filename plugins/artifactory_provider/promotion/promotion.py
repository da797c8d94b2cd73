"""One promotion: pin, look, promote, verify.

The endpoint takes a tag and never a digest, overwrites silently, and answers one line of text whatever it
did. So the digest is pinned first, the target tag is looked at before it is written, and the target must
answer with the very bytes of that digest, and with every child of an index, before the promotion counts.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from artifactory_provider.artifactory.diagnosis import explain_missing, explain_repository, look
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    ConnectionFailed,
    NotFound,
    RequestNotSent,
    ServerFailed,
    UnsupportedRepository,
)
from artifactory_provider.promotion.confirmation import confirm, shows
from artifactory_provider.promotion.errors import (
    InvalidPromotion,
    PromotionError,
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

_SHORT_LOOK = 5.0
"""Seconds to look for the work of a request that a server has refused with 404 or 5xx: it is very likely undone."""


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
        check_on_conflict(self.on_conflict)
        if not 0 <= self.confirmation_timeout < math.inf:
            raise InvalidPromotion("confirmation_timeout is a number of seconds, 0 or more.")


def check_on_conflict(policy: str) -> str:
    """Return the conflict policy when there is such a one.

    :param policy: ``fail`` or ``overwrite``.
    :raises InvalidPromotion: when it is neither.
    """
    if policy in {"fail", "overwrite"}:
        return policy
    raise InvalidPromotion(f"on_conflict is 'fail' or 'overwrite', not {policy!r}.")


async def pin(client: ArtifactoryClient, source: ImageReference) -> Descriptor:
    """Return what the source tag shows now.

    :param client: an open client.
    :param source: repository, image and tag; with a digest, the tag must show it.
    :raises NotFound: naming what is missing: repository, image or tag.
    :raises SourceMoved: when the tag shows another digest than the reference's.
    """
    descriptor = await look(client, source)
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
    :raises SourceRemains: when a move leaves the source tag as it was.
    :raises ArtifactoryError: when the server refuses or cannot be reached.
    """
    before = await look(client, promotion.target)
    digest = await _pinned_digest(client, promotion, before)
    source, target = promotion.source.pinned(digest), promotion.target.pinned(digest)
    log.info("Pinned %s.", source)

    already_there = before is not None and before.digest == digest
    if already_there and (promotion.copy or not await shows(client, source)):
        log.info("%s shows this digest already.", promotion.target)
        manifest = await confirm(client, source, target, copy=promotion.copy, within=promotion.confirmation_timeout)
    else:
        if before is not None and not already_there:
            _check_conflict(promotion, before, digest)
        manifest = await _send(client, promotion, digest)
    log.info("Verified %s: %d children.", target, len(manifest.children))
    return PromotionRecord(
        outcome="unchanged" if already_there else "promoted",
        source=source,
        target=target,
        media_type=manifest.descriptor.media_type,
        children=manifest.children,
        replaced=before.digest if before is not None and not already_there else None,
        copy=promotion.copy,
    )


async def _pinned_digest(client: ArtifactoryClient, promotion: Promotion, before: Descriptor | None) -> str:
    """Pin the source; where the target shows the wanted digest already, the source tag may be anywhere by now."""
    digest = promotion.source.digest
    if digest is not None and before is not None and before.digest == digest:
        return digest
    return (await pin(client, promotion.source)).digest


def _check_conflict(promotion: Promotion, before: Descriptor, digest: str) -> None:
    if promotion.on_conflict == "fail":
        raise TargetConflict(
            f"{promotion.target} shows {before.digest} already, and {digest} was to be promoted: nothing was "
            "changed. Promote to another target tag, or set on_conflict='overwrite'."
        )
    log.info("%s shows %s and will be overwritten.", promotion.target, before.digest)


async def _send(client: ArtifactoryClient, promotion: Promotion, digest: str) -> Manifest:
    """Send the request once and confirm its work; after an unclear end only the registry tells what was done."""
    source, target = promotion.source.pinned(digest), promotion.target.pinned(digest)
    within = promotion.confirmation_timeout
    log.info("%s %s to %s.", "Copying" if promotion.copy else "Moving", source, promotion.target)
    try:
        await client.promote(source, target, copy=promotion.copy)
    except RequestNotSent:
        raise
    except UnsupportedRepository:
        for repository in (source.repository, target.repository):
            await explain_repository(client, repository)
        raise
    except (ConnectionFailed, ServerFailed, NotFound) as error:
        log.warning("%s Looking at %s for what was done.", error, promotion.target)
        within = within if _may_go_on(error) else min(within, _SHORT_LOOK)
        try:
            return await confirm(client, source, target, copy=promotion.copy, within=within)
        except (PromotionError, ArtifactoryError) as unconfirmed:
            raise await _explained(client, source, error) from unconfirmed
    try:
        return await confirm(client, source, target, copy=promotion.copy, within=within)
    except TargetUnverified:
        await _explain_unverified(client, promotion, digest)
        raise


def _may_go_on(error: ArtifactoryError) -> bool:
    """Tell whether the server may still be at work: nobody waits for it any more, but nobody has refused either."""
    return isinstance(error, ConnectionFailed) or error.status == HTTPStatus.GATEWAY_TIMEOUT


async def _explained(client: ArtifactoryClient, source: ImageReference, error: ArtifactoryError) -> ArtifactoryError:
    """Return the better explanation of a 404: what is missing, unless the source tag shows its digest still."""
    if not isinstance(error, NotFound) or await shows(client, source):
        return error
    return await explain_missing(client, source)


async def _explain_unverified(client: ArtifactoryClient, promotion: Promotion, digest: str) -> None:
    """Raise the better explanation where there is one: a repository that cannot promote, a moved source tag."""
    await explain_repository(client, promotion.target.repository)
    if promotion.copy:
        try:
            await pin(client, promotion.source.pinned(digest))
        except ArtifactoryError as error:
            log.info("Whether %s was moved is unknown: %s", promotion.source, error)


def _place(reference: ImageReference) -> tuple[str, str, str | None]:
    return reference.repository, reference.image, reference.tag
