"""How Docker images lie in a repository: the folders of tags and digests, and what keeps them whole.

A tag is a folder `<image>/<tag>/` with `manifest.json` or `list.manifest.json`, and beside it the config and the
layers as `sha256__<hex>`. What was pushed by digest, such as the children of an index, stands in
`<image>/sha256:<hex>/`. Blobs that no manifest claims yet stand in `<image>/_uploads/`.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_sandbox import items
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.manifests import Descriptor
from artifactory_sandbox.names import UPLOADS_FOLDER, Place, blob_name, is_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from artifactory_sandbox.blobs import BlobStore
    from artifactory_sandbox.items import Item, Stamp
    from artifactory_sandbox.manifests import Manifest

_COPY_FILES = """
INSERT INTO items (repository, path, image, name, kind, digest, size, media_type,
    created, created_by, modified, modified_by, updated)
SELECT ?, ?, ?, name, kind, digest, size, media_type, created, created_by, modified, modified_by, ?
FROM items WHERE repository = ? AND path = ? AND image = ?
"""
_COPY_FILE_PROPERTIES = """
INSERT INTO properties (item, key, value)
SELECT copy.id, key, value
FROM items AS original
JOIN properties ON item = original.id
JOIN items AS copy ON copy.repository = ? AND copy.path = ? AND copy.name = original.name
WHERE original.repository = ? AND original.path = ? AND original.image = ?
    AND NOT (original.kind = 'manifest' AND key IN ('docker.manifest', 'docker.repoName'))
