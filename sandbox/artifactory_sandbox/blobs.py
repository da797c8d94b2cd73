"""Bytes on disk: finished contents by digest, and uploads that are still growing."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_sandbox import private_files
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.manifests import LARGEST_MANIFEST, content_digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_STEP = 1024 * 1024
# Uploads whose hash is carried along; what an older one has come to is read again when it goes on.
_MOST_KNOWN = 1000


class BlobStore:
    """Contents by digest; a file appears under its name only when it is complete.

    :param root: the directory that holds them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        private_files.make_folder(root)

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
            partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            private_files.make_folder(partial.parent)
            try:
                private_files.make_file(partial)
                partial.write_bytes(content)
                self.adopt(partial, digest)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
        return digest

    def adopt(self, file: Path, digest: str) -> None:
        """Take over a finished file whose digest has been checked."""
        path = self.path(digest)
        private_files.make_folder(path.parent)
        file.replace(path)


@dataclass(slots=True)
class Upload:
    """An upload in progress: its file's length is how far it has come.

    The hash is carried along while the bytes pass; after a restart it is taken from the file again.
    """

    file: Path
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _hashed: int = 0

    @property
    def is_locked(self) -> bool:
        """Return whether a request is writing it."""
        return self._lock.locked()

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self.file.stat().st_size

    async def append(self, stream: AsyncIterator[bytes], *, start: int | None = None) -> None:
        """Add the bytes of a stream as they come.

        :param start: where the sender believes that they begin.
        :raises Refusal: when the upload stands elsewhere, or another request is writing it.
        :raises OSError: when the bytes cannot be stored; the upload is gone then.
        """
        async with self.lock():
            length = self.size
            if start not in {None, length}:
                reached = {"Range": f"0-{max(length - 1, 0)}"}
                message = f"the upload stands at {length}, the chunk starts at {start}"
                raise Refusal(416, message, code="BLOB_UPLOAD_INVALID", headers=reached)
            try:
                with self.file.open("ab", buffering=0) as file:
                    async for chunk in _in_steps(stream):
                        await asyncio.to_thread(self._write, file.fileno(), chunk, length)
                        length += len(chunk)
            except OSError:  # such as a full disk: what has come so far must not keep it full
                self.file.unlink(missing_ok=True)
                raise

    def digest(self, algorithm: str) -> str:
        """Return the digest of what has arrived."""
        if algorithm == "sha256" and self._hashed == self.size:
            return f"sha256:{self._hash.hexdigest()}"
        with self.file.open("rb") as file:
            return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Keep all other requests off: bytes that come after the digest was checked would be in the blob."""
        if self._lock.locked():
            raise Refusal(409, "another request is writing this upload", code="BLOB_UPLOAD_INVALID")
        async with self._lock:
            yield

    def _write(self, descriptor: int, chunk: bytes, offset: int) -> None:
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]
        if self._hashed == offset:
            self._hash.update(chunk)
            self._hashed += len(chunk)


class Uploads:
    """All uploads in progress, each a file named by whose it is and a number of its own.

    :param root: the directory that holds them; on the same file system as the blobs.
    :param blobs: where finished uploads go.
    """

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root
        self._blobs = blobs
        self._known: dict[str, Upload] = {}
        private_files.make_folder(root)

    def files(self) -> list[Path]:
        """Return the files of all uploads."""
        return list(self._root.iterdir())

    def start(self, owner: str) -> Upload:
        """Begin an upload.

        :param owner: repository and image; the upload can be continued there only.
        """
        identifier = f"{_prefix(owner)}{uuid.uuid4()}"
        private_files.make_file(self._root / identifier)
        return self.find(identifier, owner)

    def find(self, identifier: str, owner: str) -> Upload:
        """Return an upload that was started, be it before a restart.

        :raises Refusal: BLOB_UPLOAD_UNKNOWN.
        """
        file, prefix = self._root / identifier, _prefix(owner)
        is_one = identifier.startswith(prefix) and len(identifier) == len(prefix) + 36 and "/" not in identifier
        if not is_one or not file.exists():
            raise _unknown()
        upload = self._known.pop(identifier, None) or Upload(file)
        self._known[identifier] = upload
        if len(self._known) > _MOST_KNOWN:
            self._forget_one()
        return upload

    async def finish(self, upload: Upload, digest: str) -> int:
        """Check the digest and make the upload a blob; return its size.

        :raises Refusal: DIGEST_INVALID when the bytes have another digest; the upload is gone then.
        """
        async with upload.lock():
            try:
                size = upload.size
                if await asyncio.to_thread(upload.digest, digest.partition(":")[0]) == digest:
                    await asyncio.to_thread(self._blobs.adopt, upload.file, digest)
                    return size
            except FileNotFoundError:  # it was cancelled meanwhile
                raise _unknown() from None
            finally:
                self.cancel(upload)
        message = "provided digest did not match uploaded content"
        raise Refusal(400, message, code="DIGEST_INVALID", detail={"digest": digest})

    def _forget_one(self) -> None:
        """Forget the upload that was asked for longest ago and that no request is writing."""
        for identifier, upload in self._known.items():
            if not upload.is_locked:
                del self._known[identifier]
                return

    def cancel(self, upload: Upload) -> None:
        """Give an upload up."""
        self._known.pop(upload.file.name, None)
        upload.file.unlink(missing_ok=True)


def _prefix(owner: str) -> str:
    return f"{hashlib.sha256(owner.encode()).hexdigest()[:16]}-"


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
