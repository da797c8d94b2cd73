"""What Xray has to have scanned: a manifest, or the manifests in an index."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError, UnsupportedManifest
from artifactory_provider.artifactory.layout import MANIFEST_FILE, folder_of, folder_of_digest
from artifactory_provider.artifactory.manifests import INDEX_MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.verification.evidence import Evidence, Subject

_AT_ONCE = 16
_STATEMENT = "application/vnd.in-toto+json"
_KIND_OF_REFERENCE, _ATTESTATION = "vnd.docker.reference.type", "attestation-manifest"


@dataclass(frozen=True, slots=True)
class Part:
    """One manifest or index that is scanned by itself.

    :param digest: its digest.
    :param place: repository and folder that it stands in: that of the tag, or of the digest.
    :param file: the name of its file there.
    """

    digest: str
    place: Folder
    file: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of it, as Xray takes it."""
        return self.digest.removeprefix("sha256:")

    @property
    def path(self) -> str:
        """``<repository>/<path of the file>``."""
        return f"{self.place[0]}/{self.place[1]}/{self.file}"


def part_of(subject: Subject) -> Part:
    """Return what a tag shows.

    :param subject: the tag, and what it shows.
    """
    return Part(subject.digest, folder_of(subject.reference.unpinned()), subject.descriptor.file_name)


async def find_children(evidence: Evidence, subjects: Sequence[Subject]) -> list[tuple[Part, ...] | ArtifactoryError]:
    """Return the manifests in each of some indexes, or what came instead of the index.

    Attestations of a build stand in an index beside the platforms and hold nothing that could be scanned. What the
    index calls one is left out only if it is one: all of its layers are in-toto statements (BuildKit's documentation,
    "Attestation storage").

    :param evidence: where manifests are read, each once.
    :param subjects: tags that show indexes.
    """

    async def read(subject: Subject) -> tuple[Part, ...] | ArtifactoryError:
        try:
            return await _read_children(evidence, subject)
        except ArtifactoryError as error:
            return error

    return await concurrently(read, subjects, at_once=_AT_ONCE)


def short(digest: str) -> str:
    """Return a digest as logs show it.

    :param digest: the digest.
    """
    return f"{digest.removeprefix('sha256:')[:8]}…"


async def _read_children(evidence: Evidence, subject: Subject) -> tuple[Part, ...]:
    index = await evidence.ledger.read(subject.reference)
    children = []
    for entry in _entries(index):
        digest = entry["digest"]
        if str(entry.get("mediaType")) in INDEX_MEDIA_TYPES:
            raise UnsupportedManifest(
                f"The index {short(subject.digest)} holds another index, {short(digest)}: what that one holds is not "
                "asked for. Push an index of manifests alone."
            )
        place = folder_of_digest(subject.reference, digest)
        if _is_called_attestation(entry) and await _is_attestation(evidence, subject.reference, digest):
            continue
        children.append(Part(digest, place, MANIFEST_FILE))
    return tuple(children)


def _entries(index: Manifest) -> list[dict[str, Any]]:
    """Return the entries of an index, each digest once; that they have valid digests has been made sure of."""
    document = json.loads(index.content)
    return list({entry["digest"]: entry for entry in document.get("manifests") or ()}.values())


def _is_called_attestation(entry: Mapping[str, Any]) -> bool:
    annotations = entry.get("annotations")
    return isinstance(annotations, dict) and annotations.get(_KIND_OF_REFERENCE) == _ATTESTATION


async def _is_attestation(evidence: Evidence, image: ImageReference, digest: str) -> bool:
    manifest = await evidence.ledger.read(image.pinned(digest))
    layers = json.loads(manifest.content).get("layers") or []
    return bool(layers) and all(isinstance(layer, dict) and layer.get("mediaType") == _STATEMENT for layer in layers)
