"""One promotion at a time to a target tag, looked at for many of them in two requests: see ``promotion.claims``."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, AuthenticationFailed
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.claims import hold
from artifactory_provider.promotion.errors import PromotionError
from artifactory_provider.promotion.observation import (
    AQL_REFUSED,
    Observation,
    Shown,
    list_pending,
    observe_tags,
    pending_manifests,
    pending_tags,
)
from artifactory_provider.promotion.pending import hash_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.pending import Pending

log = logging.getLogger(__name__)

_IMAGES_A_QUERY = 100
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Claim:
    """A pending tag that has been put up.

    :param pending: the pending tag.
    :param target: the target tag, with the digest that waits.
    :param before: what the target tag showed at first.
    """

    pending: ImageReference
    target: ImageReference
    before: Shown | None


async def hold_all(
    client: ArtifactoryClient, claims: Sequence[Claim], waiting: Sequence[Pending], *, within: float, dead_after: float
) -> dict[Claim, Exception]:
    """Make sure that nobody else is about to write one of the target tags, or has written it since.

    :param client: an open client.
    :param claims: the pending tags of this run.
    :param waiting: all pending tags of the target images, seen after those of the claims were put up.
    :param within: the seconds that others are given to finish or to give way.
    :param dead_after: the seconds after which the run of a pending tag has certainly ended.
    :return: the claims that do not hold, and why.
    """
    seen = await observe_tags(client, [claim.target for claim in claims])
    by_target: dict[tuple[str, str, str], list[Pending]] = {}
    for other in waiting:
        by_target.setdefault((other.place.repository, other.place.image, other.target_hash), []).append(other)

    async def one(claim: Claim) -> Exception | None:
        target = claim.target
        others = by_target.get((target.repository, target.image, hash_of(target)), [])
        now = Observation(None, seen.get(target.unpinned()), tuple(others))
        try:
            await hold(client, claim.pending, target, claim.before, now, within=within, dead_after=dead_after)
        except AuthenticationFailed:
            raise
        except (ArtifactoryError, PromotionError) as error:
            return error
        return None

    errors = zip(claims, await concurrently(one, claims, at_once=_AT_ONCE), strict=True)
    return {claim: error for claim, error in errors if error is not None}


async def find_pending(client: ArtifactoryClient, targets: Sequence[ImageReference]) -> list[Pending]:
    """Return all pending tags of some images.

    :param client: an open client.
    :param targets: references to the images; their tags do not count.
    """
    images = sorted({(target.repository, target.image) for target in targets})
    places = [ImageReference(*image) for image in images]
    parts = [places[start : start + _IMAGES_A_QUERY] for start in range(0, len(places), _IMAGES_A_QUERY)]
    try:
        found = [await client.find_items({"$or": [pending_manifests(place) for place in part]}) for part in parts]
    except AQL_REFUSED as error:
        log.info("%s Reading the lists of tags instead.", error)
        listed = await concurrently(lambda place: list_pending(client, place), places)
        return list(itertools.chain.from_iterable(listed))
    items = list(itertools.chain.from_iterable(found))
    return [pending for place in places for pending in pending_tags(items, place)]
