"""The checksums of contents beside their digests, worked out when they are first asked for."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifactory_sandbox.blobs import BlobStore
    from artifactory_sandbox.service import Service


async def checksums(service: Service, digest: str) -> dict[str, str]:
    """Return the SHA-1, MD5 and SHA-256 of a content."""
    select = "SELECT sha1, md5, sha256 FROM checksums WHERE digest = ?"
    known = await service.database.read(lambda tx: tx.execute(select, (digest,)).fetchone())
    if known is None:
        known = await asyncio.to_thread(_hash, service.blobs, digest)
        insert = "INSERT OR IGNORE INTO checksums VALUES (?, ?, ?, ?)"
        await service.database.write(lambda tx: tx.execute(insert, (digest, *known)))
    return dict(zip(("sha1", "md5", "sha256"), known, strict=True))


def _hash(blobs: BlobStore, digest: str) -> tuple[str, ...]:
    found = [hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False), hashlib.sha256()]
    with blobs.path(digest).open("rb") as file:
        while chunk := file.read(1024 * 1024):
            for one in found:
                one.update(chunk)
    return tuple(one.hexdigest() for one in found)
