"""Finding what is attached to digests, and reading it in bounds: tags for all digests at once, bytes one by one.

Sources: sigstore/cosign, ``specs/SIGNATURE_SPEC.md`` ("Tag-based Discovery") and ``specs/BUNDLE_SPEC.md``, and the OCI
distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    ArtifactoryError,
    NotFound,
    OtherContent,
    UnsupportedManifest,
)
from artifactory_provider.artifactory.layout import attachment_prefix
from artifactory_provider.artifactory.manifests import UnusableManifest, read_referrers
from artifactory_provider.promotion.listing import image_of
from artifactory_provider.promotion.queries import Question
from artifactory_provider.verification.signing.documents import Unreadable, read_object
from artifactory_provider.verification.signing.findings import SigningFinding, Standing, flawed
from artifactory_provider.verification.signing.layers import Layer, Source, list_layers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.verification.evidence import Evidence, Subject

    Tags = Mapping[str, str]

_MOST_READ = 100
_MOST_BYTES = 32 * 1024 * 1024
_MORE = 8
_LARGE = 256 * 1024
_FLAWS = (NotFound, OtherContent, UnsupportedManifest, UnusableManifest, Unreadable)
_FAILURES = (ArtifactoryError, UnusableManifest, Unreadable)


class Examination(Protocol):
    """What is looked for in documents."""

    def is_worth_reading(self, annotations: Mapping[str, str]) -> bool:
        """Return whether annotations leave it open that a document is what is looked for; they are nobody's word.

        :param annotations: those of a manifest or layer.
        """

    async def judge(self, layer: Layer, content: bytes) -> SigningFinding | None:
        """Return what a document is worth, or None where it is of another kind.

        :param layer: what is said of it.
        :param content: its bytes.
        """


class Attached:
    """What is attached to one digest.

    :param evidence: what may be read.
    :param reference: repository, image and digest.
    :param tags: the tags that belong to it, and what each shows.
    :param large: what those who read large documents wait for.
    """

    def __init__(self, evidence: Evidence, reference: ImageReference, tags: Tags, large: asyncio.Semaphore) -> None:
        self._evidence = evidence
        self._place = reference.by_digest()
        self._tags = tags
        self._large = large
        self._left, self._bytes_left, self._is_exhausted = _MOST_READ, _MOST_BYTES, False
        self._small: dict[str, bytes] = {}

    def find_tagged(self, suffix: str) -> list[Source]:
        """Return the manifest under a tag that belongs to the digest, if there is one.

        :param suffix: how the tag ends, such as ``.sig``.
        """
        shown = self._tags.get(f"{attachment_prefix(str(self._place.digest))}{suffix}")
        return [Source(shown, f"its {suffix} tag")] if shown else []

    async def read_subject(self) -> bytes:
        """Return the bytes of the digest's own manifest or index."""
        return (await self._read_manifest(str(self._place.digest))).content

    def list_unread(self) -> list[SigningFinding]:
        """Return that more is attached than was read, where it is so."""
        reason = f"not read, as {_MOST_READ} documents and {_MOST_BYTES} bytes are at most"
        return [flawed("the oldest", reason)] if self._is_exhausted else []

    async def examine_referrers(
        self, artifact_types: Collection[str], examination: Examination
    ) -> list[SigningFinding]:
        """Return what the OCI referrers of some types are worth.

        :param artifact_types: the types.
        :param examination: what is looked for.
        """
        try:
            sources = await self._find_referrers(artifact_types)
        except _FAILURES as error:
            return [_explain("its list of referrers", error)]
        return await self.examine(sources, examination)

    async def examine(self, sources: Iterable[Source], examination: Examination) -> list[SigningFinding]:
        """Return what the documents in some manifests are worth.

        :param sources: the manifests.
        :param examination: what is looked for.
        """
        findings: list[SigningFinding] = []
        for source in sources:
            if examination.is_worth_reading(source.annotations):
                findings += await self._examine_manifest(source, examination)
        return findings

    async def _find_referrers(self, artifact_types: Collection[str]) -> list[Source]:
        found = list(await self._evidence.ledger.find_referrers(self._place))
        fallback = self._tags.get(attachment_prefix(str(self._place.digest)))
        if fallback is not None:
            manifest = await self._read_manifest(fallback)
            found += read_referrers(read_object(manifest.content, "the index under the fallback tag"))
        return [
            Source(one.digest, f"its referrer {one.digest[:15]}…", one.annotations)
            for one in dict.fromkeys(found)
            if one.artifact_type in artifact_types
        ]

    async def _examine_manifest(self, source: Source, examination: Examination) -> list[SigningFinding]:
        if not self._may_read(0):
            return []
        try:
            layers = list_layers(await self._read_manifest(source.digest), source.place)
        except _FAILURES as error:
            return [_explain(source.place, error)]
        found = [await self._examine_layer(place, descriptor, examination) for place, descriptor in layers]
        return [finding for finding in found if finding is not None]

    async def _examine_layer(
        self, place: str, descriptor: dict[str, Any], examination: Examination
    ) -> SigningFinding | None:
        try:
            layer = Layer.read(descriptor, place)
            if not (examination.is_worth_reading(layer.annotations) and self._may_read(layer.size)):
                return None
            async with self._large if layer.size > _LARGE else nullcontext():
                finding = await examination.judge(layer, await self._read(layer))
        except _FAILURES as error:
            return _explain(place, error)
        if finding is not None and finding.standing is Standing.VALID:
            # It is enough: a few more are read, only to tell of them.
            self._left, self._bytes_left = min(self._left, _MORE), min(self._bytes_left, _LARGE)
        return finding

    def _may_read(self, size: int) -> bool:
        """Return whether to read on: not more than anybody can mean to attach to one digest."""
        self._left, self._bytes_left = self._left - 1, self._bytes_left - size
        self._is_exhausted |= self._left < 0 or self._bytes_left < 0
        return not self._is_exhausted

    async def _read(self, layer: Layer) -> bytes:
        """Return the bytes of a layer; signatures by several keys are often of one payload."""
        if layer.digest in self._small and len(self._small[layer.digest]) == layer.size:
            return self._small[layer.digest]
        content = await self._evidence.client.blob(self._place, layer.digest, size=layer.size)
        if layer.size <= _LARGE:
            self._small[layer.digest] = content
        return content

    async def _read_manifest(self, digest: str) -> Manifest:
        return await self._evidence.ledger.read(self._place.pinned(digest))


