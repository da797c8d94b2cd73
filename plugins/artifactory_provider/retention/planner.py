"""Making a plan: whose time has come, what needs it still, and what belongs to digests that go."""

from __future__ import annotations

import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.diagnosis import check_promotable
from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.audit import take_survey
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.retention.children import keep_children
from artifactory_provider.retention.due import Due, age_of, find_due
from artifactory_provider.retention.look import add_waiting
from artifactory_provider.retention.needs import Needs
from artifactory_provider.retention.plan import PlannedDeletion, RetentionPlan
from artifactory_provider.retention.rules import SHORTEST_LIFE, RetentionRules
from artifactory_provider.retention.versions import keep_above, order_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from packaging.version import Version

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import StandingTag, Survey
    from artifactory_provider.promotion.listing import Image
    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.promotion.rules import Rules


async def plan_retention(
    client: ArtifactoryClient,
    rules: RetentionRules,
    *,
    repositories: Patterns | None = None,
    images: Patterns | None = None,
    largest: int | None = None,
    allowed: Rules | None = None,
    now: datetime.datetime | None = None,
) -> RetentionPlan:
    """Return what would go, and what is kept although its time has come; nothing is changed.

    :param client: an open client.
    :param rules: what may go.
    :param repositories: of which repositories something goes; None for all of the rules.
    :param images: of which images something goes; None for all of the rules.
    :param largest: how many tags may go at most.
    :param allowed: what may refuse changes beside what stands on the images: stops, the policy.
    :param now: the current moment; None for the clock's.
    :raises InvalidPlan: when more would go.
    :raises ArtifactoryError: when a repository cannot be read whole: nobody can tell then what is needed.
    """
    seen = await take_survey(client, rules.repositories)
    await check_seen(client, rules, seen)
    await add_waiting(client, seen)
    meant = [
        image
        for image in seen.images
        if rules.names(*image)
        and (repositories is None or repositories.match(image[0]))
        and (images is None or images.match(image[1]))
    ]
    at = now or datetime.datetime.now(datetime.UTC)
    async with Ledger(client) as ledger:
        plan = await make_plan(ledger, rules, seen, meant, now=at)
        if allowed is not None and (refused := await _find_refused(allowed, plan)):
            # What is refused stays, and so does what belongs to it.
            plan = await make_plan(ledger, rules, seen, meant, now=at, refused=refused)
    going = len(plan.to_delete())
    if largest is not None and going > largest:
        raise InvalidPlan(
            f"{going:,} tags would go, and {largest:,} may: look at the plan in a dry run, then raise largest, or mean "
            "fewer images."
        )
    return plan


async def _find_refused(allowed: Rules, plan: RetentionPlan) -> dict[ImageReference, str]:
    """Return the tags whose deletion is forbidden now, and why."""
    going = plan.to_delete()
    answers = await allowed.find_refusals([row.change for row in going])
    return {row.tag: str(refusal) for row, refusal in zip(going, answers, strict=True) if refusal is not None}


async def check_seen(client: ArtifactoryClient, rules: RetentionRules, seen: Survey) -> None:
    """Make sure that a repository in which nothing was seen is empty: what nobody may see seems to need nothing.

    :param client: an open client.
    :param rules: what may go.
    :param seen: what was seen.
    :raises ArtifactoryError: when one is not there, is of another kind, or is not shown to the connection's user.
    """
    shown = {repository for repository, _ in seen.images}
    for key in rules.repositories:
        if key not in shown:
            await check_promotable(client, key)


async def make_plan(
    ledger: Ledger,
    rules: RetentionRules,
    seen: Survey,
    images: Collection[Image],
    *,
    now: datetime.datetime,
    wave: Collection[ImageReference] | None = None,
    refused: Mapping[ImageReference, str] = MappingProxyType({}),
) -> RetentionPlan:
    """Return what would go of some images.

    :param ledger: what is known of the registry.
    :param rules: what may go.
    :param seen: all tags of these images, and wherever else their digests stand or wait.
    :param images: the images.
    :param now: the current moment.
    :param wave: at the last look, the tags that are to go next: whatever else stands counts as staying, and what
        belongs to a digest, or to an index, waits until that is gone; None while only a plan is made.
    :param refused: the tags that may not go now, and why.
    """
    needs = Needs(seen, rules, now=now)
    due = list(find_due(seen, rules, images, now=now))
    kept = {one.tag.place: why for one in due if (why := needs.explain(one))}
    going = {one.tag.place: one.tag for one in due if one.tag.place not in kept}
    is_meant = going.keys() if wave is None else wave
    going = {place: tag for place, tag in going.items() if place in is_meant and place not in refused}
    while found := {
        **needs.keep_last_copies(going),
        **keep_above(seen, going),
        **await keep_children(ledger, seen, going, is_last_look=wave is not None),
    }:
        kept |= found
        going = {place: tag for place, tag in going.items() if place not in found}
    attached = list(_find_attachments(seen, rules, images, going if wave is None else {}, now))
    kept |= {one.tag.place: why for one in attached if (why := needs.explain(one))}
    rows = [
        PlannedDeletion(
            tag=one.tag.place,
            kind=one.kind,
            action="keep" if one.tag.place in kept else "refused" if one.tag.place in refused else "delete",
            reason=kept.get(one.tag.place) or refused.get(one.tag.place) or one.why,
        )
        for one in (*due, *attached)
    ]
    return RetentionPlan(tuple(sorted(rows, key=lambda row: _order(rules, row))), len(seen))


def _find_attachments(
    seen: Survey,
    rules: RetentionRules,
    images: Collection[Image],
    going: Mapping[ImageReference, StandingTag],
    now: datetime.datetime,
) -> Iterator[Due]:
    """Yield what belongs to digests of which nothing is left, or nothing that looks for it here."""
    meant = [image for image in images if image[0] != rules.attic]
    attached = [
        (tag, subject)
        for image in meant
        for tag in seen.tags_of(image).values()
        if (subject := subject_of(tag.name)) is not None and age_of(tag, now) >= SHORTEST_LIFE
    ]
    homes = _find_homes(seen, rules, {subject for _, subject in attached}, going)
    for tag, subject in attached:
        later = rules.later_than(tag.place.repository)
        if all(home[0] in later and _has_copy(seen, home, tag) for home in homes[subject]):
            yield Due(tag, "attachment", f"it belongs to {subject}, of which no tag is left")


def _find_homes(
    seen: Survey, rules: RetentionRules, digests: Collection[str], going: Mapping[ImageReference, StandingTag]
) -> dict[str, list[Image]]:
    """Return in which images each digest is left: under a tag that does not go, or without one, as children are."""
    homes: dict[str, list[Image]] = {digest: [] for digest in digests}
    for image in seen.folders:
        if image[0] != rules.attic:
            for digest in seen.digests_of(image, without=going) & homes.keys():
                homes[digest].append(image)
    return homes


def _has_copy(seen: Survey, image: Image, attachment: StandingTag) -> bool:
    """Tell whether an image has the same attachment of its own: people may as well sign in one image for another."""
    other = seen.tags_of(image).get(attachment.name)
    return image != attachment.image and other is not None and other.digest == attachment.digest


def _order(rules: RetentionRules, row: PlannedDeletion) -> tuple[int, str, bool, Version, str]:
    """Earlier stages come first, and in each image the tags before what belongs to them, the lowest versions first."""
    place, name = row.tag, str(row.tag.tag)
    repository = rules.repositories.index(place.repository)
    return repository, place.image, row.kind == "attachment", order_of(name), name
