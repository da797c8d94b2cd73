"""One promotion: look, pin, attachments, pending, verify, record, retag, verify again.

The endpoint takes a tag and never a digest, overwrites silently, moves unless told otherwise, and answers one line of
text whatever it did. The order of the steps here makes a safe promotion out of it; ``docs/promotion.md`` says what is
guaranteed, and what each option costs.
"""

from __future__ import annotations

import logging
import math
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from artifactory_provider.artifactory.errors import TRANSIENT, ArtifactoryError, RequestRefused, TagNotFound
from artifactory_provider.promotion.backup import backup_reference, keep_previous
from artifactory_provider.promotion.carrying import carry
from artifactory_provider.promotion.claims import hold
from artifactory_provider.promotion.completeness import complete
from artifactory_provider.promotion.confirmation import confirm
from artifactory_provider.promotion.conflicts import check_conflict
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionError, TargetUnverified
from artifactory_provider.promotion.moves import finish_move, remove_source
from artifactory_provider.promotion.observation import observe
from artifactory_provider.promotion.pending import check_run, drop, drop_left_behind, new_pending
from artifactory_provider.promotion.preflight import check_permissions, check_repositories
from artifactory_provider.promotion.records import PromotionRecord, check_record, has_record, write_record
from artifactory_provider.promotion.sending import pin, send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.attachments import Attachment
    from artifactory_provider.promotion.observation import Observation

log = logging.getLogger(__name__)

