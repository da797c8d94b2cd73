"""What an index that stays refers to stays, also where it stands under a tag alone, as some clients put it there.

Those are manifests: what is an index itself is taken for no child. No common tool puts one index into another.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, AuthenticationFailed
from artifactory_provider.artifactory.layout import subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import StandingTag, Survey
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.promotion.listing import Image

log = logging.getLogger(__name__)

_READS_AT_ONCE = 8


async def keep_children(
    ledger: Ledger, seen: Survey, going: Mapping[ImageReference, StandingTag], *, is_last_look: bool = False
) -> dict[ImageReference, str]:
    """Return the tags that have to stay for an index that does, with the reason: nothing else holds what it refers to.

    Only indexes are read that stand beside a tag that goes and holds a manifest of which there is no other.

    :param ledger: what is known of the registry; it reads each index once.
    :param seen: what stands in the images of the tags.
    :param going: the tags that would go otherwise.
    :param is_last_look: whether an index counts as long as it stands, and not only where it is not to go: its own
        request may be refused, fail, or never be sent.
    """
    left = dict(going)
    kept: dict[ImageReference, str] = {}
    while True:
        only = _find_last_holders(seen, left)
        images = sorted({tag.image for tag in only.values()})
        indexes = [tag for image in images for tag in seen.tags_of(image).values() if _may_refer(tag)]
        indexes = [index for index in indexes if is_last_look or index.place not in left]
        read = await concurrently(lambda tag: _read(ledger, tag), indexes, at_once=_READS_AT_ONCE)
        found = _find_needed(seen, only, indexes, read)
        if not found:
            return kept
        kept |= found
        # Beside a manifest that stays may lie an index, in one folder: that stays with it.
        left = {place: tag for place, tag in left.items() if place not in found}


def _find_last_holders(seen: Survey, going: Mapping[ImageReference, StandingTag]) -> dict[ImageReference, StandingTag]:
    """Return the tags with a manifest that would be gone from its image when all is gone that would go."""
    stays = {image: seen.digests_of(image, without=going) for image in {tag.image for tag in going.values()}}
    return {place: tag for place, tag in going.items() if not stays[tag.image].issuperset(_manifests(seen, tag))}


def _manifests(seen: Survey, tag: StandingTag) -> tuple[str, ...]:
    """Return the digests in a tag's folder but for that of an index."""
    return seen.digests_in(tag)[tag.is_index :]


def _may_refer(tag: StandingTag) -> bool:
    return tag.is_index and subject_of(tag.name) is None


def _find_needed(
    seen: Survey,
    only: Mapping[ImageReference, StandingTag],
    indexes: Sequence[StandingTag],
    read: Sequence[frozenset[str] | None],
) -> dict[ImageReference, str]:
    known: dict[Image, list[tuple[StandingTag, frozenset[str] | None]]] = {}
    for index, children in zip(indexes, read, strict=True):
        known.setdefault(index.image, []).append((index, children))
    found = {}
    for place, tag in only.items():
        for index, children in known.get(tag.image, ()):
            if index.place == place:
                continue  # What lies in an index's own folder goes with it, by one request.
            if children is None:
                found[place] = f"{index.place.unpinned()} may refer to it, and could not be read"
            elif not children.isdisjoint(_manifests(seen, tag)):
                found[place] = f"{index.place.unpinned()} refers to it, and it stands nowhere else in the image"
    return found


async def _read(ledger: Ledger, index: StandingTag) -> frozenset[str] | None:
    """Return the children of an index, or None where they cannot be read."""
    try:
        return frozenset((await ledger.read(index.place)).children)
    except AuthenticationFailed:
        raise
    except ArtifactoryError as error:
        log.warning("What %s refers to is unknown: %s", index.place, error)
        return None
