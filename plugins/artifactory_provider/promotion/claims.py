"""One promotion at a time to a target tag: a pending tag is the claim of its run on the target tag.

The endpoint knows no condition, so what a tag showed a moment ago may be gone when it is overwritten. Whoever has put
up a pending tag therefore looks whether another digest waits for the same target tag. Of two that may see each other,
the one whose pending tag comes later in the alphabet gives way, and the other waits until it has: so at most one of
them retags, in whatever order their requests arrive.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.promotion.confirmation import patience_for
from artifactory_provider.promotion.errors import TargetConflict
from artifactory_provider.promotion.observation import observe
from artifactory_provider.promotion.pending import dated

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.observation import Observation, Shown
    from artifactory_provider.promotion.pending import Pending

log = logging.getLogger(__name__)


class _ClaimedTwice(TargetConflict):
    """Another promotion to the same tag is under way, and it is its turn to give way."""


async def hold(
    client: ArtifactoryClient,
    pending: ImageReference,
    target: ImageReference,
    before: Shown | None,
    seen: Observation,
    *,
    within: float,
    dead_after: float,
) -> None:
    """Make sure that nobody else is about to write the target tag, or has written it since it was looked at first.

    :param client: an open client.
    :param pending: the pending tag of this run.
    :param target: repository, image and tag, with the digest that waits under the pending tag.
    :param before: what the target tag showed at first.
    :param seen: what it shows now that the pending tag is there, and the pending tags beside it.
    :param within: the seconds that others are given to finish or to give way.
    :param dead_after: the seconds after which the run of a pending tag has certainly ended.
    :raises TargetConflict: when somebody else has written the target tag, or is about to.
    """
    try:
        await _check(client, pending, target, before, seen, dead_after)
    except _ClaimedTwice as error:
        log.info("%s Waiting for that.", error)
    else:
        return

    async def look_again() -> None:
        now = await observe(client, pending, target, with_pending=True)
        await _check(client, pending, target, before, now, dead_after)

    await patience_for(_ClaimedTwice, within=within)(look_again)


async def _check(
    client: ArtifactoryClient,
    pending: ImageReference,
    target: ImageReference,
    before: Shown | None,
    seen: Observation,
    dead_after: float,
) -> None:
    place = f"{target.repository}/{target.image}:{target.tag}"
    if seen.target != before and (seen.target is None or seen.target.digest != target.digest):
        raise TargetConflict(
            f"{place} showed {before.digest if before else 'nothing'} when the promotion began, and now shows "
            f"{seen.target.digest if seen.target else 'nothing'}: somebody else writes this tag. It was left as it "
            "is; run the promotion again."
        )
    found = [await dated(client, other) for other in seen.pending if other.is_rival_to(target)]
    rivals = [other for other in found if not other.is_dead(after=dead_after)]
    if rivals:
        first = min(rivals, key=_tag)
        kind = TargetConflict if _tag(first) < str(pending.tag) else _ClaimedTwice
        raise kind(
            f"{place} is about to be given another digest by another promotion, which waits under {_tag(first)}. It "
            "was left as it is; run the promotion again when that one has ended. If that one has died, run it again "
            f"or delete its tag; after {dead_after:g} s it no longer counts."
        )


def _tag(pending: Pending) -> str:
    return str(pending.place.tag)
