"""Contents for tests of the OCI distribution API: random blobs, and the manifests that hold them together."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
EXAMPLE = "application/vnd.example.config.v1+json"

Descriptor = dict[str, Any]


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@dataclass
class Contents:
    """What belongs together: blobs, manifests in the order in which they can be pushed, tags, and referrers."""

    algorithm: str = "sha256"
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    referrers: dict[str, list[Descriptor]] = field(default_factory=dict)

    def blob(self, content: bytes | None = None, media_type: str = LAYER, **extra: object) -> Descriptor:
        content = secrets.token_bytes(512) if content is None else content
        digest = digest_of(content, self.algorithm)
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content), **extra}

    def manifest(
        self,
        *,
        tag: str | None = None,
        config: Descriptor | None = None,
        layers: list[Descriptor] | None = None,
        **extra: object,
    ) -> Descriptor:
        config = config or self.blob(json.dumps({"architecture": secrets.token_hex(8)}).encode(), CONFIG)
        parts = {"config": config, "layers": [self.blob(), self.blob()] if layers is None else layers}
        return self._add({"schemaVersion": 2, "mediaType": MANIFEST, **parts, **extra}, tag)

    def index(self, children: list[Descriptor], *, tag: str | None = None, **extra: object) -> Descriptor:
        return self._add({"schemaVersion": 2, "mediaType": INDEX, "manifests": children, **extra}, tag)

    def artifact(self, *, tag: str | None = None, artifact_type: str = EXAMPLE, **extra: object) -> Descriptor:
        empty = self.blob(b"{}", EMPTY)
        return self.manifest(
            tag=tag, config=empty, layers=[self.blob(None, artifact_type)], artifactType=artifact_type, **extra
        )

    def _add(self, document: dict[str, Any], tag: str | None) -> Descriptor:
        content = json.dumps(document).encode()
        digest = digest_of(content, self.algorithm)
        self.manifests[digest] = content
        if tag:
            self.tags[tag] = digest
        described = {"mediaType": document["mediaType"], "digest": digest, "size": len(content)}
        if "subject" in document:
            kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
            entry = {**described, **({"artifactType": kind} if kind else {})}
            if "annotations" in document:
                entry["annotations"] = document["annotations"]
            self.referrers.setdefault(document["subject"]["digest"], []).append(entry)
        return described


def image() -> Contents:
    contents = Contents()
    contents.manifest(tag="image")
    return contents


def large_manifest() -> Contents:
    contents = Contents()
    contents.manifest(tag="large", annotations={f"large-annotation-{number}": "A" * 10_000 for number in range(390)})
    return contents


def index() -> Contents:
    contents = Contents()
    contents.index([contents.manifest(), contents.manifest()], tag="index")
    return contents


def nested_index() -> Contents:
    contents = Contents()
    inner = [contents.index([contents.manifest(), contents.manifest()]) for _ in range(2)]
    contents.index(inner, tag="index-of-index")
    return contents


def empty_index() -> Contents:
    contents = Contents()
    contents.index([], tag="empty-index")
    return contents


def artifact() -> Contents:
    contents = Contents()
    contents.artifact(tag="artifact")
    return contents


def artifact_without_layers() -> Contents:
    contents = Contents()
    empty = contents.blob(b"{}", EMPTY)
    contents.manifest(tag="artifact", config=empty, layers=[empty], artifactType=EXAMPLE)
    return contents


def artifact_index() -> Contents:
    contents = Contents()
    contents.index([contents.artifact(), contents.artifact()], tag="artifact-index", artifactType=EXAMPLE)
    return contents


def artifacts_with_subject() -> Contents:
    contents = Contents()
    subject = contents.manifest(tag="image")
    contents.manifest(subject=subject)
    for number in (1, 2):
        annotations = {"org.example.number": str(number)}
        kind = f"application/vnd.example.{number}"
        contents.artifact(tag=f"tagged-{number}", artifact_type=kind, annotations=annotations, subject=subject)
    contents.index([contents.artifact()], artifactType=EXAMPLE, subject=subject)
    contents.index([contents.manifest()], subject=subject)
    return contents


def missing_subject() -> Contents:
    contents = Contents()
    subject = {"mediaType": MANIFEST, "digest": digest_of(b"not there"), "size": 123}
    contents.artifact(tag="artifact", annotations={"a": "b"}, subject=subject)
    return contents


def data_field() -> Contents:
    contents = Contents()
    config = contents.blob(b"{}", EXAMPLE, data="e30=")
    contents.manifest(tag="data-field", config=config)
    return contents


def foreign_layers() -> Contents:
    contents = Contents()
    digest = digest_of(b"elsewhere")
    urls = [f"https://store.example.com/blobs/{digest}"]
    foreign = {"mediaType": FOREIGN_LAYER, "digest": digest, "size": 123456, "urls": urls}
    contents.manifest(tag="foreign", layers=[foreign, contents.blob()])
    return contents


def custom_fields() -> Contents:
    contents = Contents()
    config = contents.blob(b'{"org.example.custom": 1}', CONFIG)
    plain: dict[str, Any] = {"org.example.custom": "value"}
    nested: dict[str, Any] = {"org.example.custom": {"nested": [1, 2]}}
    contents.index([contents.manifest(config=config, **plain)], tag="custom", **nested)
    return contents


def no_layers() -> Contents:
    contents = Contents()
    contents.manifest(tag="no-layers", layers=[])
    return contents


def sha512() -> Contents:
    contents = Contents("sha512")
    contents.index([contents.manifest(), contents.manifest()])
    return contents


ALL = (
    image,
    large_manifest,
    index,
    nested_index,
    empty_index,
    artifact,
    artifact_without_layers,
    artifact_index,
    artifacts_with_subject,
    missing_subject,
    data_field,
    foreign_layers,
    custom_fields,
    no_layers,
    sha512,
)
