"""May this promotion begin, may it overwrite, may the target tag change now?

The server itself refuses the first request of most promotions that cannot work, and has changed nothing then. What is
asked here is what would come to light only after a change.

The endpoint knows no condition, so what a tag showed a moment ago may be gone when it is overwritten. A pending tag is
therefore the claim of its run on the target tag: whoever has put one up looks whether another digest waits for the same
target tag. Of two that may see each other, the one whose pending tag comes later in the alphabet gives way, and the
other waits until it has: so at most one of them retags, in whatever order their requests arrive.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from artifactory_provider.artifactory.errors import PermissionDenied, RequestRefused, UnsupportedRepository
from artifactory_provider.artifactory.layout import tag_path
from artifactory_provider.promotion.errors import TargetConflict
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.removal import check_movable
from artifactory_provider.promotion.request import NOTHING
from artifactory_provider.promotion.tags import can_have_backup, name_backup, name_pending
from artifactory_provider.promotion.transfer import retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.promotion.listing import Listing, Shown
    from artifactory_provider.promotion.request import Promotion
    from artifactory_provider.promotion.tags import PendingTag

log = logging.getLogger(__name__)

_KEEPS_SHARED_LAYERS = (7, 117, 1)
"""From this version on, overwriting a tag keeps the layers that other tags share (JFrog, "Docker Repositories")."""


class VersionedServer(Protocol):
    """What is known of a server; a client that has asked it something is one."""

    @property
    def server_version(self) -> tuple[int, ...] | None:
        """Its version; None where that is not known."""


def check_conflict(
    client: VersionedServer,
    promotion: Promotion,
    source: Shown | None,
    before: Shown | None,
    digest: str,
    *,
    may_be_renamed: bool = True,
) -> None:
    """Refuse what the conflict policy does not allow, and what known defects of servers would spoil.

    :param client: a client that has asked the server something.
    :param promotion: what is promoted, and the policy.
    :param source: what the source tag shows.
    :param before: what the target tag shows.
    :param digest: what is to be promoted.
    :param may_be_renamed: as ``check_replaced`` takes it.
    :raises TargetConflict: when the target tag may not be overwritten, or shows something else than it has to.
    """
    check_replaced(client, promotion, before.digest if before else None, may_be_renamed=may_be_renamed)
    if before is None:
        return
    target, policy = promotion.target, promotion.options.on_conflict
    if policy == "fail":
        other = "set on_conflict='backup' or 'overwrite'"
        if not can_have_backup(target):
            other = "set on_conflict='overwrite' (the name of a backup of it would be too long for a tag)"
        raise TargetConflict(
            f"{target} shows {before.digest} already, and {digest} was to be promoted: nothing was changed. Promote to "
            f"another target tag, or {other}."
        )
    if before.is_index and source is not None and not source.is_index:
        raise TargetConflict(
            f"{target} shows a multi-platform image, and {digest} has one platform: Artifactory keeps both under one "
            "tag then, and pulls would still get the old one. Nothing was changed: delete the tag first, or promote to "
            "another one."
        )
    if policy == "overwrite" and may_delete_layers(client):
        number = ".".join(map(str, client.server_version or ()))
        raise TargetConflict(
            f"{target} shows {before.digest} already, and Artifactory {number} may delete layers that other tags need "
            "when it is overwritten (fixed in 7.117.1). Nothing was changed: set on_conflict='backup', or promote to "
            "another target tag."
        )


def check_replaced(
    client: VersionedServer, promotion: Promotion, shown: str | None, *, may_be_renamed: bool = True
) -> None:
    """Refuse to replace something else than what was to be replaced: whoever asked for it has not seen that.

    :param client: a client that has asked the server something.
    :param promotion: what is promoted, and what it may replace.
    :param shown: the digest that the target tag shows, which is not the one that is promoted; None for nothing.
    :param may_be_renamed: whether an earlier try may have renamed what was to be replaced; a plan looks for that.
    :raises TargetConflict: when that is something else than it has to show.
    """
    expected = promotion.options.replaces
    if expected is None or (shown or NOTHING) == expected:
        return
    if shown is None and may_be_renamed and may_delete_layers(client):
        return
    raise TargetConflict(
        f"{promotion.target} shows {shown or 'nothing'} by now, and "
        f"{'nothing' if expected == NOTHING else expected} was to be replaced: somebody has changed it since. It was "
        "left as it is; look at it, and start anew."
    )


def name_renamed(promotion: Promotion) -> tuple[ImageReference, ...]:
    """Return the backup that an earlier try may have renamed to what was to be replaced, pinned; none where none can.

    :param promotion: what is promoted, and what it may replace.
    """
    expected = promotion.options.replaces
    if expected in {None, NOTHING} or not can_have_backup(promotion.target):
        return ()
    return (name_backup(promotion.target.unpinned(), str(expected)),)


def is_renamed(promotion: Promotion, seen: Listing) -> bool:
    """Return whether what was to be replaced stands under its backup; it must have been asked for.

    :param promotion: what is promoted, and what it may replace.
    :param seen: what was seen.
    """
    return any(
        shown is not None and shown.digest == backup.digest
        for backup in name_renamed(promotion)
        for shown in [seen.shows(backup)]
    )


def may_delete_layers(client: VersionedServer) -> bool:
    """Return whether the server may delete layers that other tags need when a tag is overwritten.

    :param client: a client that has asked the server something.
    """
    version = client.server_version
    return version is not None and version < _KEEPS_SHARED_LAYERS


async def check_permissions(
    ledger: Ledger,
    promotion: Promotion,
    source: ImageReference,
    target: ImageReference,
    before: Shown | None,
    *,
    is_put_up: bool,
) -> None:
    """Make sure that the user may do what comes last: drop the pending tag, and remove the source tag of a move.

    Through a transit repository, overwriting the target tag is another permission than dropping the pending tag, and is
    asked for, too.

    Artifactory tells nobody but administrators what they may do. So what is not there is deleted, and an upload is
    begun and given up: who may not do that is refused, and nothing is changed. With ``attachments="none"`` a copy makes
    as few requests as it can, and does not ask.

    :param ledger: what is known of the registry.
    :param promotion: what is promoted, and how.
    :param source: the source with its digest.
    :param target: the target with its digest.
    :param before: the other digest that the target tag shows.
    :param is_put_up: whether the pending tag is there already.
    :raises PermissionDenied: naming the permission that is missing, and all that are needed there.
    :raises FolderShared: when the source is to be moved, and another image lies in its folder.
    """
    options = promotion.options
    asks = options.attachments != "none" or ledger.is_shared
    if options.two_phase and asks and not is_put_up:
        record = ", and Annotate for the record" if options.property_prefix else ""
        await _check_may_delete(
            ledger,
            name_pending(target, options.run, options.pending_repository),
            f"Read, Deploy/Cache and Delete/Overwrite{record}",
        )
        if options.pending_repository is not None:
            await _check_target(ledger, target, name_pending(target, options.run), is_overwrite=before is not None)
    if not options.copy:
        # A name that no move renames to: under that one an earlier try may have left what others have pushed.
        gone = tag_path(name_pending(source, options.run))
        needs = "Read, Deploy/Cache and Delete/Overwrite, as it is moved from there"

        async def ask_both() -> None:
            await _ask(ledger, ledger.client.delete_item(gone), source, needs)
            await _ask(ledger, ledger.client.check_may_push(source), source, needs)

        await ledger.permit(source, ask_both, what="move")
        await check_movable(ledger.client, source)


async def check_claim(
    ledger: Ledger,
    promotion: Promotion,
    pending: ImageReference,
    target: ImageReference,
    before: Shown | None,
    seen: Listing,
) -> None:
    """Make sure that nobody else is about to write the target tag, or has written it since it was looked at first.

    :param ledger: what is known of the registry.
    :param promotion: what is promoted; others are given its ``confirmation_timeout`` to finish or to give way.
    :param pending: the pending tag of this run.
    :param target: repository, image and tag, with the digest that waits under the pending tag.
    :param before: what the target tag showed at first.
    :param seen: what it shows now that the pending tag is there, and all pending tags for it.
    :raises TargetConflict: when somebody else has written the target tag, or is about to.
    """
    dead_after = promotion.options.pending_timeout

    async def check(now: Listing) -> None:
        _check_written(target, before, now.shows(target))
        waiting = now.pending_for(target, promotion.pending_images)
        rivals = [other for other in waiting if other.is_rival_to(target)]
        _check_rivals(pending, target, await _find_living(ledger, rivals, dead_after), dead_after)

    try:
        await check(seen)
    except _ClaimedTwice as error:
        log.info("%s Waiting for that.", error)
    else:
        return

    async def look_again() -> None:
        await check(await ledger.look(Question(tags=(target,), pending_in=promotion.pending_images)))

    await retry(look_again, _ClaimedTwice, within=promotion.options.confirmation_timeout)


async def drop_left_behind(ledger: Ledger, promotion: Promotion, seen: Listing) -> None:
    """Remove the pending tags that earlier tries have left for this target tag, and those of runs that have died.

    :param ledger: what is known of the registry.
    :param promotion: what was promoted.
    :param seen: what was seen at first.
    """
    options, images = promotion.options, promotion.pending_images
    others = [other for image in images for other in seen.pending_in(image) if other.run != options.run]
    dead = [other for other in await _date(ledger, others) if other.is_dead(after=options.pending_timeout)]
    own = [other for other in seen.pending_for(promotion.target, images) if other.run == options.run]
    for pending in (*own, *dead):
        log.info("Dropping %s, which was left behind.", pending.place)
        await ledger.drop(pending.place)


class _ClaimedTwice(TargetConflict):
    """Another promotion to the same tag is under way, and it is its turn to give way."""


def _check_written(target: ImageReference, before: Shown | None, now: Shown | None) -> None:
    if now != before and (now is None or now.digest != target.digest):
        raise TargetConflict(
            f"{target.unpinned()} showed {before.digest if before else 'nothing'} when the promotion began, and now "
            f"shows {now.digest if now else 'nothing'}: somebody else writes this tag. It was left as it is; run the "
            "promotion again."
        )


def _check_rivals(
    pending: ImageReference, target: ImageReference, rivals: Iterable[PendingTag], dead_after: float
) -> None:
    first = min((other.place for other in rivals), key=lambda place: str(place.tag), default=None)
    if first is None:
        return
    kind = TargetConflict if str(first.tag) < str(pending.tag) else _ClaimedTwice
    raise kind(
        f"{target.unpinned()} is about to be given another digest by another promotion, which waits under {first.tag} "
        f"in {first.repository!r}. It was left as it was; run the promotion again when that one has ended. If that one "
        f"has died, run it again or delete its tag; after {dead_after:g} s it no longer counts."
    )


async def _find_living(ledger: Ledger, found: Iterable[PendingTag], dead_after: float) -> list[PendingTag]:
    return [other for other in await _date(ledger, found) if not other.is_dead(after=dead_after)]


async def _date(ledger: Ledger, found: Iterable[PendingTag]) -> list[PendingTag]:
    """Return pending tags with their times, asking for those that are not known."""
    return [
        other if other.updated is not None else replace(other, updated=await ledger.date(other.place))
        for other in found
    ]


async def _check_target(ledger: Ledger, target: ImageReference, absent: ImageReference, *, is_overwrite: bool) -> None:
    """Make sure that the last step from a transit repository is allowed: what waits elsewhere tells nothing of that."""
    if is_overwrite:
        needs = "Read, Deploy/Cache and Delete/Overwrite, as a tag is overwritten there"
        await _check_may_delete(ledger, absent, needs, what="overwrite")
    elif ledger.is_shared:
        # Queries pass over what a user may not read: a tag that is there would look free.
        await ledger.permit(
            target,
            lambda: _ask(ledger, ledger.client.descriptor(target.unpinned()), target, "Read, Deploy/Cache"),
            what="read",
        )


async def _check_may_delete(ledger: Ledger, absent: ImageReference, needs: str, *, what: str = "promote") -> None:
    await ledger.permit(
        absent, lambda: _ask(ledger, ledger.client.delete_item(tag_path(absent)), absent, needs), what=what
    )


async def _ask(ledger: Ledger, request: Awaitable[object], place: ImageReference, needs: str) -> None:
    try:
        await request
    except (PermissionDenied, RequestRefused, UnsupportedRepository) as error:
        await ledger.check_repository(place.repository)
        if not isinstance(error, PermissionDenied):
            raise
        raise PermissionDenied(
            f"{error} Nothing was changed. This promotion needs on {place.repository!r}: {needs}.",
            status=error.status,
            endpoint=error.endpoint,
            detail=error.detail,
        ) from error
