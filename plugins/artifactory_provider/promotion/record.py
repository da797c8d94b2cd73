"""What a promotion tells of itself: task result, extra of the asset event, and properties of the target's manifest."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.promotion.marks import hold_properties
from artifactory_provider.promotion.request import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Shown
    from artifactory_provider.promotion.request import Promotion

ATTACHMENT_NAMES, UNKNOWN = "attachments.names", "unknown"
_LONGEST_VERDICTS = 1600
_LONGEST_NAMES = 1000
_TARGET = ".target"
_READ = (
    *("digest", "source", "target", "time", "run", "replaced", ATTACHMENT_NAMES, "children", "copy"),
    *("by", "verdicts", "approvals", "override"),
)
_FIXED = 9
"""Those of them that are no texts for people."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What belongs to a digest but stands elsewhere: a signature, an attestation, an SBOM, any OCI referrer.

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


@dataclass(frozen=True, kw_only=True)
class PromotionRecord:
    """What was promoted from where to where, as it was verified.

    :param outcome: ``promoted``, or ``unchanged`` where the target showed the digest already.
    :param source: the source with the pinned digest.
    :param target: the target with the same digest.
    :param media_type: the media type of the manifest or index; None where it was not read.
    :param children: the digests of an index's children; none where it was not read.
    :param attachments: the signatures, attestations and referrers that belong to it, all of them in the target.
    :param replaced: the digest that the target tag showed before and no longer shows, if there was one.
    :param copy: whether it was copied, not moved.
    :param verdicts: the verdicts that it was promoted on, as they were given.
    :param lead_time: how long before this its bytes were pushed, as the server's clock says; None where the looks of
        the promotion did not tell.
    """

    outcome: Literal["promoted", "unchanged"]
    source: ImageReference
    target: ImageReference
    media_type: str | None
    children: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    replaced: str | None
    copy: bool
    verdicts: tuple[str, ...] = ()
    lead_time: datetime.timedelta | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as a small JSON object of strings, lists and booleans; its keys are stable."""
        return {
            "outcome": self.outcome,
            "digest": self.target.digest,
            "source": _describe(self.source),
            "target": _describe(self.target),
            "media_type": self.media_type,
            "children": list(self.children),
            "attachments": [attachment.as_dict() for attachment in self.attachments],
            "replaced": self.replaced,
            "copy": self.copy,
            "verdicts": list(self.verdicts),
        }


@dataclass(frozen=True, slots=True)
class FoundParts:
    """What was found to belong to a digest that is promoted.

    :param attachments: they are counted in the record, and the first of them are named.
    :param children: the digests of its children, none for a manifest that is no index; None where they are not known.
    """

    attachments: Sequence[Attachment]
    children: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """The record of a promotion as it stands on a manifest, which may have been copied since, the record with it.

    :param digest: what was promoted.
    :param source: repository, image and tag that it was promoted from.
    :param target: repository, image and tag that it was promoted to.
    :param time: when, as text.
    :param run: the identifier of the run.
    :param replaced: the digest that the target showed before; ``none``, or ``unknown``.
    :param attachments: the names of what belonged to it, as far as they are recorded.
    :param children: the digests of its children; None where they are not recorded.
    :param is_move: whether the source was to go.
    :param said: which of ``by``, ``verdicts``, ``approvals`` and ``override`` it has, and what they say.
    """

    digest: str
    source: str
    target: str
    time: str
    run: str
    replaced: str
    attachments: tuple[str, ...]
    children: tuple[str, ...] | None
    is_move: bool
    said: Mapping[str, str]

    @classmethod
    def read(cls, properties: Mapping[str, Sequence[str]], prefix: str) -> StandingRecord | None:
        """Return the record that stands under a prefix; None where there is none, or not one alone.

        :param properties: those of a manifest, name → values.
        :param prefix: the first part of the names of its properties.
        """

        names = _name_fields(prefix)
        digest, source, target, time, run, replaced, attachments, children, copy = (
            _read_one(properties, name) for name in names[:_FIXED]
        )
        if digest is None or source is None or target is None or time is None or run is None:
            return None
        return cls(
            digest,
            source,
            target,
            time,
            run,
            replaced or UNKNOWN,
            _split(attachments or NOTHING),
            None if children in {None, UNKNOWN} else _split(str(children)),
            copy == "false",
            {
                name.removeprefix(f"{prefix}."): "; ".join(properties[name])
                for name in names[_FIXED:]
                if name in properties and tuple(properties[name]) != (NOTHING,)
            },
        )

    def speaks_of(self, place: ImageReference) -> bool:
        """Return whether it says that this digest was promoted to this tag.

        :param place: repository, image, tag and digest.
        """
        return self.digest == place.digest and self.target == f"{place.repository}/{place.image}:{place.tag}"


def read_records(properties: Mapping[str, Sequence[str]]) -> tuple[StandingRecord, ...]:
    """Return the records of promotions that stand among the properties of a manifest, one for each prefix.

    :param properties: name → values.
    """
    return tuple(take_records(dict(properties)))


def take_records(properties: dict[str, tuple[str, ...]] | dict[str, Sequence[str]]) -> Iterator[StandingRecord]:
    """Yield the records of promotions among properties, and take out the properties that they were read from.

    :param properties: name → values, those of a manifest.
    """
    for prefix in [name.removesuffix(_TARGET) for name in properties if name.endswith(_TARGET)]:
        record = StandingRecord.read(properties, prefix)
        if record is not None:
            for name in _name_fields(prefix):
                properties.pop(name, None)
            yield record


async def write_record(
    client: ArtifactoryClient,
    promotion: Promotion,
    source: ImageReference,
    place: ImageReference,
    descriptor: Descriptor,
    *,
    replaced: str,
    parts: FoundParts,
    further: Mapping[str, str],
) -> None:
    """Write the record of a promotion into the properties of a tag's manifest, if one is wanted, and its hold.

    :param promotion: the promotion, with the prefix of the properties' names and further properties.
    :param source: the source with its digest.
    :param place: repository, image and tag where the manifest stands, with its digest.
    :param descriptor: digest and media type of the manifest.
    :param replaced: the digest that the target tag showed before, ``none``, or ``unknown``.
    :param parts: what was found to belong to it.
    :param further: further properties, by their whole names.
    """
    options, target = promotion.options, promotion.target
    held = hold_properties(target, reason=options.hold, by=options.held_by) if options.hold else further
    if options.property_prefix is None:
        if held:
            await client.set_properties(manifest_path(place, descriptor), held)
        return
    record = {
        "digest": str(place.digest),
        "source": str(source.unpinned()),
        # Properties travel along with copies: who copies the target by hand copies what was said of the target.
        "target": str(target),
        "copy": "true" if options.copy else "false",
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": options.run,
        "replaced": replaced,
        "attachments": str(len(parts.attachments)),
        # These always, as those of the source's own record would come along otherwise.
        ATTACHMENT_NAMES: _name_first(parts.attachments) or NOTHING,
        "children": _name_all(parts.children),
        "verdicts": join_verdicts(options.verdicts) or NOTHING,
        "approvals": options.approvals or NOTHING,
        "override": options.override or NOTHING,
        **options.properties,
    }
    properties = {f"{options.property_prefix}.{name}": value for name, value in record.items()}
    await client.set_properties(manifest_path(place, descriptor), {**properties, **held})


async def has_record(
    client: ArtifactoryClient, promotion: Promotion, place: ImageReference, descriptor: Descriptor
) -> bool:
    """Return whether the record of a promotion of this digest to this tag stands on the tag's manifest.

    :param promotion: the promotion, with the prefix of the properties' names.
    :param place: repository, image, tag and digest.
    :param descriptor: what the tag shows.
    """
    properties = await client.properties(manifest_path(place, descriptor))
    record = StandingRecord.read(properties, str(promotion.options.property_prefix))
    return record is not None and record.speaks_of(place)


@lru_cache(maxsize=100)
def _name_fields(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in _READ)


def _read_one(properties: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = properties.get(name, ())
    return values[0] if len(values) == 1 else None


def _split(names: str) -> tuple[str, ...]:
    return () if names == NOTHING else tuple(names.split())


def _name_first(attachments: Sequence[Attachment]) -> str:
    """Return the names of the first attachments: tags, and digests of what no tag leads to."""
    kept: list[str] = []
    for name in dict.fromkeys(attachment.tag or attachment.digest for attachment in attachments):
        if len(quote(" ".join([*kept, name]))) > _LONGEST_NAMES:
            break
        kept.append(name)
    return " ".join(kept)


def _name_all(children: Sequence[str] | None) -> str:
    """Return the digests of all children, or that they are not known where they are too many for a property."""
    if children is None:
        return UNKNOWN
    named = " ".join(children) or NOTHING
    return named if len(quote(named)) <= _LONGEST_NAMES else UNKNOWN


def find_lead_time(shown: Shown | None, source: ImageReference) -> datetime.timedelta | None:
    """Return how long ago the bytes of an image were pushed, as far as a look has told it: it is not asked for.

    :param shown: what was seen under the source tag.
    :param source: the source with its digest.
    """
    if shown is None or shown.created is None or shown.digest != source.digest:
        return None
    # Two clocks: what was pushed a moment ago may seem to come from the future.
    return max(datetime.datetime.now(datetime.UTC) - shown.created, datetime.timedelta())


def join_verdicts(verdicts: Sequence[str]) -> str:
    """Return the first verdicts in one line, and how many more there are: a property's value travels in a URL.

    :param verdicts: a line each.
    """
    kept: list[str] = []
    for verdict in verdicts:
        if len(quote("; ".join([*kept, verdict]))) > _LONGEST_VERDICTS:
            return "; ".join([*kept, f"{len(verdicts) - len(kept)} more"])
        kept.append(verdict)
    return "; ".join(kept)


def _describe(reference: ImageReference) -> dict[str, str | None]:
    return {
        "repository": reference.repository,
        "image": reference.image,
        "tag": reference.tag,
        "reference": str(reference),
    }
