"""Planning the promotion of one tag: what is meant, what it becomes, and what both sides show."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPlan, SourceMoved, TargetConflict
from artifactory_provider.promotion.guards import check_replaced, is_renamed, name_renamed
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.change import Arrival, ChangePlan
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.planner import make_plan
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.request import Promotion, PromotionOptions, check_replaces
from artifactory_provider.promotion.selection import Candidate, select

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.planning.plan import PlannedPromotion
    from artifactory_provider.promotion.request import OnConflict


async def plan_one(
    client: ArtifactoryClient,
    repository: str,
    candidate: str,
    *,
    target_repository: str,
    target_tag: str = "{tag}",
    on_conflict: OnConflict = "fail",
    replaces: str | None = None,
) -> ChangePlan:
    """Return what the promotion of one tag would do, and change nothing.

    :param client: an open client.
    :param repository: the key of the repository that is promoted from.
    :param candidate: which tag of which image, as ``Candidate`` reads it; with a digest, the tag has to show that.
    :param target_repository: the key of the repository that is promoted to.
    :param target_tag: the template of what the tag is called there.
    :param on_conflict: what a target tag that shows another digest means: ``fail`` is a conflict.
    :param replaces: the digest that the target tag has to show, or ``none`` where it has to show nothing: anything else
        is a conflict. None for whatever it shows.
    :raises InvalidPlan: when that is no promotion.
    :raises InvalidReference: when a name is malformed.
    :raises NotFound: naming what is missing.
    :raises VersionUncertain: when nobody can tell which release is the newest.
    :raises SourceMoved: when the tag shows another digest than it has to, or is moved meanwhile.
    """
    check_replaces(replaces)
    chosen = await _select(client, repository, candidate)
    if chosen is None:
        raise InvalidPlan(f"{candidate!r:.200} means no tag of {repository}: name a tag.")
    plan = await make_plan(
        client,
        TagCriteria((repository,), Patterns((chosen.image,)), tags=Patterns((str(chosen.tag),))),
        target_repository=target_repository,
        target_tags=(target_tag,),
        on_conflict=on_conflict,
    )
    [planned] = plan.promotions
    if planned.source.digest != chosen.digest:
        raise SourceMoved(
            f"{planned.source.unpinned()} showed {chosen.digest} a moment ago, and shows "
            f"{planned.source.digest or 'nothing'} now: somebody moves it. Plan it again."
        )
    promotion = Promotion(source=planned.source, target=planned.target, options=PromotionOptions(replaces=replaces))
    async with Ledger(client) as ledger:
        tags = (planned.source, planned.target, *name_renamed(promotion))
        seen = await ledger.look(Question(tags=tags, with_marks=True))
    planned = _refuse_unseen(client, planned, promotion, may_be_renamed=is_renamed(promotion, seen))
    if planned.action == "conflict" and not planned.reason:
        planned = replace(planned, reason=_explain_conflict(str(planned.target), str(planned.current), on_conflict))
    now, then = (Arrival.read(seen.shows(one)) for one in (planned.target, planned.source))
    return ChangePlan(planned=planned, now=now, then=then)


async def _select(client: ArtifactoryClient, repository: str, candidate: str) -> ImageReference | None:
    """Return what is meant; of a digest that the tag does not show, say so where it is one of a platform."""
    try:
        return await select(client, repository, candidate)
    except SourceMoved as error:
        wanted = Candidate.parse(candidate)
        place = ImageReference(repository, wanted.image, wanted.tag)
        with contextlib.suppress(ArtifactoryError):
            index = await client.manifest(place)
            if wanted.digest in index.children:
                raise SourceMoved(
                    f"{place} shows {index.descriptor.digest}, and {wanted.digest} is one of its platforms, which is "
                    "not promoted by itself: give the digest of the whole."
                ) from error
        raise


def _refuse_unseen(
    client: ArtifactoryClient, planned: PlannedPromotion, promotion: Promotion, *, may_be_renamed: bool
) -> PlannedPromotion:
    """Return a conflict where the target tag shows something else than it has to; not where the work is done."""
    if planned.action not in {"promote", "conflict"} or planned.current == planned.source.digest:
        return planned
    try:
        check_replaced(client, promotion, planned.current, may_be_renamed=may_be_renamed)
    except TargetConflict as error:
        return replace(planned, action="conflict", reason=str(error))
    return planned


def _explain_conflict(target: str, current: str, on_conflict: str) -> str:
    return (
        f"{target} shows {current} already, and on_conflict={on_conflict!r} leaves it: choose to overwrite it, with or "
        "without a backup, or name another target tag."
    )
