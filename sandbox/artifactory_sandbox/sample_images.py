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
# Media types of a manifest, a config and a layer.
_OCI = (
    manifests.OCI_MANIFEST,
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
)
_DOCKER = (
    manifests.DOCKER_MANIFEST,
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)


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
    images = [_single(content, platform, oci) for platform in platforms]
    if len(images) == 1:
        return images[0]
    children = tuple(image.top for image in images)
    entries = [
        _descriptor(child.media_type, child.content) | {"platform": _platform(platform)}
        for child, platform in zip(children, platforms, strict=True)
    ]
    top = _manifest(manifests.OCI_INDEX if oci else manifests.DOCKER_LIST, manifests=entries)
    return SampleImage(tuple(blob for image in images for blob in image.blobs), children, top)


def _single(content: str, platform: str, oci: bool) -> SampleImage:
    base, base_layer = _layer("etc/os-release", f"ID=sandbox\nPLATFORM={platform}\n")
    own, own_layer = _layer("app/content.txt", f"{content}\n{platform}\n")
    settings = {
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
        "Entrypoint": ["/app/run"],
        "WorkingDir": "/app",
        "Labels": {"org.opencontainers.image.revision": hashlib.sha256(content.encode()).hexdigest()[:40]},
    }
    config = _json(
        **_platform(platform),
        created=_CREATED,
        config=settings,
        rootfs={"type": "layers", "diff_ids": [content_digest(base), content_digest(own)]},
        history=[{"created": _CREATED, "created_by": step} for step in ("ADD base", "COPY app")],
    )
    media_type, config_type, layer_type = _OCI if oci else _DOCKER
    layers = [_descriptor(layer_type, layer) for layer in (base_layer, own_layer)]
    top = _manifest(media_type, config=_descriptor(config_type, config), layers=layers)
    return SampleImage((config, base_layer, own_layer), (), top)


@functools.lru_cache(maxsize=32)  # the base layer is the same in all images of a platform
def _layer(name: str, text: str) -> tuple[bytes, bytes]:
    """Return a layer that holds one file, as it is and compressed."""
    member, content, buffer = tarfile.TarInfo(name), text.encode(), io.BytesIO()
    member.size = len(content)
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue(), gzip.compress(buffer.getvalue(), mtime=0)


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": content_digest(content), "size": len(content)}


def _platform(platform: str) -> dict[str, str]:
    system, _, architecture = platform.partition("/")
    return {"architecture": architecture, "os": system}


def _manifest(media_type: str, **parts: object) -> Manifest:
    return parse_manifest(_json(schemaVersion=2, mediaType=media_type, **parts), media_type)


def _json(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