OnConflict = Literal["fail", "overwrite", "backup"]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One source reference that becomes one target reference, and how.

    :param source: repository, image and tag; with a digest, only that digest is promoted. Without a tag, in source and
        target, all tags of the image are meant: see ``artifactory_provider.promotion.images``.
    :param target: repository, image and tag.
    :param copy: True copies; False moves: the source tag is removed once the target has been verified.
    :param on_conflict: what happens when the target tag shows another digest: ``fail``; ``overwrite``; or
        ``backup``, which overwrites it and keeps it as ``<tag>-previous-<12 hex of its digest>``.
    :param two_phase: whether the image is verified under a pending tag before the target tag shows it.
    :param attachments: whether signatures, attestations and referrers are looked for and brought along.
    :param property_prefix: the first part of the names of the properties that record the promotion on the target's
        manifest; None writes none.
    :param properties: further properties to record, name → value, such as by whom and on which verdicts.
    :param run: what tells this run's tags from those of others, 1 to 32 lower-case letters and digits; give a retry
        that of the try before, so that it goes on where that one has stopped.
    :param confirmation_timeout: seconds that the target may take to show what was promoted.
    :param pending_timeout: seconds after which the pending tag of another run counts as left behind, and is dropped.
    :raises InvalidPromotion: when a tag is missing, or source and target are the same, or an option makes no sense.
    """

    source: ImageReference
    target: ImageReference
    copy: bool = True
    on_conflict: OnConflict = "fail"
    two_phase: bool = True
    attachments: bool = True
    property_prefix: str | None = "promotion"
    properties: Mapping[str, str] = field(default_factory=dict)
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    confirmation_timeout: float = 60
    pending_timeout: float = 3600

    def __post_init__(self) -> None:
        if (self.source.tag is None) != (self.target.tag is None):
            raise InvalidPromotion("Give a source tag and a target tag, or neither for all tags of the image.")
        if self.source.tag is None and self.source.digest is not None:
            raise InvalidPromotion("A digest needs the tag that shows it.")
        if self.target.digest is not None:
            raise InvalidPromotion("The digest is given with the source, not with the target.")
        if _place(self.source) == _place(self.target):
            raise InvalidPromotion(
                f"Source and target are both {self.target}: give another target repository, image or tag."
            )
        check_on_conflict(self.on_conflict)
        check_run(self.run)
        check_record(self.property_prefix, self.properties)
        if self.on_conflict == "backup" and not self.is_whole_image:
            backup_reference(self.target, f"sha256:{'0' * 64}")
        for name in ("confirmation_timeout", "pending_timeout"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidPromotion(f"{name} is a number of seconds, 0 or more.")

    @property
    def is_whole_image(self) -> bool:
        """Whether all tags of the image are meant."""
        return self.source.tag is None


def check_on_conflict(policy: str) -> str:
    """Return the conflict policy when there is such a one.

    :param policy: ``fail``, ``overwrite`` or ``backup``.
    :raises InvalidPromotion: when it is none of them.
    """
    if policy in get_args(OnConflict):
        return policy
    raise InvalidPromotion(f"on_conflict is 'fail', 'overwrite' or 'backup', not {policy!r}.")


async def promote(client: ArtifactoryClient, promotion: Promotion) -> PromotionRecord:
    """Promote one image and make sure of the result; safe to run again after any end.

    :param client: an open client.
    :param promotion: what is promoted to where, and how.
    :raises SourceMoved: when the source tag does not show the pinned digest, before or after.
    :raises TargetConflict: when the target tag shows another digest and may not be overwritten.
    :raises AttachmentLost: when something that belongs to the image could not be brought along.
    :raises TargetUnverified: when the target does not answer with the whole image in time.
    :raises SourceRemains: when a move leaves the source tag as it was.
    :raises ArtifactoryError: when the server refuses or cannot be reached.
    """
    if promotion.is_whole_image:
        raise InvalidPromotion("All tags of an image are promoted with promote_image().")
    seen = await observe(client, promotion.source, promotion.target, with_pending=promotion.two_phase)
    try:
        record = await _promote(client, promotion, seen)
    except TRANSIENT:
        raise  # The next try goes on from the pending tag.
    except (PromotionError, ArtifactoryError):
        await _drop_left_behind(client, promotion, seen)
        raise
    await _drop_left_behind(client, promotion, seen)
    return record


async def _promote(client: ArtifactoryClient, promotion: Promotion, seen: Observation) -> PromotionRecord:
    digest = await _pinned_digest(client, promotion, seen)
    source, target = promotion.source.pinned(digest), promotion.target.pinned(digest)
    log.info("Pinned %s.", source)

    is_there = seen.target is not None and seen.target.digest == digest
    if is_there:
        log.info("%s shows this digest already.", promotion.target)
        # A virtual repository shows what stands in the source, if that is behind it: nothing was promoted then.
        await check_repositories(client, target)
        manifest, attachments = await _made_sure(client, promotion, source, target)
    else:
        check_conflict(client, promotion, seen, digest)
        manifest, attachments = await _brought(client, promotion, seen, source, target)
    if not promotion.copy:
        await (finish_move if is_there else remove_source)(client, source, promotion.run)
    log.info("Verified %s (%d children, %d attachments).", target, len(manifest.children), len(attachments))
    return PromotionRecord(
        outcome="unchanged" if is_there else "promoted",
        source=source,
        target=target,
        media_type=manifest.descriptor.media_type,
        children=manifest.children,
        attachments=attachments,
        replaced=None if is_there or seen.target is None else seen.target.digest,
        copy=promotion.copy,
    )


async def _drop_left_behind(client: ArtifactoryClient, promotion: Promotion, seen: Observation) -> None:
    await drop_left_behind(
        client, seen.pending, target=promotion.target, run=promotion.run, after=promotion.pending_timeout
    )


async def _pinned_digest(client: ArtifactoryClient, promotion: Promotion, seen: Observation) -> str:
    """Pin the source; where the target shows the wanted digest already, the source tag may be anywhere by now."""
    wanted = promotion.source.digest
    if wanted is not None and seen.target is not None and seen.target.digest == wanted:
        return wanted
    if seen.source is not None and wanted in {None, seen.source.digest}:
        return seen.source.digest
    digest = (await pin(client, promotion.source)).digest
    # What the Docker API shows and no query finds may stand in a repository that only passes it on.
    await check_repositories(client, promotion.source)
    return digest


async def _made_sure(
    client: ArtifactoryClient, promotion: Promotion, source: ImageReference, target: ImageReference
) -> tuple[Manifest, tuple[Attachment, ...]]:
    """Make sure of a target that shows the digest already, and bring what was attached to it since."""
    within = promotion.confirmation_timeout
    manifest = await confirm(client, target, within=within)
    await complete(client, source, target, manifest, within=within)
    attachments: tuple[Attachment, ...] = ()
    if promotion.attachments:
        digests = (manifest.descriptor.digest, *manifest.children)
        attachments = await carry(client, source, target, digests, within=within)
    if (
        not promotion.two_phase
        and promotion.property_prefix
        and not await has_record(client, promotion, target, manifest.descriptor)
    ):
        # A try of the fast way has ended between the tag and its record; through a pending tag this cannot be.
        count = len(attachments)
        await write_record(
            client, promotion, source, target, manifest.descriptor, replaced="unknown", attachments=count
        )
    return manifest, attachments


async def _brought(
    client: ArtifactoryClient,
    promotion: Promotion,
    seen: Observation,
    source: ImageReference,
    target: ImageReference,
) -> tuple[Manifest, tuple[Attachment, ...]]:
    """Bring the attachments, then the image."""
    await check_permissions(client, promotion, seen, source, target)
    attachments: tuple[Attachment, ...] = ()
    if promotion.attachments:
        manifest = await _read(client, source)
        digests = (manifest.descriptor.digest, *manifest.children)
        attachments = await carry(client, source, target, digests, within=promotion.confirmation_timeout)
    way = _through_pending if promotion.two_phase else _directly
    return await way(client, promotion, seen, source, target, len(attachments)), attachments


async def _read(client: ArtifactoryClient, source: ImageReference) -> Manifest:
    try:
        return await client.manifest(source.by_digest())
    except TagNotFound:
        await pin(client, source)
        raise


async def _through_pending(
    client: ArtifactoryClient,
    promotion: Promotion,
    seen: Observation,
    source: ImageReference,
    target: ImageReference,
    attachments: int,
) -> Manifest:
    """Promote to a pending tag, verify and record there, then retag: nothing unverified is under the target tag."""
    within = promotion.confirmation_timeout
    pending, manifest = await _standing(client, promotion, seen, target)
    try:
        manifest = manifest or await send(client, source, pending, copy=True, within=within)
        listing = await complete(client, source, pending, manifest, within=within, beside=target)
        if listing:
            now = listing.observation(pending, target)
        else:
            now = await observe(client, pending, target, with_pending=True)
        await hold(client, pending, target, seen.target, now, within=within, dead_after=promotion.pending_timeout)
        await write_record(
            client, promotion, source, pending, manifest.descriptor, replaced=_replaced(seen), attachments=attachments
        )
        await _keep_previous(client, promotion, seen)
        await send(client, pending, target, copy=False, within=within)
    except TRANSIENT:
        raise
    except (PromotionError, ArtifactoryError):
        await drop(client, pending)
        raise
    return manifest


async def _standing(
    client: ArtifactoryClient, promotion: Promotion, seen: Observation, target: ImageReference
) -> tuple[ImageReference, Manifest | None]:
    """Return the pending tag that an earlier try has put up, with what it shows; or else a new one, with nothing."""
    for other in seen.pending:
        if other.is_of(target, promotion.run):
            pending = replace(other.place, digest=target.digest)
            try:
                return pending, await confirm(client, pending, within=0)
            except TargetUnverified:
                await drop(client, pending)
    return new_pending(target, promotion.run), None


async def _directly(
    client: ArtifactoryClient,
    promotion: Promotion,
    seen: Observation,
    source: ImageReference,
    target: ImageReference,
    attachments: int,
) -> Manifest:
    """Promote to the target tag at once: the fast way, for where a wrong tag can be put right."""
    within = promotion.confirmation_timeout
    if not promotion.property_prefix:
        await check_repositories(client, target)
    await _keep_previous(client, promotion, seen)
    manifest = await send(client, source, target, copy=True, within=within)
    if promotion.attachments:
        await complete(client, source, target, manifest, within=within)
    try:
        await write_record(
            client, promotion, source, target, manifest.descriptor, replaced=_replaced(seen), attachments=attachments
        )
    except RequestRefused:
        await check_repositories(client, target)
        raise
    return manifest


async def _keep_previous(client: ArtifactoryClient, promotion: Promotion, seen: Observation) -> None:
    if promotion.on_conflict == "backup" and seen.target is not None:
        await keep_previous(client, promotion.target, seen.target, within=promotion.confirmation_timeout)


def _replaced(seen: Observation) -> str:
    return seen.target.digest if seen.target else "none"


def _place(reference: ImageReference) -> tuple[str, str, str | None]:
    return reference.repository, reference.image, reference.tag
