"""Manifests and indexes, as far as a promotion looks into them.

Media types: OCI image specification 1.1, "Media Types", and Docker image manifest version 2, schema 2.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from artifactory_provider.artifactory.references import ImageReference, InvalidReference, check_digest, check_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

INDEX_MEDIA_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_MEDIA_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
_MEDIA_TYPES = INDEX_MEDIA_TYPES | MANIFEST_MEDIA_TYPES
_OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
_DOCKER_SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
_OUTDATED = {
    _OCI_ARTIFACT: "It is an OCI artifact manifest, a kind that OCI gave up: push it again as an image manifest.",
    **dict.fromkeys(
        _DOCKER_SCHEMA_1, "It is a Docker image of schema 1, which is outdated: push it again with a current client."
    ),
}
_UNTELLING_MEDIA_TYPES = ("", "application/json", "application/octet-stream", "text/plain")
_MOST_CHILDREN = 1000
# The last ones are taken to say what they are: a server could answer "not found" otherwise.
ACCEPT = ", ".join((OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST, *_OUTDATED))


class InvalidManifest(ValueError):
    """Bytes that are no image manifest or index."""


class UnusableManifest(InvalidManifest):
    """A manifest, but of another kind than an image's, or one that breaks the rules of its kind."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a registry tells of a manifest without sending it.

    :param digest: ``sha256:`` and 64 hexadecimal digits.
    :param media_type: the manifest's media type, without parameters.
    """

    digest: str
    media_type: str

    @property
    def is_index(self) -> bool:
        """Whether this is a multi-platform index."""
        return self.media_type in INDEX_MEDIA_TYPES

    @property
    def is_known(self) -> bool:
        """Whether the media type is one of an image manifest or index."""
        return self.media_type in _MEDIA_TYPES

    @property
    def file_name(self) -> str:
        """The file that Artifactory keeps a tag's manifest in."""
        return "list.manifest.json" if self.is_index else "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index with the digest of the very bytes that it was read from.

    :param descriptor: digest and media type.
    :param children: the digests of an index's children, in its order; empty for a manifest.
    :param config: the digest of a manifest's config; None for an index.
    :param layers: the digests of a manifest's layers that the registry keeps; empty for an index.
    :param content: the bytes.
    :param kept_elsewhere: those of the layers that name URLs of their own, and need not be in the registry (OCI image
        specification 1.1, "Descriptors").
    """

    descriptor: Descriptor
    children: tuple[str, ...]
    config: str | None
    layers: tuple[str, ...]
    content: bytes = field(repr=False)
    kept_elsewhere: frozenset[str] = frozenset()

    @property
    def blobs(self) -> tuple[str, ...]:
        """The digests of config and layers."""
        return self.layers if self.config is None else (self.config, *self.layers)

    @classmethod
    def read(cls, content: bytes, *, media_type: str) -> Manifest:
        """Read a manifest's bytes.

        :param content: the bytes as the registry sent them.
        :param media_type: the ``Content-Type`` that came with them, without parameters.
        :raises InvalidManifest: when they are no manifest or index.
        """
        document = None
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(content)
        if not isinstance(document, dict):
            raise InvalidManifest("The manifest is no JSON object.")
        kind = _media_type(document, media_type)
        descriptor = Descriptor(f"sha256:{hashlib.sha256(content).hexdigest()}", kind)
        if descriptor.is_index:
            children = child_digests(document)
            if len(children) > _MOST_CHILDREN:
                raise UnusableManifest(
                    f"The index lists {len(children)} manifests: {_MOST_CHILDREN} are taken at most."
                )
            return cls(descriptor, children, None, (), content)
        config, layers = _digest_of(document.get("config"), "config"), _layer_digests(document)
        return cls(descriptor, (), config, layers, content, _layers_elsewhere(document))


@dataclass(frozen=True, slots=True)
class Referrer:
    """One entry of an index of referrers (OCI distribution specification 1.1, "Listing Referrers").

    :param digest: the digest of the manifest that refers to the subject.
    :param artifact_type: what it is; empty where the list does not say.
    :param annotations: those of its manifest, as far as the list tells them.
    """

    digest: str
    artifact_type: str = field(default="", compare=False)
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)


def manifest_path(reference: ImageReference, descriptor: Descriptor) -> str:
    """Return the path of the item that holds a tag's manifest, and its properties.

    :param reference: repository, image and tag.
    :param descriptor: what the tag shows: an index is kept in a file of another name.
    """
    tag = check_tag(reference.tag or "")
    return f"{reference.repository}/{reference.image}/{tag}/{descriptor.file_name}"


def _media_type(document: dict[str, Any], sent: str) -> str:
    """Return what the document is; where two things are said of it, it could be read in two ways: no one reads it.

    Such a document could be verified as one image and be pulled as another (CVE-2021-41190).
    """
    declared = document.get("mediaType") or None
    kind = sent if declared is None or sent in _MEDIA_TYPES else declared
    if kind in _UNTELLING_MEDIA_TYPES:
        kind = _likely_media_type(document) or kind
    if not isinstance(kind, str) or kind not in _MEDIA_TYPES:
        _refuse_kind(kind)
    if declared is not None and declared != kind:
        raise UnusableManifest(f"The manifest came as {kind} and calls itself {declared!r:.120}.")
    foreign = ("config", "layers") if kind in INDEX_MEDIA_TYPES else ("manifests",)
    if found := [name for name in foreign if document.get(name) is not None]:
        raise UnusableManifest(f"The {kind} holds {', '.join(found)}.")
    return kind


def _likely_media_type(document: dict[str, Any]) -> str | None:
    """Return what a document is, by what it holds, where its media type tells nothing."""
    if document.get("schemaVersion") == 1 and "fsLayers" in document:
        return _DOCKER_SCHEMA_1[0]
    kinds = {"manifests": OCI_INDEX, "config": OCI_MANIFEST}
    # Go writes null for an empty list: that one counts where nothing else is there.
    held = [name for name in kinds if document.get(name) is not None] or [name for name in kinds if name in document]
    return kinds[held[0]] if held else None


def _refuse_kind(kind: object) -> NoReturn:
    if isinstance(kind, str) and kind in _OUTDATED:
        raise UnusableManifest(_OUTDATED[kind])
    if isinstance(kind, str) and kind.startswith("application/vnd."):
        raise UnusableManifest(f"Its media type is {kind!r:.120}, which is neither an image manifest's nor an index's.")
    raise InvalidManifest(f"Media type {kind!r:.120} is neither an image manifest nor an index.")


def child_digests(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the digests that an index lists, each once.

    :param document: the index.
    :raises UnusableManifest: when it has no list, or one with an entry without a valid digest.
    """
    return tuple(dict.fromkeys(_digest_of(child, "child") for child in _list_of(document, "manifests")))


