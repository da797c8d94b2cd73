"""All tags of an image: a promotion for each, or the endpoint's own form for a whole image, verified all the same.

The endpoint promotes every tag when it is given none, in one request that may last longer than any proxy waits, and
overwrites whatever is there. So a whole image is a plan over its tags here, unless the one request is asked for.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import explain_missing
from artifactory_provider.artifactory.errors import ArtifactoryError, ImageNotFound, NotFound
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.backup import INFIX
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionError, TagsNotPromoted, TargetConflict
from artifactory_provider.promotion.pending import is_of_a_promotion, run_identifier
from artifactory_provider.promotion.promotion import promote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.promotion import Promotion
    from artifactory_provider.promotion.records import PromotionRecord

log = logging.getLogger(__name__)

_ATTACHMENT_TAG = re.compile(r"sha256-[0-9a-f]{64}(\.[a-z]+)?")
_BACKUP_TAG = re.compile(rf".*{INFIX}[0-9a-f]{{12}}")


@dataclass(frozen=True)
class ImageRecord:
    """What became of all tags of an image.

    :param promotions: one record for each tag.
    """

    promotions: tuple[PromotionRecord, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        outcomes = {record.outcome for record in self.promotions}
        return {
            "outcome": "promoted" if "promoted" in outcomes else "unchanged",
            "promotions": [record.as_dict() for record in self.promotions],
        }


def image_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags that are images of their own: no attachments, backups, or tags of promotions under way.

    :param tags: all tags of an image.
    """
    return [
        tag
        for tag in tags
        if not (_ATTACHMENT_TAG.fullmatch(tag) or _BACKUP_TAG.fullmatch(tag) or is_of_a_promotion(tag))
    ]


async def promote_image(
    client: ArtifactoryClient, promotion: Promotion, *, one_request: bool = False, at_once: int = 4
) -> ImageRecord:
    """Promote all tags of an image; one that fails does not stop the others.

    :param client: an open client.
    :param promotion: source and target without tags, and the options for each tag.
    :param one_request: whether the endpoint is sent its own form for a whole image, once; each tag is pinned before and
        verified after it. Nothing is verified before its tag shows it then.
    :param at_once: how many tags are promoted at a time.
    :raises ImageNotFound: when there is no such image.
    :raises TagsNotPromoted: after all others, when some tags could not be promoted.
    """
    source = promotion.source
    try:
        tags = image_tags(await client.tags(source.repository, source.image))
    except NotFound as error:
        raise await explain_missing(client, source) from error
    if not tags:
        raise ImageNotFound(f"{source} has no tags to promote.")
    log.info("Promoting %d tags of %s to %s.", len(tags), source, promotion.target)
    if one_request:
        await _send_whole(client, promotion, tags)

    async def one(tag: str) -> PromotionRecord | tuple[str, Exception]:
        try:
            return await promote(client, _for_tag(promotion, tag))
        except (PromotionError, ArtifactoryError, InvalidReference) as error:
            log.warning("%s was not promoted: %s", tag, error)
            return tag, error

    results = await concurrently(one, tags, at_once=at_once)
    failures = {result[0]: result[1] for result in results if isinstance(result, tuple)}
    records = tuple(result for result in results if not isinstance(result, tuple))
    if failures:
        raise TagsNotPromoted(f"{promotion.source}", promoted=len(records), failures=failures)
    return ImageRecord(records)


async def _send_whole(client: ArtifactoryClient, promotion: Promotion, tags: list[str]) -> None:
    """Send the one request, if it would overwrite nothing that it may not; what it did is verified tag by tag."""
    if not promotion.copy:
        raise InvalidPromotion("One request for a whole image copies: a move verifies each tag before it is removed.")
    standing = [] if promotion.on_conflict == "overwrite" else await _standing(client, promotion.target, tags)
    if standing:
        raise TargetConflict(
            f"{promotion.target} has {', '.join(standing[:5])} already, and one request would overwrite them: promote "
            "tag by tag, or set on_conflict='overwrite'."
        )
    try:
        await client.promote(promotion.source, promotion.target, copy=True)
    except ArtifactoryError as error:
        log.warning("%s Looking at each tag for what was done.", error)


async def _standing(client: ArtifactoryClient, target: ImageReference, tags: list[str]) -> list[str]:
    try:
        return sorted(set(tags).intersection(await client.tags(target.repository, target.image)))
    except NotFound:
        return []


def _for_tag(promotion: Promotion, tag: str) -> Promotion:
    source, target = promotion.source, promotion.target
    return replace(
        promotion,
        source=ImageReference(source.repository, source.image, tag),
        target=ImageReference(target.repository, target.image, tag),
        # Two tags of one digest have two pending tags.
        run=run_identifier(promotion.run, tag),
    )
