"""Signing images as cosign and OCI 1.1 clients do, over the registry API."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_sandbox.pytest_plugin import RunningSandbox

EMPTY = b"{}"


@dataclass(frozen=True)
class Document:
    """What stands in one layer.

    :param size: what its descriptor says of its size, when not the truth.
    """

    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None


class Pusher:
    """Pushes manifests to one image.

    :param image: `repository/image`.
    """

    def __init__(self, sandbox: RunningSandbox, image: str) -> None:
        repository, _, self._image = image.partition("/")
        self._http = httpx.Client(
            base_url=f"{sandbox.url}/api/docker/{repository}/v2/{self._image}/",
            auth=(sandbox.username, sandbox.password),
            verify=False,  # noqa: S501 - there is no TLS; reading all authorities' certificates costs 20 ms
            trust_env=False,
        )

    def sign(self, digest: str, *texts: str, suffix: str = ".sig") -> str:
        """Put a cosign signature, attestation or SBOM under its tag; return its digest."""
        return self._push(self._manifest(texts), OCI_MANIFEST, tag=cosign_tag(digest, suffix))

    def refer(self, digest: str, *texts: str) -> str:
        """Push an OCI 1.1 referrer, which no tag leads to; return its digest."""
        subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 2}
        return self._push(self._manifest(texts) | {"subject": subject}, OCI_MANIFEST)

    def attach(
        self,
        digest: str,
        *documents: Document,
        suffix: str = "",
        artifact_type: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """Put documents under a tag that belongs to a digest, or with an artifact type, into a referrer of it."""
        manifest = self._manifest(()) | {"layers": [self._layer(document) for document in documents]}
        if annotations:
            manifest["annotations"] = annotations
        if not artifact_type:
            return self._push(manifest, OCI_MANIFEST, tag=cosign_tag(digest, suffix))
        subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 2}
        return self._push(manifest | {"artifactType": artifact_type, "subject": subject}, OCI_MANIFEST)

    def list_referrers(self, digest: str, *referrers: str, artifact_type: str = "", suffix: str = "") -> str:
        """Put the index of referrers under the fallback tag `sha256-<hex>`; return its digest."""
        entries = [{"mediaType": OCI_MANIFEST, "digest": one, "size": self._size(one)} for one in referrers]
        entries = [entry | ({"artifactType": artifact_type} if artifact_type else {}) for entry in entries]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return self._push(index, OCI_INDEX, tag=cosign_tag(digest, suffix))

    def blobs(self, digest: str) -> list[str]:
        """Return the blobs that a manifest refers to."""
        document = self._http.get(f"manifests/{digest}").raise_for_status().json()
        return [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]

    def children(self, digest: str) -> list[str]:
        """Return the children of an index."""
        document = self._http.get(f"manifests/{digest}", headers={"Accept": OCI_INDEX}).raise_for_status().json()
        return [child["digest"] for child in document.get("manifests", [])]

    def answers(self, digest: str) -> bool:
        """Tell whether a manifest answers with all its children and blobs."""
        found = self._http.get(f"manifests/{digest}", headers={"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}"})
        if found.status_code != 200 or _digest(found.content) != digest:
            return False
        document = found.json()
        if "manifests" in document:
            return all(self.answers(child["digest"]) for child in document["manifests"])
        return all(self.has_blob(part["digest"]) for part in (document["config"], *document["layers"]))

    def has_blob(self, digest: str) -> bool:
        return self._http.head(f"blobs/{digest}").status_code == 200

    def _manifest(self, texts: tuple[str, ...]) -> dict[str, Any]:
        return {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._blob(EMPTY),
            "layers": [self._blob(text.encode()) for text in texts],
        }

    def _layer(self, document: Document) -> dict[str, Any]:
        described = self._blob(document.content) | {"mediaType": document.media_type}
        described |= {"annotations": document.annotations} if document.annotations else {}
        return described | ({} if document.size is None else {"size": document.size})

    def _blob(self, content: bytes) -> dict[str, Any]:
        digest = _digest(content)
        self._http.post("blobs/uploads/", params={"digest": digest}, content=content).raise_for_status()
        return {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest, "size": len(content)}

    def _push(self, document: dict[str, Any], media_type: str, *, tag: str | None = None) -> str:
        content = json.dumps(document).encode()
        path = f"manifests/{tag or _digest(content)}"
        self._http.put(path, content=content, headers={"Content-Type": media_type}).raise_for_status()
        return _digest(content)

    def _size(self, digest: str) -> int:
        return len(self._http.get(f"manifests/{digest}").raise_for_status().content)


def cosign_tag(digest: str, suffix: str) -> str:
    """Return the tag under which cosign keeps what belongs to a digest."""
    return f"{digest.replace(':', '-')}{suffix}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
