"""What one image is made of: platforms, sizes, labels, and what belongs to it. Asked for one image, never for all."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.layout import is_fallback_tag
from artifactory_provider.promotion.queries import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.ledger import Ledger

Kind = Literal["signature", "SBOM", "provenance", "attestation", "other"]

_AT_ONCE = 4
_LARGEST_CONFIG = 512 * 1024
_MOST_LABELS, _LONGEST_LABEL = 50, 500
_MOST_PLATFORMS = 20
_UNKNOWN = "unknown/unknown"
"""How builders call the platform of what is none: their attestations in an index."""
_WORDS: Sequence[tuple[str, Kind]] = (
    ("slsa", "provenance"),
    ("provenance", "provenance"),
    ("spdx", "SBOM"),
    ("cyclonedx", "SBOM"),
    ("sbom", "SBOM"),
    ("cosign/sign", "signature"),
    ("cosign.artifact.sig", "signature"),
    ("signature", "signature"),
    ("notary", "signature"),
    ("in-toto", "attestation"),
    ("sigstore.bundle", "attestation"),
)
_SUFFIXES: Mapping[str, Kind] = {".sig": "signature", ".sbom": "SBOM", ".att": "attestation"}
_PREDICATES = ("predicateType", "in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType")


@dataclass(frozen=True, slots=True)
class PlatformPart:
    """One platform of an image.

    :param name: such as ``linux/arm64/v8``; empty where that is not known.
    :param digest: the digest of its manifest.
    :param size: bytes of config and layers; None where that is not known.
    """

    name: str
    digest: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a digest is made of: it never changes.

    :param platforms: its platforms.
    :param labels: those of the config of the first.
    """

    platforms: tuple[PlatformPart, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int | None:
        """Bytes of all platforms together; None where that is not known."""
        sizes = [platform.size for platform in self.platforms]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None


@dataclass(frozen=True, slots=True)
class AttachedPart:
    """What belongs to a digest.

    :param kind: what it is.
    :param tag: the tag that it stands under; None for a referrer.
    :param digest: its own digest.
    :param media_type: what it says it is; empty where that is not known.
    """

    kind: Kind
    tag: str | None
    digest: str
    media_type: str = ""


async def read_contents(
    ledger: Ledger, places: Iterable[ImageReference]
) -> tuple[dict[str, Contents], list[ArtifactoryError]]:
    """Return what digests are made of, and what could not be read.

    :param ledger: what the registry shows, over an open client.
    :param places: repository, image and digest of each.
    """
    failed: list[ArtifactoryError] = []

    async def read(place: ImageReference) -> Contents | None:
        try:
            return await _read_contents(ledger, place)
        except ArtifactoryError as error:
            failed.append(error)
            return None

    wanted = list({str(place.digest): place.by_digest() for place in places}.values())
    found = await concurrently(read, wanted, at_once=_AT_ONCE)
    return {str(place.digest): one for place, one in zip(wanted, found, strict=True) if one is not None}, failed


async def read_attached(
    ledger: Ledger, places: Sequence[ImageReference]
) -> tuple[dict[tuple[str, str], tuple[AttachedPart, ...]], list[ArtifactoryError]]:
    """Return what belongs to digests, in the repository in which each stands: one query for tags, and the referrers.

    :param ledger: what the registry shows.
    :param places: repository, image and digest of each.
    :return: repository and digest → what belongs to it, as far as all of that is known; and what could not be read.
    """
    failed: list[ArtifactoryError] = []
    wanted = list(dict.fromkeys(place.by_digest() for place in places))
    images = tuple(dict.fromkeys((place.repository, place.image) for place in wanted))
    try:
        listing = await ledger.look(Question(attachments_in=images))
    except ArtifactoryError as error:
        return {}, [error]

    async def read(place: ImageReference) -> tuple[AttachedPart, ...] | None:
        tags = listing.attachments_in((place.repository, place.image)).get(str(place.digest), {})
        # The fallback tag holds the list of referrers, which are asked for by themselves.
        own = [(tag, digest) for tag, digest in sorted(tags.items()) if digest and not is_fallback_tag(tag)]
        parts = [await _read_tagged(ledger, place, tag, digest) for tag, digest in own]
        try:
            referrers = await ledger.find_referrers(place)
        except ArtifactoryError as error:
            failed.append(error)
            return None  # a part would look like all
        for one in referrers:
            kind = _name_kind([one.artifact_type, *_predicates(one.annotations)])
            parts.append(AttachedPart(kind, None, one.digest, one.artifact_type))
        return tuple(parts)

    found = await concurrently(read, wanted, at_once=_AT_ONCE)
    answered = zip(wanted, found, strict=True)
    return {(place.repository, str(place.digest)): parts for place, parts in answered if parts is not None}, failed


async def _read_contents(ledger: Ledger, place: ImageReference) -> Contents:
    manifest = await ledger.read(place)
    if not manifest.descriptor.is_index:
        name, labels = await _read_config(ledger, place, manifest)
        return Contents((PlatformPart(name, manifest.descriptor.digest, _size_of(manifest)),), labels)
    named = _platforms_of(manifest)
    children = [digest for digest in manifest.children if named.get(digest) != _UNKNOWN][:_MOST_PLATFORMS]
    read = await concurrently(lambda digest: ledger.read(place.pinned(digest)), children, at_once=_AT_ONCE)
    labels = (await _read_config(ledger, place, read[0]))[1] if read else {}
    parts = (
        PlatformPart(named.get(digest, ""), digest, _size_of(child))
        for digest, child in zip(children, read, strict=True)
    )
    return Contents(tuple(parts), labels)


async def _read_config(ledger: Ledger, place: ImageReference, manifest: Manifest) -> tuple[str, dict[str, str]]:
    """Return the platform that a config names, and its labels; nothing where it is no image's, or too large."""
    described = _document(manifest.content).get("config")
    size = described.get("size") if isinstance(described, dict) else None
    if manifest.config is None or not isinstance(size, int) or not 0 < size <= _LARGEST_CONFIG:
        return "", {}
    try:
        config = _document(await ledger.client.blob(place, manifest.config, size=size))
    except ArtifactoryError:
        return "", {}
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    pairs = labels.items() if isinstance(labels, dict) else ()
    kept = {str(name)[:_LONGEST_LABEL]: str(value)[:_LONGEST_LABEL] for name, value in list(pairs)[:_MOST_LABELS]}
    return _name_platform(config), kept


async def _read_tagged(ledger: Ledger, place: ImageReference, tag: str, digest: str) -> AttachedPart:
    """Return what stands under the tag of an attachment; of an attestation, what it attests."""
    suffix = tag[tag.find(".") :] if "." in tag else ""
    kind = _SUFFIXES.get(suffix, "other")
    if kind != "attestation":
        return AttachedPart(kind, tag, digest)
    try:
        document = _document((await ledger.read(place.pinned(digest))).content)
    except ArtifactoryError:
        return AttachedPart(kind, tag, digest)
    layers = document.get("layers")
    annotated = (
        [layer.get("annotations") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    )
    said = [text for annotations in annotated for text in _predicates(annotations)]
    return AttachedPart(_name_kind(said) if said else kind, tag, digest, said[0] if said else "")


def _predicates(annotations: Any) -> list[str]:
    found = [annotations.get(name) for name in _PREDICATES] if hasattr(annotations, "get") else []
    return [text[:_LONGEST_LABEL] for text in found if isinstance(text, str)]


def _name_kind(said: Sequence[str]) -> Kind:
    """Return what something is that says these things of itself: its type, and what it attests."""
    text = " ".join(said).lower()
    return next((kind for word, kind in _WORDS if word in text), "other")


def _platforms_of(index: Manifest) -> dict[str, str]:
    listed = _document(index.content).get("manifests")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {str(entry.get("digest")): _name_platform(entry.get("platform")) for entry in entries}


def _name_platform(platform: Any) -> str:
    if not isinstance(platform, dict):
        return ""
    parts = (platform.get(name) for name in ("os", "architecture", "variant"))
    return "/".join(part for part in parts if isinstance(part, str) and part)[:_LONGEST_LABEL]


def _size_of(manifest: Manifest) -> int | None:
    document = _document(manifest.content)
    layers = document.get("layers")
    parts = [document.get("config"), *(layers if isinstance(layers, list) else [])]
    sizes = [part.get("size") for part in parts if isinstance(part, dict)]
    known = [size for size in sizes if isinstance(size, int) and size >= 0]
    return sum(known) if len(known) == len(parts) else None


def _document(content: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        document = json.loads(content)
        if isinstance(document, dict):
            return document
    return {}
