"""Keeping what a promotion replaces, and going back to it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import check_digest
from artifactory_provider.promotion.errors import (
    NothingToRestore,
    PromotionError,
    RulesUnreadable,
    TargetConflict,
    TargetUnverified,
)
from artifactory_provider.promotion.guards import may_delete_layers
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.removal import check_movable, remove_tag
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.promotion.tags import BACKUP_INFIX, name_backup
from artifactory_provider.promotion.transfer import confirm, is_shown, pin, request, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.ledger import Ledger

log = logging.getLogger(__name__)


async def keep_previous(
    ledger: Ledger,
    target: ImageReference,
    digest: str,
    *,
    within: float,
    at_last: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Keep what the target tag shows under its backup tag; return whether the target tag is gone by that.

    Where overwriting a tag may delete layers that others share, the target tag is not copied but renamed: what is
    not there is not overwritten.

    :param ledger: what is known of the registry.
    :param target: the target tag.
    :param digest: the digest that it shows.
    :param within: the seconds that the backup tag may take to show it.
    :param at_last: called right before anything is changed; what it raises keeps it from that.
    :raises TargetConflict: when the target tag does not show it any more.
    :raises FolderShared: when it would have to be renamed, and another image lies in its folder.
    """
    client = ledger.client
    backup = name_backup(target, digest)
    must_move = may_delete_layers(client)
    if must_move:
        await check_movable(client, target)
    if await is_shown(client, backup):
        if not must_move:
            log.info("%s is kept already.", backup)
            return False
        await _drop(client, backup)
    source = target.pinned(digest)
    try:
        await send(ledger, source, backup, copy=not must_move, within=within, at_last=at_last)
        await confirm(ledger, backup, within=within)
    except (Refused, RulesUnreadable):
        raise  # before anything was changed
    except PromotionError as error:
        moved = isinstance(error, TargetUnverified) and error.found is not None
        if must_move:
            await request(client, backup, target, copy=False)
        else:
            await _drop(client, backup)
        if not moved:
            raise
        raise TargetConflict(f"{target} was moved while it was kept: somebody else writes this tag. {error}") from error
    log.info("Kept %s.", backup)
    return must_move


async def find_previous(
    client: ArtifactoryClient, target: ImageReference, *, property_prefix: str = "promotion"
) -> ImageReference:
    """Return the backup of what a tag showed before its last promotion, pinned.

    :param client: an open client.
    :param target: repository, image and tag; with a digest, that one is gone back to.
    :param property_prefix: the first part of the names of the properties that record promotions.
    :raises NotFound: when there is no such tag.
    :raises NothingToRestore: when there is no backup of it.
    """
    tag = target.unpinned()
    wanted = target.digest or await _read_replaced(client, tag, property_prefix)
    backup = name_backup(tag, wanted)
    found = await client.descriptor(backup)
    if found is None or found.digest != wanted:
        raise NothingToRestore(
            f"{tag} showed {wanted} before, but there is no backup of it under {backup.tag}: promotions keep one with "
            f"on_conflict='backup'. {await _name_others(client, tag)}"
        )
    return backup


def make_rollback(
    previous: ImageReference,
    tag: ImageReference,
    *,
    by: str,
    reason: str = "rolled back",
    hold: bool = True,
    **options: Any,
) -> Promotion:
    """Return the promotion that gives a tag back what it showed; what is replaced is kept as a backup in turn.

    :param previous: the backup, pinned, as ``find_previous`` returns it.
    :param tag: the tag.
    :param by: who goes back.
    :param reason: why, for the hold.
    :param hold: whether the tag is held from then on.
    :param options: further ``PromotionOptions``.
    :raises InvalidPromotion: when the reason is none, or an option makes no sense.
    """
    held = check_reason(reason) if hold else None
    made = PromotionOptions(on_conflict="backup", hold=held, held_by=by, **options)
    return Promotion(source=previous, target=tag, options=made)


async def _read_replaced(client: ArtifactoryClient, target: ImageReference, prefix: str) -> str:
    """Return the digest that the last promotion has replaced, as its record says."""
    descriptor = await pin(client, target)
    properties = await client.properties(manifest_path(target, descriptor))
    replaced = properties.get(f"{prefix}.replaced", [])
    if len(replaced) != 1 or replaced[0] in {"none", "unknown"}:
        raise NothingToRestore(
            f"{target} shows {descriptor.digest}, and nothing says that it showed another digest before "
            f"({prefix}.replaced is {readable(', '.join(replaced)) or 'not set'}). {await _name_others(client, target)}"
        )
    return check_digest(replaced[0])


async def _name_others(client: ArtifactoryClient, target: ImageReference) -> str:
    tags = await client.tags(target.repository, target.image)
    kept = sorted(tag for tag in tags if tag.startswith(f"{target.tag}{BACKUP_INFIX}"))
    if not kept:
        return "There is nothing to go back to."
    return f"Name the digest to go back to one of {', '.join(kept)}."


async def _drop(client: ArtifactoryClient, backup: ImageReference) -> None:
    try:
        await remove_tag(client, backup)
    except ArtifactoryError as error:
        log.warning("%s is left behind: %s", backup, error)
