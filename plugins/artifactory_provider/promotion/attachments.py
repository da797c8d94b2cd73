"""What belongs to a digest but stands elsewhere: signatures, attestations, SBOMs.

Cosign keeps them under tags (``sha256-<hex>.sig``, ``.att``, ``.sbom``); OCI 1.1 has referrers, which no tag leads to,
and for servers without the referrers endpoint a fallback tag ``sha256-<hex>`` (OCI distribution specification 1.1,
"Listing Referrers" and "Referrers Tag Schema").
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import AttachmentLost
from artifactory_provider.promotion.observation import AQL_REFUSED, LIST_FILE, MANIFEST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient

log = logging.getLogger(__name__)

_SUFFIXES = (".sig", ".att", ".sbom", "")
_DEEPEST = 3
_MOST = 1000
_TAGS_A_QUERY = 200


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment.

    :param subject: the digest that it belongs to.
    :param digest: its own digest.
    :param tag: the tag that it stands under; None for a referrer.
    """

    subject: str
    digest: str
    tag: str | None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"the attachment {self.tag or self.digest}"

    def as_dict(self) -> dict[str, str | None]:
        """Return it as a JSON object."""
        return {"subject": self.subject, "digest": self.digest, "tag": self.tag}


async def find(client: ArtifactoryClient, place: ImageReference, digests: Iterable[str]) -> tuple[Attachment, ...]:
    """Return what belongs to the digests, and what belongs to that in turn, some levels deep.

    :param client: an open client.
    :param place: repository and image.
    :param digests: the digests.
    :raises AttachmentLost: when there is more than anyone can have meant.
    """
    found: dict[Attachment, None] = {}
    seen: set[str] = set()
    level = list(dict.fromkeys(digests))
    for _ in range(_DEEPEST):
        seen.update(level)
        tagged = await find_tagged(client, place, level)
        referring = await concurrently(lambda digest: _referrers(client, place, digest), level)
        new = [*tagged, *itertools.chain.from_iterable(referring)]
        found.update(dict.fromkeys(new))
        if len(found) > _MOST:
            raise AttachmentLost(f"{place.repository}/{place.image} has more than {_MOST} attachments to one image.")
        level = list(dict.fromkeys(a.digest for a in new if a.digest not in seen))
        if not level:
            break
    return tuple(found)


async def find_tagged(client: ArtifactoryClient, place: ImageReference, digests: Iterable[str]) -> list[Attachment]:
    """Return what belongs to the digests and stands under a tag, in one request for many of them.

    :param client: an open client.
    :param place: repository and image.
    :param digests: the digests.
    """
    names = {_tag(digest, suffix): digest for digest in digests for suffix in _SUFFIXES}
    try:
        shown = await _shown_by_query(client, place, list(names))
    except AQL_REFUSED as error:
        log.info("%s Reading the list of tags instead.", error)
        shown = await _shown_by_list(client, place, names)
    return [Attachment(names[tag], digest, tag) for tag, digest in sorted(shown.items())]


async def _shown_by_query(client: ArtifactoryClient, place: ImageReference, tags: list[str]) -> dict[str, str]:
    shown: dict[str, str] = {}
    for start in range(0, len(tags), _TAGS_A_QUERY):
        some = tags[start : start + _TAGS_A_QUERY]
        criteria: dict[str, Any] = {
            "repo": place.repository,
            "$and": [
                {"$or": [{"path": f"{place.image}/{tag}"} for tag in some]},
                {"$or": [{"name": MANIFEST_FILE}, {"name": LIST_FILE}]},
            ],
        }
        items = await client.find_items(criteria)
        for item in sorted(items, key=lambda item: item.name, reverse=True):
            shown[item.folder.removeprefix(f"{place.image}/")] = item.digest
    return shown


async def _shown_by_list(client: ArtifactoryClient, place: ImageReference, tags: Iterable[str]) -> dict[str, str]:
    try:
        listed = set(await client.tags(place.repository, place.image))
    except NotFound:
        return {}
    shown = {}
    for tag in sorted(listed.intersection(tags)):
        descriptor = await client.descriptor(ImageReference(place.repository, place.image, tag))
        if descriptor is not None:
            shown[tag] = descriptor.digest
    return shown


async def _referrers(client: ArtifactoryClient, place: ImageReference, digest: str) -> list[Attachment]:
    return [Attachment(digest, referrer, None) for referrer in await client.referrers(place.by_digest().pinned(digest))]


def _tag(digest: str, suffix: str) -> str:
    return f"{digest.replace(':', '-')}{suffix}"
