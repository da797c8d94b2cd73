"""Planning the promotion of one tag: what is meant, what it becomes, and what both sides show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.promotion.errors import InvalidPlan, SourceMoved
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.change import Arrival, ChangePlan
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.planner import make_plan
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.selection import select

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.request import OnConflict


async def plan_one(
    client: ArtifactoryClient,
    repository: str,
    candidate: str,
    *,
    target_repository: str,
    target_tag: str = "{tag}",
    on_conflict: OnConflict = "fail",
) -> ChangePlan:
    """Return what the promotion of one tag would do, and change nothing.

    :param client: an open client.
    :param repository: the key of the repository that is promoted from.
    :param candidate: which tag of which image, as ``Candidate`` reads it.
    :param target_repository: the key of the repository that is promoted to.
    :param target_tag: the template of what the tag is called there.
    :param on_conflict: what a target tag that shows another digest means: ``fail`` is a conflict.
    :raises InvalidPlan: when that is no promotion.
    :raises InvalidReference: when a name is malformed.
    :raises NotFound: naming what is missing.
    :raises VersionUncertain: when nobody can tell which release is the newest.
    :raises SourceMoved: when the tag is moved meanwhile.
    """
    chosen = await select(client, repository, candidate)
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
    if planned.action == "conflict" and not planned.reason:
        planned = replace(planned, reason=_explain_conflict(str(planned.target), str(planned.current), on_conflict))
    async with Ledger(client) as ledger:
        seen = await ledger.look(Question(tags=(planned.source, planned.target), with_marks=True))
    now, then = (Arrival.read(seen.shows(one)) for one in (planned.target, planned.source))
    return ChangePlan(planned=planned, now=now, then=then)


def _explain_conflict(target: str, current: str, on_conflict: str) -> str:
    return (
        f"{target} shows {current} already, and on_conflict={on_conflict!r} leaves it: choose to overwrite it, with or "
        "without a backup, or name another target tag."
    )