"""
_NAME_PLACE = """
INSERT INTO properties (item, key, value)
SELECT id, ?, ? FROM items WHERE repository = ? AND path = ? AND image = ? AND kind = 'manifest'
"""


def find_manifests(tx: sqlite3.Connection, place: Place, reference: str) -> list[Item]:
    """Return what stands under a tag or digest: the index first where a tag holds an index and a manifest."""
    if is_digest(reference):
        condition = "repository = ? AND image = ? AND digest = ? AND kind = 'manifest' LIMIT 1"
        return items.select(tx, condition, (place.repository, place.image, reference))
    condition = "repository = ? AND path = ? AND image = ? AND kind = 'manifest' ORDER BY name LIMIT 2"
    return items.select(tx, condition, (place.repository, place.path(reference), place.image))


def find_manifest(tx: sqlite3.Connection, place: Place, reference: str) -> Item | None:
    """Return the manifest or index under a tag or digest; where a tag holds both, the index."""
    return next(iter(find_manifests(tx, place, reference)), None)


def find_blob(tx: sqlite3.Connection, place: Place, digest: str) -> Item | None:
    """Return one of the items under which an image holds a blob."""
    condition = "repository = ? AND image = ? AND digest = ? LIMIT 1"
    return next(iter(items.select(tx, condition, (place.repository, place.image, digest))), None)


def holders(tx: sqlite3.Connection, digest: str) -> list[Place]:
    """Return the images that hold a blob."""
    query = "SELECT DISTINCT repository, image FROM items WHERE digest = ? AND kind = 'file'"
    return [Place(*row) for row in tx.execute(query, (digest,))]


def referrers(tx: sqlite3.Connection, place: Place, subject: str) -> list[Item]:
    """Return the manifests of an image whose subject is a digest, each once, in the order in which they came."""
    query = (
        "id IN (SELECT min(items.id) FROM links JOIN items ON items.digest = links.parent WHERE links.child = ? AND "
        "links.role = 'subject' AND items.repository = ? AND items.image = ? AND items.kind = 'manifest' "
        "GROUP BY items.digest) ORDER BY id"
    )
    return items.select(tx, query, (subject, place.repository, place.image))


def tags(tx: sqlite3.Connection, place: Place) -> list[str]:
    """Return the tags of an image in the order of their bytes."""
    rows = tx.execute(
        "SELECT DISTINCT path FROM items WHERE repository = ? AND image = ? AND kind = 'manifest' ORDER BY path",
        (place.repository, place.image),
    )
    names = (path[len(place.image) + 1 :] for (path,) in rows)
    return [name for name in names if not is_digest(name)]


def images(tx: sqlite3.Connection, repository: str) -> list[str]:
    """Return the images of a repository that hold at least one manifest."""
    rows = tx.execute(
        "SELECT DISTINCT image FROM items WHERE repository = ? AND kind = 'manifest' ORDER BY image", (repository,)
    )
    return [image for (image,) in rows]


def add_blob(tx: sqlite3.Connection, place: Place, digest: str, size: int, stamp: Stamp) -> None:
    """Make an uploaded or mounted blob known to an image, until a manifest claims it."""
    if find_blob(tx, place, digest) is None:
        part = Descriptor("application/octet-stream", digest, size)
        items.add_file(tx, place, UPLOADS_FOLDER, blob_name(digest), part, stamp=stamp)


def put_manifest(
    tx: sqlite3.Connection,
    place: Place,
    reference: str,
    manifest: Manifest,
    *,
    blobs: BlobStore,
    stamp: Stamp,
    keep_list: bool = False,
) -> None:
    """Store a manifest under a tag or its digest, with all that it refers to beside it.

    The same content again changes nothing; another one makes a new artifact, without the old one's properties.

    :param keep_list: leave an index that stands there beside a manifest that is none.
    :raises Refusal: MANIFEST_BLOB_UNKNOWN when something that it refers to is not in the image.
    """
    parts = _require_contents(tx, place, manifest)
    existing = [item for item in folder_items(tx, place, reference) if item.kind == "manifest"]
    if manifest.digest in {item.digest for item in existing}:
        return
    _record_links(tx, manifest)
    if existing and not (keep_list and existing[0].name != manifest.file_name and not manifest.is_index):
        clear(tx, place, reference, stamp=stamp, successors=[manifest.digest], keep_blobs=True)
    top = Descriptor(manifest.media_type, manifest.digest, len(manifest.content))
    identity = items.add_file(tx, place, reference, manifest.file_name, top, stamp=stamp, kind="manifest")
    items.set_properties(tx, identity, _manifest_properties(place, reference, manifest, blobs))
    for part in parts:
        items.add_file(tx, place, reference, blob_name(part.digest), part, stamp=stamp)
    _forget_uploads(tx, place, manifest)


def copy_folder(
    tx: sqlite3.Connection, source: Place, folder: str, target: Place, target_folder: str, *, stamp: Stamp
) -> None:
    """Copy a tag's or digest's folder with all properties; the Docker properties name the new place.

    Creation and modification travel along, as they describe the content; `updated` says when it came here.
    """
    origin = (source.repository, source.path(folder), source.image)
    copies = (target.repository, target.path(target_folder), target.image)
    items.ensure_folder(tx, *copies[:2], stamp)
    try:
        tx.execute(_COPY_FILES, (*copies, stamp.time, *origin))
    except sqlite3.IntegrityError:
        raise Refusal(409, f"Something stands in '{copies[0]}:{copies[1]}' where a file is to be put.") from None
    tx.execute(_COPY_FILE_PROPERTIES, (*copies[:2], *origin))
    names = (("docker.manifest", target_folder), ("docker.repoName", target.image))
    tx.executemany(_NAME_PLACE, [(*name, *copies) for name in names])
    original, copy = items.find(tx, *origin[:2]), items.find(tx, *copies[:2])
    if original is not None and copy is not None:
        items.copy_properties(tx, original.id, copy.id)


def retag(tx: sqlite3.Connection, place: Place, item: Item, tag: str, *, stamp: Stamp) -> None:
    """Put a tag of an image onto one of its manifests, over what the tag stood for before."""
    clear(tx, place, tag, stamp=stamp, successors=[item.digest])
    copy_folder(tx, place, item.folder, place, tag, stamp=stamp)


def copy_children(tx: sqlite3.Connection, source: Place, item: Item, target: Place, *, stamp: Stamp) -> None:
    """Bring the children of an index, and theirs, to another image, where they are not there yet."""
    for digest in descendant_digests(tx, item.digest):
        child = find_manifest(tx, source, digest)
        if child is not None and find_manifest(tx, target, digest) is None:
            copy_folder(tx, source, child.folder, target, digest, stamp=stamp)


def clear(
    tx: sqlite3.Connection,
    place: Place,
    folder: str,
    *,
    stamp: Stamp,
    successors: Collection[str] = (),
    keep_blobs: bool = False,
) -> None:
    """Remove a tag or digest; what an index that stays or comes refers to stays, too.

    :param successors: digests of what comes into the folder next; a new index over an old one leaves the old
        one's children where they are (JFrog knowledge base 000006249).
    :param keep_blobs: leave layers that nothing else holds in flight, for a push that has already seen them.
    """
    doomed = folder_items(tx, place, folder)
    coming = [digest for successor in successors for digest in child_digests(tx, successor)]
    orphans = _remove_folder(tx, place, folder, doomed, coming, stamp)
    if not coming:
        for digest in orphans:  # grows while it is walked: children have children
            if not is_child(tx, place, digest):
                orphans += _remove_folder(tx, place, digest, folder_items(tx, place, digest), (), stamp)
    if keep_blobs:
        for item in doomed:
            if item.kind == "file":
                add_blob(tx, place, item.digest, item.size, stamp)


def _remove_folder(
    tx: sqlite3.Connection, place: Place, folder: str, doomed: Sequence[Item], coming: Collection[str], stamp: Stamp
) -> list[str]:
    """Remove what stands in a folder, and return the digests that the indexes among it refer to."""
    if not doomed:
        return []
    manifests = [item for item in doomed if item.kind == "manifest"]
    for item in manifests:
        is_needed = folder != item.digest and (item.digest in coming or is_child(tx, place, item.digest))
        if is_needed and not _is_elsewhere(tx, place, item):
            copy_folder(tx, place, folder, place, item.digest, stamp=stamp)
    items.remove(tx, doomed)
    items.prune(tx, place.repository, place.path(folder))
    return [digest for item in manifests for digest in child_digests(tx, item.digest)]


def forget_blobs(tx: sqlite3.Connection, place: Place, tag: str, *, successors: Collection[Item]) -> None:
    """Remove a tag's layers from the whole image, but for those of its successors: a bug that Artifactory had."""
    marks = ", ".join("?" * len(successors))
    query = f"SELECT child FROM links WHERE role = 'blob' AND parent IN ({marks})"  # noqa: S608
    kept = {digest for (digest,) in tx.execute(query, [item.digest for item in successors])}
    doomed = {item.digest for item in folder_items(tx, place, tag) if item.kind == "file"} - kept
    tx.executemany(
        "DELETE FROM items WHERE digest = ? AND repository = ? AND image = ? AND kind = 'file'",
        [(digest, place.repository, place.image) for digest in doomed],
    )


