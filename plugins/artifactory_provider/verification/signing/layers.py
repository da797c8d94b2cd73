"""The manifests of what is attached to a digest, and the documents in them: their layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.manifests import read_annotations
from artifactory_provider.artifactory.references import InvalidReference, check_digest
from artifactory_provider.verification.signing.documents import LARGEST_DOCUMENT, Unreadable, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.artifactory.manifests import Manifest

_LARGEST_MANIFEST = 4 * 1024 * 1024
"""What registries take at least (OCI distribution specification 1.1, "Pushing Manifests")."""


@dataclass(frozen=True, slots=True)
class Source:
    """A manifest whose layers are documents.

    :param digest: its digest.
    :param place: where it stands, for people.
    :param annotations: its own, as far as they are known before it is read.
    """

    digest: str
    place: str
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """One document that is attached to a digest.

    :param place: where it stands, for people.
    :param media_type: what its descriptor says that it is.
    :param digest: the digest of its bytes.
    :param size: how many bytes it has.
    :param annotations: those of its descriptor.
    """

    place: str
    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str]

    @classmethod
    def read(cls, descriptor: Any, place: str) -> Layer:
        """Read a descriptor (OCI image specification 1.1, "Descriptors").

        :raises Unreadable: when it is none, or of a document that is too large.
        """
        media_type, size = descriptor.get("mediaType"), descriptor.get("size")
        if not isinstance(media_type, str) or type(size) is not int or size < 0:
            raise Unreadable("its descriptor lacks a media type or a size")
        if size > LARGEST_DOCUMENT:
            raise Unreadable(f"it has {size} bytes, and {LARGEST_DOCUMENT} are read at most")
        try:
            digest = check_digest(descriptor.get("digest"))
        except InvalidReference as error:
            raise Unreadable(str(error)) from None
        return cls(place, media_type, digest, size, read_annotations(descriptor.get("annotations")))


def list_layers(manifest: Manifest, place: str) -> list[tuple[str, dict[str, Any]]]:
    """Return place and descriptor of each document in a manifest, the newest first: cosign adds new ones at the end.

    :param manifest: the manifest.
    :param place: where it stands, for people.
    :raises Unreadable: when it holds none.
    """
    if manifest.descriptor.is_index:
        raise Unreadable("an index is there, which holds no document itself")
    if len(manifest.content) > _LARGEST_MANIFEST:
        raise Unreadable(f"its manifest has more than {_LARGEST_MANIFEST} bytes")
    layers = read_object(manifest.content, "its manifest").get("layers") or []
    if not layers:
        raise Unreadable("its manifest holds no document")
    if len(layers) == 1:
        return [(place, layers[0])]
    return [(f"{place} ({number} of {len(layers)})", layer) for number, layer in enumerate(layers, 1)][::-1]
