"""Small, complete images made from a text: the same text gives the same bytes, wherever and whenever."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_sandbox import manifests
from artifactory_sandbox.manifests import Manifest, content_digest, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS = ("linux/amd64", "linux/arm64")
_CREATED = "2023-08-22T00:00:00Z"


@dataclass(frozen=True, slots=True)
class SampleImage:
    """An image ready to be stored.

    :param blobs: configs and layers.
    :param children: the manifests of an index, in its order.
    :param top: the manifest or index that a tag names.
    """

    blobs: tuple[bytes, ...]
    children: tuple[Manifest, ...]
    top: Manifest


def make_image(content: str, *, platforms: Sequence[str] = PLATFORMS[:1], oci: bool = True) -> SampleImage:
    """Make an image.

    :param content: any text; a file in the image holds it, so other texts make other digests.
    :param platforms: such as `linux/amd64`; more than one makes an index.
    :param oci: OCI media types, or Docker's.
    """
    blobs: list[bytes] = []
    children: list[Manifest] = []
    for platform in platforms:
        parts, manifest = _single(content, platform, oci)
        blobs += parts
        children.append(manifest)
    if len(children) == 1:
        return SampleImage(tuple(blobs), (), children[0])
    media_type = manifests.OCI_INDEX if oci else manifests.DOCKER_LIST
    entries = [
        {**_descriptor(child.media_type, child.content), "platform": _platform(platform)}
        for child, platform in zip(children, platforms, strict=True)
    ]
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    return SampleImage(tuple(blobs), tuple(children), parse_manifest(_json(index), media_type))


def _single(content: str, platform: str, oci: bool) -> tuple[list[bytes], Manifest]:
    base, base_layer = _base(platform)
    own = _tar({"app/content.txt": f"{content}\n{platform}\n"})
    layers = [base_layer, gzip.compress(own, mtime=0)]
    config = _json(
        {
            **_platform(platform),
            "created": _CREATED,
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
                "Entrypoint": ["/app/run"],
                "WorkingDir": "/app",
                "Labels": {"org.opencontainers.image.revision": hashlib.sha256(content.encode()).hexdigest()[:40]},
            },
            "rootfs": {"type": "layers", "diff_ids": [content_digest(base), content_digest(own)]},
            "history": [
                {"created": _CREATED, "created_by": "ADD base"},
                {"created": _CREATED, "created_by": "COPY app"},
            ],
        }
    )
    media_type = manifests.OCI_MANIFEST if oci else manifests.DOCKER_MANIFEST
    config_type = "application/vnd.oci.image.config.v1+json"
    layer_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    if not oci:
        config_type = "application/vnd.docker.container.image.v1+json"
        layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(config_type, config),
        "layers": [_descriptor(layer_type, layer) for layer in layers],
    }
    return [config, *layers], parse_manifest(_json(manifest), media_type)


@functools.cache
def _base(platform: str) -> tuple[bytes, bytes]:
    base = _tar({"etc/os-release": f"ID=sandbox\nPLATFORM={platform}\n"})
    return base, gzip.compress(base, mtime=0)


def _tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": content_digest(content), "size": len(content)}


def _platform(platform: str) -> dict[str, str]:
    system, _, architecture = platform.partition("/")
    return {"architecture": architecture, "os": system}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