def folder_items(tx: sqlite3.Connection, place: Place, folder: str) -> list[Item]:
    """Return the files of a tag's or digest's folder, without those of an image whose name goes on there."""
    found = items.children(tx, place.repository, place.path(folder))
    return [item for item in found if item.image == place.image]


def child_digests(tx: sqlite3.Connection, digest: str) -> list[str]:
    """Return the digests of an index's children."""
    rows = tx.execute("SELECT child FROM links WHERE parent = ? AND role = 'manifest'", (digest,))
    return [child for (child,) in rows]


def descendant_digests(tx: sqlite3.Connection, digest: str) -> list[str]:
    """Return the digests of an index's children and of theirs, each once, however deep they are."""
    # One by one: for a recursive query, SQLite reads the whole table first, to make itself a Bloom filter.
    found = child_digests(tx, digest)
    known = set(found)
    for one in found:  # grows while it is walked
        new = [child for child in child_digests(tx, one) if child not in known]
        known.update(new)
        found += new
    return found


def is_child(tx: sqlite3.Connection, place: Place, digest: str) -> bool:
    """Return whether an index of the image refers to a manifest."""
    query = (
        "SELECT 1 FROM links JOIN items ON items.digest = links.parent WHERE links.child = ? AND "
        "links.role = 'manifest' AND items.repository = ? AND items.image = ? AND items.kind = 'manifest' LIMIT 1"
    )
    return tx.execute(query, (digest, place.repository, place.image)).fetchone() is not None


