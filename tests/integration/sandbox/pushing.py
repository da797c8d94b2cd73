"""Small contents, and how they are pushed to one image."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

IMAGE = "/api/docker/docker-dev/v2/payments/api"
UPLOADS = f"{IMAGE}/blobs/uploads/"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
CONTENT = bytes(range(256)) * 40


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def code(response: httpx.Response) -> tuple[int, str]:
    [error] = response.json()["errors"]
    assert set(error) == {"code", "message", "detail"}
    return response.status_code, error["code"]


def push_blob(client: httpx.Client, content: bytes, image: str = IMAGE) -> str:
    digest = digest_of(content)
    assert client.post(f"{image}/blobs/uploads/", params={"digest": digest}, content=content).status_code == 201
    return digest


def descriptor(content: bytes, media_type: str = "application/octet-stream") -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def manifest_of(config: bytes, *layers: bytes) -> bytes:
    parts = {"config": descriptor(config), "layers": [descriptor(layer) for layer in layers]}
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **parts}).encode()


def push_manifest(
    client: httpx.Client, content: bytes, reference: str, media_type: str = OCI_MANIFEST
) -> httpx.Response:
    return client.put(f"{IMAGE}/manifests/{reference}", content=content, headers={"Content-Type": media_type})