def read_referrers(document: dict[str, Any]) -> tuple[Referrer, ...]:
    """Return the entries of an index of referrers, each digest once.

    :param document: the index.
    :raises UnusableManifest: when it has no list, or one with an entry without a valid digest.
    """
    return tuple(dict.fromkeys(_read_referrer(entry) for entry in _list_of(document, "manifests")))


def _read_referrer(entry: Any) -> Referrer:
    digest = _digest_of(entry, "referrer")
    artifact_type = entry.get("artifactType")
    return Referrer(
        digest, artifact_type if isinstance(artifact_type, str) else "", read_annotations(entry.get("annotations"))
    )


def read_annotations(annotations: Any) -> dict[str, str]:
    """Return annotations; what is none is left out.

    :param annotations: what stands where annotations should.
    """
    pairs = annotations.items() if isinstance(annotations, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def _layer_digests(document: dict[str, Any]) -> tuple[str, ...]:
    kept = [layer for layer in _list_of(document, "layers") if not _is_foreign(layer)]
    return tuple(dict.fromkeys(_digest_of(layer, "layer") for layer in kept))


def _layers_elsewhere(document: dict[str, Any]) -> frozenset[str]:
    layers = [layer for layer in _list_of(document, "layers") if isinstance(layer, dict) and layer.get("urls")]
    return frozenset(str(layer.get("digest")) for layer in layers)


def _list_of(document: dict[str, Any], name: str) -> list[Any]:
    """Return a list that the specification's schema requires; Go writes null for an empty one."""
    entries = document.get(name)
    if name in document and entries is None:
        return []
    if not isinstance(entries, list):
        raise UnusableManifest(f"It has no list of {name}, which the specification asks for, if only an empty one.")
    return entries


def _is_foreign(layer: Any) -> bool:
    """Return whether a layer is fetched from elsewhere, and need not be in the registry."""
    media_type = layer.get("mediaType") if isinstance(layer, dict) else None
    return isinstance(media_type, str) and (".foreign." in media_type or ".nondistributable." in media_type)


def _digest_of(descriptor: Any, what: str) -> str:
    try:
        return check_digest(descriptor["digest"])
    except (KeyError, TypeError, InvalidReference) as error:
        raise UnusableManifest(
            f"It has a {what} without a valid digest ({error}). Push it again with sha256 digests."
        ) from error
