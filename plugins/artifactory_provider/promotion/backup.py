"""Keeping what a promotion replaces, so that a rollback can restore it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.confirmation import shows
from artifactory_provider.promotion.conflicts import may_delete_layers
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionError, SourceMoved, TargetConflict
from artifactory_provider.promotion.pending import drop
from artifactory_provider.promotion.sending import send

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.observation import Shown

log = logging.getLogger(__name__)

INFIX = "-previous-"


def backup_reference(target: ImageReference, digest: str) -> ImageReference:
    """Return the tag that keeps a digest when another one takes its tag.

    :param target: repository, image and tag.
    :param digest: the digest that is kept.
    :raises InvalidPromotion: when the tag is too long to have such a companion.
    """
    tag = f"{target.tag}{INFIX}{digest.removeprefix('sha256:')[:12]}"
    try:
        return ImageReference(target.repository, target.image, tag, digest)
    except InvalidReference as error:
        raise InvalidPromotion(
            f"on_conflict='backup' keeps the old image under {tag!r}, which is too long for a tag: use a shorter "
            "target tag."
        ) from error


def can_be_kept(target: ImageReference) -> bool:
    """Tell whether what a tag shows could be kept: whether its backup's name would be a tag, too.

    :param target: repository, image and tag.
    """
    try:
        backup_reference(target, f"sha256:{'0' * 64}")
    except InvalidPromotion:
        return False
    return True


async def keep_previous(
    client: ArtifactoryClient, target: ImageReference, previous: Shown, *, within: float
) -> ImageReference:
    """Keep what the target tag shows under its backup tag, and return that.

    Where overwriting a tag may delete layers that others share, the target tag is not copied but renamed: what is
    not there is not overwritten.

    :param client: an open client.
    :param target: the target tag.
    :param previous: what it shows.
    :param within: the seconds that the backup tag may take to show it.
    :raises TargetConflict: when the target tag does not show it any more.
    """
    backup = backup_reference(target, previous.digest)
    must_move = may_delete_layers(client)
    if await shows(client, backup):
        if not must_move:
            log.info("%s is kept already.", backup)
            return backup
        await drop(client, backup)
    try:
        await send(client, target.pinned(previous.digest), backup, copy=not must_move, within=within)
    except PromotionError as error:
        if must_move:
            await client.promote(backup, target, copy=False)
        else:
            await drop(client, backup)
        if not isinstance(error, SourceMoved):
            raise
        raise TargetConflict(f"{target} was moved while it was kept: somebody else writes this tag. {error}") from error
    log.info("Kept %s.", backup)
    return backup
