"""Image manifests and indexes: what they are and what they refer to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import is_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
LARGEST_MANIFEST = 4 * 1024 * 1024
_MEDIA_TYPE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}")
# As loose as a header can take it: layers' types come back in one.
_DESCRIBED_TYPE = re.compile(r"[\x20-\x7e]{0,255}")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of a content that it refers to; a layer with URLs may be there only."""

    media_type: str
    digest: str
    size: int
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed manifest or index, with the exact bytes that its digest is of."""

    content: bytes
    digest: str
    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None

    @property
    def is_index(self) -> bool:
        """Return whether this is an index, whose children are manifests."""
        return self.media_type in INDEX_TYPES

    @property
    def file_name(self) -> str:
        """The name under which Artifactory stores it in the folder of its tag."""
        return "list.manifest.json" if self.is_index else "manifest.json"

    @property
    def blobs(self) -> dict[str, Descriptor]:
        """The config and the layers, by digest."""
        parts = (*self.layers, self.config) if self.config else self.layers
        return {part.digest: part for part in parts}


def referrer(content: bytes, media_type: str, digest: str) -> dict[str, object]:
    """Describe a manifest for the list of those that refer to a subject (OCI distribution specification 1.1).

    :param content: the bytes of a manifest that has been accepted.
    :param media_type: of the manifest.
    :param digest: of the manifest.
    """
    document = json.loads(content)
    described: dict[str, object] = {"mediaType": media_type, "digest": digest, "size": len(content)}
    config = None if media_type in INDEX_TYPES else document.get("config")
    artifact_type = document.get("artifactType") or (config or {}).get("mediaType")
    if isinstance(artifact_type, str) and artifact_type:
        described["artifactType"] = artifact_type
    annotations = document.get("annotations")
    if isinstance(annotations, dict) and all(isinstance(value, str) for value in annotations.values()):
        described["annotations"] = annotations
    return described


def content_digest(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of some bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def parse_manifest(content: bytes, content_type: str, *, algorithm: str = "sha256") -> Manifest:
    """Read a manifest as it was pushed.

    :param content: the bytes.
    :param content_type: media type of the request; the manifest's own `mediaType` must agree with it.
    :param algorithm: of the digest that names it.
    :raises Refusal: MANIFEST_INVALID, with the reason.
    """
    try:
        document = json.loads(content.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"the manifest is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _invalid("the manifest is not a JSON object")
    media_type = _media_type(document, content_type)
    is_index, is_image = media_type in INDEX_TYPES, media_type in MANIFEST_TYPES
    foreign_fields = ("manifests",) if is_image else ("config", "layers") if is_index else ()
    if any(document.get(field) for field in foreign_fields):  # what it refers to would depend on who reads it
        raise _invalid("it is an image and an index at once")
    # Of a type that is not known here only what looks like a reference is one; its other fields may hold anything.
    config, subject = document.get("config"), document.get("subject")
    has_config = is_image or (config is not None and not is_index)
    return Manifest(
        content=content,
        digest=content_digest(content, algorithm),
        media_type=media_type,
        config=_descriptor(config, "config") if has_config else None,
        layers=() if is_index else _descriptors(document, "layers", is_required=is_image),
        manifests=() if is_image else _descriptors(document, "manifests", is_required=is_index),
        subject=None if subject is None else _descriptor(subject, "subject"),
    )


def _media_type(document: Mapping[str, object], content_type: str) -> str:
    declared = document.get("mediaType", "")
    if not isinstance(declared, str | None):
        raise _invalid("mediaType is not a text")
    sent = content_type.partition(";")[0].strip()
    if sent in {"", "application/json", "application/octet-stream"}:
        sent = ""
    if sent and declared and sent != declared:
        raise _invalid(f"Content-Type is {sent[:300]}, but the manifest's mediaType is {declared[:300]}")
    media_type = sent or declared or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)
    if document.get("schemaVersion", 2 if sent else None) != 2 or not _MEDIA_TYPE.fullmatch(media_type):
        raise _invalid(f"schemaVersion 2 and a media type are expected, not {media_type[:300]!r}")
    return media_type


def _descriptors(document: Mapping[str, object], field: str, *, is_required: bool) -> tuple[Descriptor, ...]:
    entries = document.get(field) if is_required else document.get(field, [])
    if not isinstance(entries, list):
        raise _invalid(f"{field} is not a list")
    return tuple(_descriptor(entry, f"{field}[{number}]") for number, entry in enumerate(entries))


def _descriptor(value: object, place: str) -> Descriptor:
    if not isinstance(value, dict):
        raise _invalid(f"{place} is not a descriptor")
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType", "")
    if not isinstance(digest, str) or not is_digest(digest):
        raise _invalid(f"{place} has no valid digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _invalid(f"{place} has no valid size")
    if not isinstance(media_type, str) or not _DESCRIBED_TYPE.fullmatch(media_type):
        raise _invalid(f"{place} has no valid mediaType")
    return Descriptor(media_type, digest, size, place.startswith("layers") and bool(value.get("urls")))


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON knows no {constant}")


def _invalid(reason: str) -> Refusal:
    return Refusal(400, f"manifest invalid: {reason}", code="MANIFEST_INVALID")