def is_claimed(tx: sqlite3.Connection, place: Place, digest: str) -> bool:
    """Return whether a manifest of the image needs a blob."""
    condition = "repository = ? AND image = ? AND digest = ? AND path <> ? LIMIT 1"
    values = (place.repository, place.image, digest, place.path(UPLOADS_FOLDER))
    return bool(items.select(tx, condition, values))


def _is_elsewhere(tx: sqlite3.Connection, place: Place, item: Item) -> bool:
    query = "SELECT 1 FROM items WHERE digest = ? AND repository = ? AND image = ? AND id <> ? AND kind = 'manifest'"
    return tx.execute(query, (item.digest, place.repository, place.image, item.id)).fetchone() is not None


def _require_contents(tx: sqlite3.Connection, place: Place, manifest: Manifest) -> list[Descriptor]:
    """Return the config and the layers as they are here, without those that may be elsewhere and are."""
    found: list[Descriptor] = []
    for digest, part in manifest.blobs.items():
        blob = find_blob(tx, place, digest)
        if blob is not None:
            found.append(replace(part, size=blob.size))
        elif not part.is_elsewhere:
            raise _unknown("blob", digest)
    for child in manifest.manifests:
        if find_manifest(tx, place, child.digest) is None:
            raise _unknown("manifest", child.digest)
    return found


def _unknown(kind: str, digest: str) -> Refusal:
    message = f"the manifest refers to a {kind} that is not in the image"
    return Refusal(400, message, code="MANIFEST_BLOB_UNKNOWN", detail={"digest": digest})


def _record_links(tx: sqlite3.Connection, manifest: Manifest) -> None:
    def links() -> Iterator[tuple[str, str, str]]:
        for digest in (one for one, part in manifest.blobs.items() if not part.is_elsewhere):
            yield manifest.digest, digest, "blob"
        for child in manifest.manifests:
            yield manifest.digest, child.digest, "manifest"
        if manifest.subject is not None:
            yield manifest.digest, manifest.subject.digest, "subject"

    tx.executemany("INSERT OR IGNORE INTO links (parent, child, role) VALUES (?, ?, ?)", links())


def _forget_uploads(tx: sqlite3.Connection, place: Place, manifest: Manifest) -> None:
    uploads = place.path(UPLOADS_FOLDER)
    tx.executemany(
        "DELETE FROM items WHERE repository = ? AND path = ? AND name = ?",
        [(place.repository, uploads, blob_name(digest)) for digest in manifest.blobs],
    )
    items.prune(tx, place.repository, uploads)


def _manifest_properties(place: Place, reference: str, manifest: Manifest, blobs: BlobStore) -> dict[str, list[str]]:
    algorithm, _, value = manifest.digest.partition(":")
    properties = {
        "docker.manifest": [reference],
        "docker.manifest.digest": [manifest.digest],
        "docker.manifest.type": [manifest.media_type],
        "docker.repoName": [place.image],
    } | ({algorithm: [value]} if algorithm == "sha256" else {})
    with suppress(ValueError, RecursionError, LookupError, TypeError, AttributeError):  # a config may be anything
        labels = json.loads(blobs.read(manifest.config.digest))["config"]["Labels"] if manifest.config else {}
        properties |= {f"docker.label.{key}": [text] for key, text in labels.items() if isinstance(text, str)}
    return properties
