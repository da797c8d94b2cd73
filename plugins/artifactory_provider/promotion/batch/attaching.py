"""Bringing the attachments of many images: cosign's tags out of one listing, referrers digest by digest.

What is more than a tag to promote (referrers, fallback indexes, a target that holds something else under the same
tag) is brought as for a single promotion, by ``artifactory_provider.promotion.carrying``.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, AuthenticationFailed, TagNotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.attachments import Attachment
from artifactory_provider.promotion.batch.sending import Sending, send_all
from artifactory_provider.promotion.carrying import carry
from artifactory_provider.promotion.errors import AttachmentLost, PromotionError
from artifactory_provider.promotion.observation import AQL_REFUSED, LIST_FILE, MANIFEST_FILE, observe_tags

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient

log = logging.getLogger(__name__)

_NAMES = {"$or": [{"name": MANIFEST_FILE}, {"name": LIST_FILE}]}
_TAG = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(?P<suffix>\.sig|\.att|\.sbom)?")
_DEEPEST = 3
_IMAGES_A_QUERY = 100
_AT_ONCE = 16

Image = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bringing:
    """An image on its way, and the digests that things may be attached to.

    :param source: repository, image, tag and digest.
    :param target: repository, image, tag and the same digest.
    :param is_index: whether the digest is an index's.
    :param children: the digests of its children; None where the index was not read.
    """

    source: ImageReference
    target: ImageReference
    is_index: bool
    children: tuple[str, ...] | None

    @property
    def digests(self) -> tuple[str, ...]:
        """Its own digest and those of its children, as far as they are known."""
        return (str(self.source.digest), *(self.children or ()))

    @property
    def image(self) -> Image:
        """Repository and image that it comes from."""
        return self.source.repository, self.source.image


async def bring_all(
    client: ArtifactoryClient,
    bringings: Sequence[Bringing],
    *,
    referrers: bool,
    slots: asyncio.Semaphore,
    within: float,
) -> dict[ImageReference, int | Exception]:
    """Bring what belongs to the images, and return for each target how much that is, or why it could not be brought.

    :param client: an open client.
    :param bringings: the images.
    :param referrers: whether OCI referrers are asked for, digest by digest.
    :param slots: how many promotion requests may be under way at a time.
    :param within: the seconds that the target may take to show something.
    """
    leaving = [one for one in bringings if one.image != (one.target.repository, one.target.image)]
    try:
        tagged = await _find_tagged(client, leaving)
    except AQL_REFUSED as error:
        log.info("%s Looking for the attachments of each image instead.", error)
        return _by_target(await _carry_each(client, leaving, within))
    leaving = await _with_children(client, leaving, tagged)
    belongings = {one: _belonging(one, tagged.get(one.image, {})) for one in leaving}
    special = {one for one, found in belongings.items() if any(_is_fallback(attachment) for attachment in found)}
    if referrers:
        special |= await _with_referrers(client, leaving)
    plain = {one: found for one, found in belongings.items() if one not in special}
    lost, differing = await _promote_tags(client, plain, slots, within)
    carried = await _carry_each(client, [*special, *differing], within)
    return _by_target({one: len(found) for one, found in belongings.items()} | lost | carried)


def _by_target(brought: dict[Bringing, int | Exception]) -> dict[ImageReference, int | Exception]:
    return {bringing.target: found for bringing, found in brought.items()}


async def _find_tagged(
    client: ArtifactoryClient, bringings: Iterable[Bringing]
) -> dict[Image, dict[str, list[Attachment]]]:
    """Return what stands under tags of attachments: image → subject → attachments."""
    images = sorted({one.image for one in bringings})
    tagged: dict[Image, dict[str, list[Attachment]]] = {image: {} for image in images}
    for start in range(0, len(images), _IMAGES_A_QUERY):
        some = images[start : start + _IMAGES_A_QUERY]
        places = [{"repo": repository, "path": {"$match": f"{image}/sha256-*"}} for repository, image in some]
        criteria: dict[str, Any] = {"$and": [{"$or": places}, _NAMES]}
        for item in await client.find_items(criteria):
            image, _, tag = item.folder.rpartition("/")
            name = _TAG.fullmatch(tag)
            if name is not None and (item.repository, image) in tagged:
                subject = f"sha256:{name['hex']}"
                found = tagged[item.repository, image].setdefault(subject, [])
                found.append(Attachment(subject, item.digest, tag))
    return tagged


async def _with_children(
    client: ArtifactoryClient, bringings: list[Bringing], tagged: dict[Image, dict[str, list[Attachment]]]
) -> list[Bringing]:
    """Read the indexes of those images where something is attached to a digest that no tag shows: a child's, likely."""
    unread = [one for one in bringings if one.is_index and one.children is None]
    known: dict[Image, set[str]] = {}
    for one in bringings:
        known.setdefault(one.image, set()).add(str(one.source.digest))
    orphans = {
        image: set(by_subject) - known[image] - {found.digest for each in by_subject.values() for found in each}
        for image, by_subject in tagged.items()
    }
    for image in sorted({one.image for one in unread if orphans[one.image]}):
        orphans[image] -= await _digests_of_tags(client, *image)
    to_read = [one for one in unread if orphans[one.image]]
    read = dict(
        zip(to_read, await concurrently(lambda one: _read(client, one), to_read, at_once=_AT_ONCE), strict=True)
    )
    return [read.get(one, one) for one in bringings]


