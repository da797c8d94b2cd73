"""Looking after a data directory: checking it, freeing what nothing needs, and taking images out of it."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import shutil
from typing import TYPE_CHECKING

from artifactory_sandbox import items, layout
from artifactory_sandbox.names import Place, blob_name, is_digest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from artifactory_sandbox.items import Item
    from artifactory_sandbox.service import Service


def check(service: Service) -> Iterator[str]:
    """Find what is broken: contents that are missing or altered, manifests whose parts are not in their image.

    A server may be running on the same directory: it is looked at as it is at the start.

    :param service: the open data directory.
    :returns: one line for each problem.
    """
    with service.database.reading() as tx:
        for digest, size in tx.execute("SELECT DISTINCT digest, size FROM items WHERE kind <> 'folder'"):
            problem = _content_problem(service, digest, size)
            if problem:
                yield f"{digest}: {problem}"
        for item in items.select(tx, "kind = 'manifest'", ()):
            place = Place(item.repository, item.image)
            for role, child in _parts(tx, item):
                find = layout.find_manifest if role == "manifest" else layout.find_blob
                beside = f"{item.path}/{blob_name(child)}"
                is_there = find(tx, place, child) and (role != "blob" or items.find(tx, item.repository, beside))
                if not is_there:
                    yield f"{item.repository}:{item.full_path}: the {role} {child} is missing"


def collect_garbage(service: Service) -> tuple[int, int]:
    """Remove contents that no item of any repository needs, and uploads that were never finished.

    :param service: the open data directory; no server may be running on it.
    :returns: the number of files removed, and their size in bytes.
    """
    with service.database.writing() as tx:
        tx.execute("DELETE FROM items WHERE path LIKE '%/\\_uploads' ESCAPE '\\' AND kind = 'file'")
        tx.execute("DELETE FROM items WHERE name = '_uploads' AND kind = 'folder'")
        needed = {digest for (digest,) in tx.execute("SELECT DISTINCT digest FROM items WHERE kind <> 'folder'")}
    doomed = [*service.uploads.files(), *(file for digest, file in service.blobs.files() if digest not in needed)]
    size = sum(file.stat().st_size for file in doomed)
    for file in doomed:
        file.unlink()
    return len(doomed), size


def export(service: Service, target: Path, repository: str, images: Sequence[str] = ()) -> int:
    """Write images as an OCI image layout, which skopeo and others read as `oci:<directory>:<image>:<tag>`.

    :param service: the open data directory; a server may be running on it.
    :param target: the directory; made if it does not exist.
    :param repository: key of a Docker repository.
    :param images: patterns with `*` and `?`; none means all images.
    :returns: the number of tags written.
    """
    entries = []
    with service.database.reading() as tx:
        for item in items.select(tx, "repository = ? AND kind = 'manifest' ORDER BY path, name", (repository,)):
            if images and not any(fnmatch.fnmatchcase(item.image, pattern) for pattern in images):
                continue
            for digest in (item.digest, *(child for role, child in _parts(tx, item) if role == "blob")):
                _copy(service, target, digest)
            entry: dict[str, object] = {"mediaType": item.media_type, "digest": item.digest, "size": item.size}
            if not is_digest(item.folder):
                entry["annotations"] = {"org.opencontainers.image.ref.name": f"{item.image}:{item.folder}"}
            entries.append(entry)
    target.mkdir(parents=True, exist_ok=True)
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}, indent=2))
    return sum("annotations" in entry for entry in entries)


def _parts(tx: sqlite3.Connection, item: Item) -> list[tuple[str, str]]:
    query = "SELECT role, child FROM links WHERE parent = ? AND role <> 'subject' ORDER BY role, child"
    return tx.execute(query, (item.digest,)).fetchall()


def _content_problem(service: Service, digest: str, size: int) -> str:
    algorithm, _, value = digest.partition(":")
    try:
        with service.blobs.path(digest).open("rb") as file:
            if hashlib.file_digest(file, algorithm).hexdigest() != value:
                return "the content has been altered"
            return "" if file.tell() == size else f"the content has {file.tell()} bytes, an item says {size}"
    except FileNotFoundError:
        return "the content is missing"


def _copy(service: Service, target: Path, digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    file = target / "blobs" / algorithm / value
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(service.blobs.path(digest), file)