async def find_tags(evidence: Evidence, subjects: Sequence[Subject]) -> dict[ImageReference, Tags | ArtifactoryError]:
    """Return the tags that belong to digests and what each shows, by repository, image and digest.

    All are asked about together, once a look for all checks. Where that fails, each image is asked about by itself.

    :param evidence: what may be read.
    :param subjects: the digests.
    :raises ArtifactoryError: when the server cannot be asked now.
    """
    places = tuple(dict.fromkeys(subject.reference.by_digest() for subject in subjects))
    return await evidence.once(("tags of attachments", places), lambda: _ask(evidence, places))


async def _ask(evidence: Evidence, places: tuple[ImageReference, ...]) -> dict[ImageReference, Tags | ArtifactoryError]:
    try:
        listing = await evidence.ledger.look(Question(attachments_to=places))
    except TRANSIENT:
        raise
    except ArtifactoryError as error:
        images: dict[object, list[ImageReference]] = {}
        for place in places:
            images.setdefault(image_of(place), []).append(place)
        if len(images) == 1:
            return dict.fromkeys(places, error)
        answers = await concurrently(lambda some: _ask(evidence, tuple(some)), images.values())
        return {place: found for answer in answers for place, found in answer.items()}
    shown = {place: listing.attachments_in(image_of(place)).get(str(place.digest), {}) for place in places}
    return {place: {tag: digest for tag, digest in tags.items() if digest} for place, tags in shown.items()}


def _explain(place: str, error: Exception) -> SigningFinding:
    if isinstance(error, ArtifactoryError) and not isinstance(error, _FLAWS):
        return SigningFinding(Standing.UNKNOWN, f"{place}: {error}", error=error)
    return flawed(place, error)