async def _digests_of_tags(client: ArtifactoryClient, repository: str, image: str) -> set[str]:
    paths = [{"path": {"$match": f"{image}/*"}}, {"path": {"$nmatch": f"{image}/sha256:*"}}]
    try:
        return {item.digest for item in await client.find_items({"repo": repository, "$and": paths, **_NAMES})}
    except AQL_REFUSED as error:
        log.info("%s Reading all indexes instead.", error)
        return set()


async def _read(client: ArtifactoryClient, bringing: Bringing) -> Bringing:
    try:
        children = (await client.manifest(bringing.source.by_digest())).children
    except TagNotFound:
        children = ()  # The tag was moved and the image is gone: what becomes of it shows when it is promoted.
    return Bringing(bringing.source, bringing.target, bringing.is_index, children)


def _belonging(bringing: Bringing, by_subject: dict[str, list[Attachment]]) -> list[Attachment]:
    """Return what belongs to an image, and what belongs to that in turn, some levels deep."""
    found: dict[Attachment, None] = {}
    level = list(bringing.digests)
    for _ in range(_DEEPEST):
        new = [one for digest in level for one in by_subject.get(digest, ()) if one not in found]
        found.update(dict.fromkeys(new))
        level = [attachment.digest for attachment in new]
    return list(found)


def _is_fallback(attachment: Attachment) -> bool:
    """Tell whether it is an index of referrers, as servers without an endpoint for them keep it."""
    name = _TAG.fullmatch(attachment.tag or "")
    return name is not None and name["suffix"] is None


async def _with_referrers(client: ArtifactoryClient, bringings: Sequence[Bringing]) -> set[Bringing]:
    """Return the images that OCI referrers refer to, asking once for each digest."""
    digests = {(one.image, digest): one for one in bringings for digest in one.digests}

    async def ask(key: tuple[Image, str]) -> bool:
        (repository, image), digest = key
        return bool(await client.referrers(ImageReference(repository, image, None, digest)))

    answers = await concurrently(ask, digests, at_once=_AT_ONCE)
    referred = {key for key, is_referred in zip(digests, answers, strict=True) if is_referred}
    return {one for one in bringings if any((one.image, digest) in referred for digest in one.digests)}


async def _promote_tags(
    client: ArtifactoryClient, belongings: dict[Bringing, list[Attachment]], slots: asyncio.Semaphore, within: float
) -> tuple[dict[Bringing, int | Exception], list[Bringing]]:
    """Promote the tags of attachments that the targets lack; return what was lost, and where the target's differ."""
    places = {(one, found): _sending(one, found) for one, each in belongings.items() for found in each}
    seen = await observe_tags(client, {sending.target for sending in places.values()})
    shown = {sending: seen.get(sending.target.unpinned()) for sending in places.values()}
    failed, _ = await send_all(client, [s for s, there in shown.items() if there is None], slots=slots, within=within)
    lost: dict[Bringing, int | Exception] = {}
    differing: dict[Bringing, None] = {}
    for (one, found), sending in places.items():
        there = shown[sending]
        if there is not None and there.digest != found.digest:
            differing[one] = None
        elif sending in failed:
            lost[one] = _lost(one, found, failed[sending])
    return lost, list(differing)


def _sending(bringing: Bringing, attachment: Attachment) -> Sending:
    source, target = (
        ImageReference(place.repository, place.image, attachment.tag, attachment.digest)
        for place in (bringing.source, bringing.target)
    )
    return Sending(source, target)


def _lost(bringing: Bringing, attachment: Attachment, error: Exception) -> AttachmentLost:
    lost = AttachmentLost(
        f"{bringing.target} was not given this digest, because {attachment.name} of {attachment.subject} could not be "
        f"brought to {bringing.target.repository}/{bringing.target.image}. {error}"
    )
    lost.__cause__ = error
    return lost


async def _carry_each(
    client: ArtifactoryClient, bringings: Iterable[Bringing], within: float
) -> dict[Bringing, int | Exception]:
    """Bring the attachments of each image as for a single promotion, once for images that are the same."""

    async def one(bringing: Bringing) -> int | Exception:
        try:
            whole = (
                bringing if bringing.children is not None or not bringing.is_index else await _read(client, bringing)
            )
            return len(await carry(client, bringing.source, bringing.target, whole.digests, within=within))
        except AuthenticationFailed:
            raise
        except (ArtifactoryError, PromotionError) as error:
            return error

    each = list(bringings)
    return dict(zip(each, await concurrently(one, each, at_once=_AT_ONCE), strict=True))
