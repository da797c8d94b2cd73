"""Planning a rollback: what a tag would show again, where that is kept, and what keeps it from being restored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.references import check_digest
from artifactory_provider.promotion.backup import find_previous
from artifactory_provider.promotion.errors import InvalidPlan, TargetConflict
from artifactory_provider.promotion.guards import check_conflict, is_renamed, name_renamed
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.change import Arrival, ChangePlan
from artifactory_provider.promotion.planning.plan import PlannedPromotion
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.request import Promotion, PromotionOptions, check_replaces
from artifactory_provider.promotion.rules import Change, find_marks
from artifactory_provider.promotion.tags import BACKUP_INFIX, name_backup
from artifactory_provider.promotion.transfer import pin

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Listing, Shown

_ROLLED_BACK = (
    "it was rolled back to this already: to go further back, or to bring back what was taken out, name the version"
)


async def plan_rollback(
    client: ArtifactoryClient,
    tag: ImageReference,
    *,
    version: str | None = None,
    replaces: str | None = None,
    property_prefix: str = "promotion",
) -> ChangePlan:
    """Return what a rollback would do, and change nothing.

    Without a version, a tag that a rollback has given what it shows is left as it is: the one before is what was taken
    out then, and asking twice must not bring it back.

    :param client: an open client.
    :param tag: repository, image and tag.
    :param version: the digest to go back to, or the tag of its backup; None for what the tag showed before.
    :param replaces: the digest that the tag has to show when it goes back: anything else is a conflict. None for
        whatever it shows.
    :param property_prefix: the first part of the names of the properties that record promotions.
    :raises InvalidPlan: when the version is neither.
    :raises NotFound: naming what is missing.
    :raises NothingToRestore: when there is no backup of it.
    """
    check_replaces(replaces)
    wanted = None if version is None else await _read_version(client, tag, version)
    try:
        shown = (await pin(client, tag)).digest
    except TagNotFound:
        # Where a backup is a renamed tag, a rollback that is killed leaves none: one that names the version goes on.
        if wanted is None:
            raise
        shown = None
    async with Ledger(client) as ledger:
        now = Arrival.read(await _look(ledger, tag), property_prefix=property_prefix)
        if shown and wanted is None and now.source.startswith(f"{tag}{BACKUP_INFIX}"):
            return _stay(tag, shown, now, _ROLLED_BACK)
        if shown and wanted == shown:
            return _stay(tag, shown, now, "it shows this version already")
        backup = await find_previous(client, tag.pinned(wanted) if wanted else tag, property_prefix=property_prefix)
        options = PromotionOptions(on_conflict="backup", replaces=replaces)
        promotion = Promotion(source=backup, target=tag, options=options)
        tags = (tag, backup.unpinned(), *name_renamed(promotion))
        seen = await ledger.look(Question(tags=tags, with_marks=True, rejected=(str(backup.digest),)))
    then = Arrival.read(seen.shows(backup), property_prefix=property_prefix)
    return ChangePlan(planned=_judge(client, promotion, seen), now=now, then=then)


async def _look(ledger: Ledger, tag: ImageReference) -> Shown | None:
    return (await ledger.look(Question(tags=(tag,), with_marks=True))).shows(tag)


def _judge(client: ArtifactoryClient, promotion: Promotion, seen: Listing) -> PlannedPromotion:
    """Return what is to be done about a rollback, as far as the images tell."""
    backup, tag = promotion.source, promotion.target
    before = seen.shows(tag)
    planned = PlannedPromotion(
        source=backup,
        target=tag,
        action="promote",
        current=before.digest if before else None,
        reason=f"it is held now: {mark}" if (mark := seen.holds(tag)) else "",
    )
    [refusal] = find_marks([Change(backup, tag)], seen, may_replace_held=True)
    if refusal is not None:
        return replace(planned, action="refused", reason=str(refusal))
    renamed = is_renamed(promotion, seen)
    try:
        check_conflict(client, promotion, seen.shows(backup), before, str(backup.digest), may_be_renamed=renamed)
    except TargetConflict as error:
        return replace(planned, action="conflict", reason=str(error))
    return planned


def _stay(tag: ImageReference, digest: str, now: Arrival, reason: str) -> ChangePlan:
    source = name_backup(tag, digest)
    planned = PlannedPromotion(source=source, target=tag, action="unchanged", current=digest, reason=reason)
    return ChangePlan(planned=planned, now=now, then=now)


async def _read_version(client: ArtifactoryClient, tag: ImageReference, version: str) -> str:
    """Return the digest that a version means."""
    backups = f"{tag.tag}{BACKUP_INFIX}"
    if version.startswith("sha256:"):
        return check_digest(version)
    if not version.startswith(backups):
        raise InvalidPlan(
            f"version is the whole digest to go back to, or the tag of its backup, {backups}… of {tag}: "
            f"{version!r:.200} is neither."
        )
    return (await pin(client, replace(tag, tag=version))).digest
