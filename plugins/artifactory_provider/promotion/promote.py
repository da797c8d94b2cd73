"""The protocol of a promotion, once: look, pin, attachments, pending, verify, record, retag, verify again.

The endpoint takes a tag and never a digest, overwrites silently, moves unless told otherwise, and answers one line of
text whatever it did. The order of the steps here makes a safe promotion out of it; ``docs/promotion.md`` says what is
guaranteed, and what each option costs. Many promotions are this one, run many times over one ledger: see ``batch``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import look
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    ArtifactoryError,
    PermissionDenied,
    RequestRefused,
    TagNotFound,
)
from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, manifest_path
from artifactory_provider.promotion.attachments import bring_attachments, find_attachments, find_tagged
from artifactory_provider.promotion.backup import keep_previous
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionError, TargetConflict, TargetUnverified
from artifactory_provider.promotion.guards import check_claim, check_conflict, check_permissions, drop_left_behind
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.listing import image_of
from artifactory_provider.promotion.marks import hold_properties, leave_hold_behind
from artifactory_provider.promotion.moves import finish_move, remove_source
from artifactory_provider.promotion.proof import Proof
from artifactory_provider.promotion.queries import ANY_DIGEST, Question
from artifactory_provider.promotion.record import (
    FoundParts,
    PromotionRecord,
    find_lead_time,
    has_record,
    write_record,
)
from artifactory_provider.promotion.rules import check_allowed, check_removal
from artifactory_provider.promotion.tags import name_pending
from artifactory_provider.promotion.transfer import confirm, is_shown, pin, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Listing, Shown
    from artifactory_provider.promotion.record import Attachment
    from artifactory_provider.promotion.request import Promotion
    from artifactory_provider.promotion.rules import Rules

    Ask = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


async def promote(client: ArtifactoryClient, promotion: Promotion, *, rules: Rules | None = None) -> PromotionRecord:
    """Promote one image and make sure of the result; safe to run again after any end.

    :param client: an open client.
    :param promotion: what is promoted to where, and how.
    :param rules: what may refuse it beside holds and rejections, asked right before the target tag changes.
    :raises Refused: when a hold, a rejection or a rule forbids it now.
    :raises SourceMoved: when the source tag does not show the pinned digest, before or after.
    :raises TargetConflict: when the target tag shows another digest and may not be overwritten.
    :raises AttachmentLost: when something that belongs to the image could not be brought along.
    :raises TargetUnverified: when the target does not answer with the whole image in time.
    :raises SourceRemains: when a move leaves the source tag as it was.
    :raises ArtifactoryError: when the server refuses or cannot be reached.
    """
    async with Ledger(client) as ledger:
        return await promote_over(ledger, promotion, rules)


async def promote_over(ledger: Ledger, promotion: Promotion, rules: Rules | None) -> PromotionRecord:
    """Promote one image over a ledger that others may share; see ``promote``.

    :param ledger: what is known of the registry.
    :param promotion: what is promoted to where, and how.
    :param rules: what may refuse it beside holds and rejections.
    """
    if promotion.is_whole_image:
        raise InvalidPromotion("All tags of an image are promoted with promote_image().")
    source, target, options = promotion.source, promotion.target, promotion.options
    seen = await ledger.look(
        Question(
            tags=(source, target),
            pending_in=promotion.pending_images if options.two_phase else (),
            # What belongs to any digest of the image is asked for with it: the digest is not known yet.
            attachments_in=(image_of(source),) if options.attachments == "tags" else (),
            with_marks=True,
            # The fast way looks once, before the digest of a tag and the children of an index are known.
            rejected=tuple(filter(None, [source.digest])) if options.two_phase else (ANY_DIGEST,),
        )
    )
    try:
        record = await (await _Attempt.begin(ledger, promotion, rules, seen)).run()
    except TRANSIENT:
        raise  # The next try goes on from the pending tag.
    except (PromotionError, ArtifactoryError):
        await drop_left_behind(ledger, promotion, seen)
        raise
    await drop_left_behind(ledger, promotion, seen)
    return record


class _Attempt:
    """One try of a promotion whose source is pinned.

    :param ledger: what is known of the registry.
    :param promotion: what is promoted, and how.
    :param rules: what may refuse it.
    :param seen: what was seen at first.
    :param digest: what is promoted.
    """

    def __init__(self, ledger: Ledger, promotion: Promotion, rules: Rules | None, seen: Listing, digest: str) -> None:
        self.ledger, self.client = ledger, ledger.client
        self.promotion, self.options = promotion, promotion.options
        self.rules, self.seen = rules, seen
        self.source, self.target = promotion.source.pinned(digest), promotion.target.pinned(digest)
        self.before: Shown | None = seen.shows(promotion.target)
        self.proof = Proof(ledger, self.source, self.target, self._before(), self.options.confirmation_timeout)
        self.manifest: Manifest | None = None
        self.attachments: tuple[Attachment, ...] = ()
        log.info("Pinned %s.", self.source)

    @classmethod
    async def begin(cls, ledger: Ledger, promotion: Promotion, rules: Rules | None, seen: Listing) -> _Attempt:
        """Pin the source; where the target shows the wanted digest already, the source tag may be anywhere by now."""
        source, target = seen.shows(promotion.source), seen.shows(promotion.target)
        wanted = promotion.source.digest
        if wanted is not None and target is not None and target.digest == wanted:
            return cls(ledger, promotion, rules, seen, wanted)
        if source is not None and wanted in {None, source.digest}:
            return cls(ledger, promotion, rules, seen, source.digest)
        digest = (await pin(ledger.client, promotion.source)).digest
        # What the Docker API shows and no query finds may stand in a repository that only passes it on.
        await ledger.check_repositories(promotion.source)
        return cls(ledger, promotion, rules, seen, digest)

    @property
    def is_there(self) -> bool:
        """Whether the target tag showed the digest already."""
        return self.before is not None and self.before.digest == self.target.digest

    async def run(self) -> PromotionRecord:
        if self.is_there:
            log.info("%s shows this digest already.", self.promotion.target)
            check_removal(self.promotion, self.seen)
            await self._make_sure()
        else:
            await self._check_allowed(self.seen)
            check_conflict(
                self.client, self.promotion, self.seen.shows(self.source), self.before, str(self.target.digest)
            )
            if self.before is not None:
                log.info("%s shows %s and will be overwritten.", self.promotion.target, self.before.digest)
            await self._bring()
        if not self.options.copy:
            await (finish_move if self.is_there else remove_source)(self.client, self.source, self.options.run)
        children = self.manifest.children if self.manifest else ()
        log.info("Verified %s (%d children, %d attachments).", self.target, len(children), len(self.attachments))
        return PromotionRecord(
            outcome="unchanged" if self.is_there else "promoted",
            source=self.source,
            target=self.target,
            media_type=self.manifest.descriptor.media_type if self.manifest else None,
            children=children,
            attachments=self.attachments,
            replaced=None if self.is_there or self.before is None else self.before.digest,
            copy=self.options.copy,
            verdicts=self.options.verdicts,
            lead_time=find_lead_time(self.seen.shows(self.source), self.source),
        )

    async def _make_sure(self) -> None:
        """Make sure of a target that shows the digest already, and bring what was attached to it since."""
        # A virtual repository shows what stands in the source, if that is behind it: nothing was promoted then.
        await self.ledger.check_repositories(self.target)
        try:
            if self.ledger.is_shared:
                self.manifest = await self.ledger.read(self.target) if self.options.attachments == "all" else None
            else:
                self.manifest = await confirm(self.ledger, self.target, within=self.options.confirmation_timeout)
            if self.manifest:
                await self.proof.verify_parts(self.target, self.manifest)
        except TargetUnverified as error:
            if error.found in {None, self.target.digest}:
                raise
            raise self._written(error.found) from error
        except TagNotFound as error:
            # Among many, its manifest is read by digest, which goes with the last tag that shows it.
            found = await look(self.client, self.promotion.target)
            if found is None or found.digest == self.target.digest:
                raise
            raise self._written(found.digest) from error
        await self._bring_attachments()
        if (
            not self.options.two_phase
            and self.options.property_prefix
            and not await has_record(self.client, self.promotion, self.target, self._descriptor())
        ):
            # A try of the fast way has ended between the tag and its record; through a pending tag this cannot be.
            await self._record(self.target, replaced="unknown")
        elif self.options.hold and not self.seen.holds(self.promotion.target):
            held = hold_properties(self.promotion.target, reason=self.options.hold, by=self.options.held_by)
            await self.client.set_properties(manifest_path(self.target, self._descriptor()), held)

    def _written(self, found: str | None) -> TargetConflict:
        return TargetConflict(
            f"{self.promotion.target} showed {self.target.digest} already, and shows {found} since: somebody else "
            "writes this tag. It was left as it is; run the promotion again."
        )

    async def _bring(self) -> None:
        """Bring the attachments, then the image."""
        waiting = self.seen.pending_for(self.target, [self.promotion.pending_image])
        own = [other for other in waiting if other.is_of(self.target, self.options.run)]

        async def check() -> None:
            await check_permissions(
                self.ledger, self.promotion, self.source, self.target, self.before, is_put_up=bool(own)
            )

        needed = [check, self._read_source] if self.options.attachments == "all" else [check]
        await concurrently(lambda ask: ask(), needed)
        await self._bring_attachments()
        if not self.options.two_phase:
            await self._promote_directly()
            return
        pending = await self._find_standing([other.place for other in own])
        await self._promote_through(pending)

    async def _bring_attachments(self) -> None:
        if self.options.attachments == "none":
            return
        if self.options.attachments == "all" and self.manifest is not None:
            digests = (self.manifest.descriptor.digest, *self.manifest.children)
            self.attachments = await find_attachments(self.ledger, self.source, digests)
        else:
            shown = self.seen.shows(self.source) or self.before
            index = (self.target if self.is_there else self.source) if shown is None or shown.is_index else None
            self.attachments = await find_tagged(self.ledger, self.source, self.seen, index=index)
        if self.attachments and self.options.pending_repository and not self.is_there:
            # They are brought first, and where the image itself could not wait, they would stay alone.
            await self.ledger.check_repository(self.options.pending_repository)
        await bring_attachments(
            self.ledger,
            self.attachments,
            self.source,
            self.target,
            is_thorough=self.options.attachments == "all",
            within=self.options.confirmation_timeout,
        )

    async def _read_source(self) -> None:
        try:
            self.manifest = await self.ledger.read(self.source)
        except TagNotFound:
            await pin(self.client, self.source)
            raise

    async def _find_standing(self, own: list[ImageReference]) -> ImageReference | None:
        """Return the pending tag of an earlier try that shows the digest; drop one that shows another."""
        for place in own:
            pending = place.pinned(str(self.target.digest))
            if place.digest == self.target.digest or (place.digest is None and await is_shown(self.client, pending)):
                return pending
            await self.ledger.drop(place)
        return None

    async def _promote_through(self, standing: ImageReference | None) -> None:
        """Promote to a pending tag, verify and record there, then retag: nothing unverified is under the target tag."""
        within = self.options.confirmation_timeout
        pending = standing or name_pending(self.target, self.options.run, self.options.pending_repository)
        try:
            if standing is None:
                await send(self.ledger, self.source, pending, copy=True, within=within)
            if self.manifest is None and not self.ledger.is_shared:
                self.manifest = await self.proof.confirm(pending, origin=self.source)
            seen = await self._verify_pending(pending)
            await check_claim(self.ledger, self.promotion, pending, self.target, self.before, seen)
            await self._record(pending)
            await self._retag(pending, await self._keep_previous(seen))
        except TRANSIENT:
            raise
        except (PromotionError, ArtifactoryError):
            await self.ledger.drop(pending)
            raise

    async def _promote_directly(self) -> None:
        """Promote to the target tag at once: the fast way, for where a wrong tag can be put right."""
        if not self.options.property_prefix:
            await self.ledger.check_repositories(self.target)
        ask = await self._keep_previous(self.seen)
        await send(
            self.ledger,
            self.source,
            self.target,
            copy=True,
            within=self.options.confirmation_timeout,
            before=self._before(),
            at_last=ask,
        )
        await self._confirm_target(self.source)
        if self.manifest and self.options.attachments == "all":
            await self.proof.verify_parts(self.target, self.manifest)
        try:
            await self._record(self.target)
        except RequestRefused:
            await self.ledger.check_repositories(self.target)
            raise

    async def _retag(self, pending: ImageReference, ask: Ask | None) -> None:
        """Move what waits to the target tag, and make sure that it came; from a transit repository, with all parts.

        :param ask: what asks whether it may be moved, right before it is.
        """
        try:
            await send(
                self.ledger,
                pending,
                self.target,
                copy=False,
                within=self.options.confirmation_timeout,
                before=self._before(),
                at_last=ask,
            )
        except PermissionDenied:
            # Who may not overwrite may not repeat, either, what another run has done since the last look.
            if not await is_shown(self.client, self.target):
                raise
            await self.ledger.drop(pending)
        if self.manifest is None or self.options.pending_repository is None:
            await self._confirm_target(pending)
        else:
            await self.proof.verify_parts(self.target, self.manifest, origin=pending)

    async def _confirm_target(self, origin: ImageReference) -> None:
        self.manifest = await self.proof.confirm(self.target, origin=origin) or self.manifest

    async def _verify_pending(self, pending: ImageReference) -> Listing:
        """Make sure that all of the image waits under its pending tag; return what was seen beside it."""
        beside = Question(
            # A move takes the source tag away, which may have been held since.
            tags=(pending, self.target, *(() if self.options.copy else (self.source,))),
            pending_in=self.promotion.pending_images,
            with_marks=True,
            rejected=self._parts(),
        )
        if self.manifest is not None:
            return await self.proof.verify_parts(pending, self.manifest, beside)
        return await self.proof.wait(pending, beside)

    def _parts(self) -> tuple[str, ...]:
        """Return the digest that is promoted, and those of its children, as far as they are known."""
        return str(self.target.digest), *(self.manifest.children if self.manifest else ())

    async def _check_allowed(self, seen: Listing) -> None:
        digest, *children = self._parts()
        await check_allowed(self.rules, self.promotion, seen, digest, children=children)

    async def _record(self, place: ImageReference, *, replaced: str | None = None) -> None:
        shown = self.seen.shows(self.promotion.source)
        await write_record(
            self.client,
            self.promotion,
            self.source,
            place,
            self._descriptor(),
            replaced=replaced or self._before() or "none",
            parts=FoundParts(self.attachments, self.manifest.children if self.manifest else None),
            further=leave_hold_behind(shown.properties or {}, self.source) if shown else {},
        )

    async def _keep_previous(self, seen: Listing) -> Ask | None:
        """Keep what is replaced, where that is wanted; return what asks whether the target tag may change.

        None where it has changed by now: some servers can only rename it, and without the new image nothing is left
        under it. Then it was asked before that.
        """

        async def ask() -> None:
            await self._check_allowed(seen)

        if self.options.on_conflict != "backup" or self.before is None:
            return ask
        within = self.options.confirmation_timeout
        target, replaced = self.promotion.target, self.before.digest
        return None if await keep_previous(self.ledger, target, replaced, within=within, at_last=ask) else ask

    def _before(self) -> str | None:
        return self.before.digest if self.before else None

    def _descriptor(self) -> Descriptor:
        """Return digest and kind of what is promoted, as far as it is known."""
        if self.manifest is not None:
            return self.manifest.descriptor
        shown = self.seen.shows(self.source) or self.before
        return Descriptor(str(self.target.digest), OCI_INDEX if shown and shown.is_index else OCI_MANIFEST)
