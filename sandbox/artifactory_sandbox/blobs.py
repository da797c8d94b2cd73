"""Bytes on disk: finished contents by digest, and uploads that are still growing."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.manifests import LARGEST_MANIFEST, content_digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_STEP = 1024 * 1024


class BlobStore:
    """Contents by digest; a file appears under its name only when it is complete.

    :param root: the directory that holds them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Return where a content is, or would be."""
        algorithm, _, value = digest.partition(":")
        return self._root / algorithm / value[:2] / value

    def files(self) -> Iterator[tuple[str, Path]]:
        """Return all files with the digests that they are named by; what a break-off has left included."""
        for file in self._root.glob("*/*/*"):
            yield f"{file.parts[-3]}:{file.name}", file

    def read(self, digest: str) -> bytes:
        """Return a content; whole if it is no larger than manifests may be."""
        with self.path(digest).open("rb") as file:
            return file.read(LARGEST_MANIFEST)

    def add(self, content: bytes, *, algorithm: str = "sha256") -> str:
        """Store some bytes and return their digest."""
        digest = content_digest(content, algorithm)
        path = self.path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            try:
                partial.write_bytes(content)
                partial.replace(path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
        return digest

    def adopt(self, file: Path, digest: str) -> None:
        """Take over a finished file whose digest has been checked."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.replace(path)


@dataclass(slots=True)
class _Growing:
    """What the process knows of an upload beyond its file."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    hashed: int = 0


class Uploads:
    """Uploads in progress: one file each, whose length is how far the upload has come.

    The hash is carried along while the bytes pass; after a restart it is taken from the file again.

    :param root: the directory that holds them; on the same file system as the blobs.
    :param blobs: where finished uploads go.
    """

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root
        self._blobs = blobs
        self._growing: dict[str, _Growing] = {}
        root.mkdir(parents=True, exist_ok=True)

    def files(self) -> list[Path]:
        """Return the files of all uploads."""
        return list(self._root.iterdir())

    def start(self, owner: str) -> str:
        """Begin an upload and return its identifier.

        :param owner: repository and image; the upload can be continued there only.
        """
        identifier = f"{hashlib.sha256(owner.encode()).hexdigest()[:16]}-{uuid.uuid4()}"
        self._file(identifier).touch()
        return identifier

    def size(self, identifier: str, owner: str) -> int:
        """Return how many bytes have arrived.

        :raises Refusal: BLOB_UPLOAD_UNKNOWN.
        """
        prefix = hashlib.sha256(owner.encode()).hexdigest()[:16]
        if identifier.startswith(f"{prefix}-") and len(identifier) == len(prefix) + 37 and "/" not in identifier:
            try:
                return self._file(identifier).stat().st_size
            except FileNotFoundError:
                pass
        raise _unknown()

    async def append(
        self, identifier: str, owner: str, stream: AsyncIterator[bytes], *, start: int | None = None
    ) -> int:
        """Add the bytes of a stream as they come and return the new length.

        :param start: where the sender believes that they begin.
        :raises Refusal: when the upload is unknown, stands elsewhere, or is being written by another request.
        :raises OSError: when the bytes cannot be stored; the upload is gone then.
        """
        async with self._alone(identifier, owner) as growing:
            length = self.size(identifier, owner)
            if start is not None and start != length:
                reached = {"Range": f"0-{max(length - 1, 0)}"}
                message = f"the upload stands at {length}, the chunk starts at {start}"
                raise Refusal(416, message, code="BLOB_UPLOAD_INVALID", headers=reached)
            try:
                with self._file(identifier).open("ab", buffering=0) as file:
                    async for chunk in _in_steps(stream):
                        await asyncio.to_thread(_write, file.fileno(), chunk, growing, length)
                        length += len(chunk)
            except OSError:  # such as a full disk: what has come so far must not keep it full
                self.cancel(identifier, owner)
                raise
            return length

    async def finish(self, identifier: str, owner: str, digest: str) -> int:
        """Check the digest and make the upload a blob; return its size.

        :raises Refusal: DIGEST_INVALID when the bytes have another digest; the upload is gone then.
        """
        async with self._alone(identifier, owner) as growing:
            size, file = self.size(identifier, owner), self._file(identifier)
            algorithm, _, expected = digest.partition(":")
            try:
                if algorithm == "sha256" and growing.hashed == size:
                    found = growing.hash.hexdigest()
                else:
                    found = await asyncio.to_thread(_hash_file, file, algorithm)
                if found == expected:
                    await asyncio.to_thread(self._blobs.adopt, file, digest)
            except FileNotFoundError:  # it was cancelled meanwhile
                raise _unknown() from None
            if found != expected:
                self.cancel(identifier, owner)
                message = "provided digest did not match uploaded content"
                raise Refusal(400, message, code="DIGEST_INVALID", detail={"digest": digest})
            self._growing.pop(identifier, None)
            return size

    def cancel(self, identifier: str, owner: str) -> None:
        """Give an upload up."""
        self.size(identifier, owner)
        self._growing.pop(identifier, None)
        self._file(identifier).unlink(missing_ok=True)

    @asynccontextmanager
    async def _alone(self, identifier: str, owner: str) -> AsyncIterator[_Growing]:
        """Keep all other requests off an upload: bytes that come after its digest was checked would be in the blob."""
        self.size(identifier, owner)
        growing = self._growing.setdefault(identifier, _Growing())
        if growing.lock.locked():
            raise Refusal(409, "another request is writing this upload", code="BLOB_UPLOAD_INVALID")
        async with growing.lock:
            yield growing

    def _file(self, identifier: str) -> Path:
        return self._root / identifier


def _unknown() -> Refusal:
    return Refusal(404, "blob upload unknown to registry", code="BLOB_UPLOAD_UNKNOWN")


async def _in_steps(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Gather small chunks, so that each trip to a thread is worth it."""
    gathered = bytearray()
    async for chunk in stream:
        gathered += chunk
        if len(gathered) >= _STEP:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _write(descriptor: int, chunk: bytes, growing: _Growing, offset: int) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
    if growing.hashed == offset:
        growing.hash.update(chunk)
        growing.hashed += len(chunk)


def _hash_file(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
