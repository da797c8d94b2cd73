"""What a promotion tells of itself: task result, extra of the asset event, and properties of the target's manifest."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.attachments import Attachment
    from artifactory_provider.promotion.promotion import Promotion

_OWN = frozenset({"digest", "source", "time", "run", "replaced", "attachments"})


@dataclass(frozen=True, kw_only=True)
class PromotionRecord:
    """What was promoted from where to where, as it was verified.

    :param outcome: ``promoted``, or ``unchanged`` where the target showed the digest already.
    :param source: the source with the pinned digest.
    :param target: the target with the same digest.
    :param media_type: the media type of the manifest or index.
    :param children: the digests of an index's children.
    :param attachments: the signatures, attestations and referrers that belong to it, all of them in the target.
    :param replaced: the digest that the target tag showed before and no longer shows, if there was one.
    :param copy: whether it was copied, not moved.
    """

    outcome: Literal["promoted", "unchanged"]
    source: ImageReference
    target: ImageReference
    media_type: str
    children: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    replaced: str | None
    copy: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the record as a small JSON object of strings, lists and booleans; its keys are stable."""
        return {
            "outcome": self.outcome,
            "digest": self.target.digest,
            "source": _reference(self.source),
            "target": _reference(self.target),
            "media_type": self.media_type,
            "children": list(self.children),
            "attachments": [attachment.as_dict() for attachment in self.attachments],
            "replaced": self.replaced,
            "copy": self.copy,
        }


def check_record(prefix: str | None, properties: Mapping[str, str]) -> None:
    """Make sure that a record can be written, before anything is promoted that it would be missing from.

    :param prefix: the first part of the names of its properties; None where none is written.
    :param properties: its further properties, name → value.
    :raises InvalidPromotion: when Artifactory does not allow a name, a value is no text, or one is the record's own.
    """
    if not isinstance(properties, Mapping):
        raise InvalidPromotion(f"properties are names and values, such as {{'by': 'jane'}}, not {properties!r:.120}.")
    if own := sorted(_OWN & properties.keys()):
        raise InvalidPromotion(f"The property {own[0]!r} is the record's own: give yours another name.")
    try:
        for name in (*properties, "promotion" if prefix is None else prefix):
            check_property_name(name)
        for value in properties.values():
            value.encode()
    except (InvalidReference, AttributeError, UnicodeError) as error:
        raise InvalidPromotion(
            f"The record of the promotion cannot be written ({error}): names and values are texts, and names hold no "
            f"spaces, slashes and the like. There are {dict(properties)!r:.300}, after the prefix {prefix!r:.120}."
        ) from error


async def write_record(
    client: ArtifactoryClient,
    promotion: Promotion,
    source: ImageReference,
    place: ImageReference,
    descriptor: Descriptor,
    *,
    replaced: str,
    attachments: int,
) -> None:
    """Write the promotion's record as properties of a manifest; they travel with it when it is retagged.

    :param client: an open client.
    :param promotion: the promotion, with the prefix of the properties' names and further properties.
    :param source: what was promoted, with its digest.
    :param place: the tag whose manifest gets the properties.
    :param descriptor: what the tag shows.
    :param replaced: the digest that the target tag showed before, or ``none``, or ``unknown``.
    :param attachments: how many attachments belong to it.
    """
    prefix = promotion.property_prefix
    if prefix is None:
        return
    record = {
        "digest": str(source.digest),
        "source": f"{source.repository}/{source.image}:{source.tag}",
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": promotion.run,
        "replaced": replaced,
        "attachments": str(attachments),
        **promotion.properties,
    }
    properties = {f"{prefix}.{name}": value for name, value in record.items()}
    await client.set_properties(manifest_path(place, descriptor), properties)


async def has_record(
    client: ArtifactoryClient, promotion: Promotion, place: ImageReference, descriptor: Descriptor
) -> bool:
    """Tell whether the record of a promotion of this digest stands on a tag's manifest.

    :param client: an open client.
    :param promotion: the promotion, with the prefix of the properties' names.
    :param place: repository, image, tag and digest.
    :param descriptor: what the tag shows.
    """
    properties = await client.properties(manifest_path(place, descriptor))
    return properties.get(f"{promotion.property_prefix}.digest") == [place.digest]


def _reference(reference: ImageReference) -> dict[str, str | None]:
    return {
        "repository": reference.repository,
        "image": reference.image,
        "tag": reference.tag,
        "reference": str(reference),
    }
