"""Files and folders of a repository, and the properties on them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from artifactory_sandbox.errors import Refusal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_sandbox.manifests import Descriptor
    from artifactory_sandbox.names import Place


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder; `path` is the folder it stands in, empty at the top of the repository.

    A folder has no image, digest or media type: they are empty.
    """

    id: int
    repository: str
    path: str
    name: str
    kind: str
    image: str
    digest: str
    size: int
    media_type: str
    created: str
    created_by: str
    modified: str
    modified_by: str
    updated: str

    @property
    def full_path(self) -> str:
        """The path within the repository, the name included."""
        return f"{self.path}/{self.name}" if self.path else self.name

    @property
    def folder(self) -> str:
        """The tag or digest that a file of an image belongs to."""
        return self.path.removeprefix(f"{self.image}/")

    @property
    def is_folder(self) -> bool:
        """Return whether the item is a folder."""
        return self.kind == "folder"


COLUMNS = ", ".join(field.name for field in fields(Item))


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who changes something, and when."""

    user: str
    time: str


def stamp(user: str) -> Stamp:
    """Return the stamp of a change made now."""
    return Stamp(user, timestamp(datetime.now(UTC)))


def timestamp(moment: datetime) -> str:
    """Write a moment as it is stored: ISO 8601 with milliseconds, in UTC, so that texts compare as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def select(tx: sqlite3.Connection, condition: str, parameters: Sequence[object]) -> list[Item]:
    """Return the items that fulfil a condition; values only ever travel as parameters."""
    query = f"SELECT {COLUMNS} FROM items WHERE {condition}"  # noqa: S608
    return [Item(*row) for row in tx.execute(query, parameters)]


def find(tx: sqlite3.Connection, repository: str, full_path: str) -> Item | None:
    """Return the item at a path, if there is one."""
    path, _, name = full_path.rpartition("/")
    found = select(tx, "repository = ? AND path = ? AND name = ?", (repository, path, name))
    return found[0] if found else None


def children(tx: sqlite3.Connection, repository: str, full_path: str) -> list[Item]:
    """Return what stands directly in a folder, by name."""
    return select(tx, "repository = ? AND path = ? ORDER BY name", (repository, full_path))


def subtree(tx: sqlite3.Connection, repository: str, full_path: str) -> list[Item]:
    """Return an item and everything below it; the empty path is the whole repository."""
    if not full_path:
        return select(tx, "repository = ?", (repository,))
    path, _, name = full_path.rpartition("/")
    condition = "repository = ? AND (path = ? AND name = ? OR path = ? OR path > ? AND path < ?)"
    return select(tx, condition, (repository, path, name, full_path, f"{full_path}/", f"{full_path}0"))


def add_file(
    tx: sqlite3.Connection, place: Place, folder: str, name: str, part: Descriptor, *, stamp: Stamp, kind: str = "file"
) -> int:
    """Put a file into a tag's or digest's folder, over one that stands there; return its id.

    :param part: the content's digest, size and media type.
    :param kind: `manifest`, or `file` for all else.
    """
    path = place.path(folder)
    existing = find(tx, place.repository, f"{path}/{name}")
    if existing is not None:
        if existing.is_folder:
            raise Refusal(409, f"A folder stands at '{place.repository}:{path}/{name}', no file can be put there.")
        remove(tx, [existing])
    ensure_folder(tx, place.repository, path, stamp)
    content = (kind, place.image, part.digest, part.size, part.media_type)
    return _insert(tx, place.repository, path, name, content, stamp)


def ensure_folder(tx: sqlite3.Connection, repository: str, full_path: str, stamp: Stamp) -> None:
    """Make a folder and those above it, where they are missing."""
    while full_path:
        existing = find(tx, repository, full_path)
        if existing is not None:
            if not existing.is_folder:
                raise Refusal(409, f"A file stands at '{repository}:{full_path}', no folder can be made there.")
            return
        path, _, name = full_path.rpartition("/")
        _insert(tx, repository, path, name, ("folder", "", "", 0, ""), stamp)
        full_path = path


def _insert(
    tx: sqlite3.Connection, repository: str, path: str, name: str, content: tuple[object, ...], stamp: Stamp
) -> int:
    times = (stamp.time, stamp.user, stamp.time, stamp.user, stamp.time)
    query = f"INSERT INTO items ({COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    return int(tx.execute(query, (repository, path, name, *content, *times)).lastrowid or 0)


def remove(tx: sqlite3.Connection, items: Iterable[Item]) -> None:
    """Remove items with their properties; the folders that they stood in stay."""
    tx.executemany("DELETE FROM items WHERE id = ?", [(item.id,) for item in items])


def prune(tx: sqlite3.Connection, repository: str, full_path: str) -> None:
    """Remove a folder that has become empty, and those above it that become so with it."""
    query = (
        "DELETE FROM items WHERE repository = ?1 AND path = ?2 AND name = ?3 AND kind = 'folder' "
        "AND NOT EXISTS (SELECT 1 FROM items WHERE repository = ?1 AND path = ?4)"
    )
    while full_path:
        path, _, name = full_path.rpartition("/")
        if not tx.execute(query, (repository, path, name, full_path)).rowcount:
            return
        full_path = path


def properties(tx: sqlite3.Connection, item: int) -> dict[str, list[str]]:
    """Return the properties on an item, each with its values."""
    found: dict[str, list[str]] = {}
    for key, value in tx.execute("SELECT key, value FROM properties WHERE item = ?", (item,)):
        found.setdefault(key, []).append(value)
    return found


def count_properties(tx: sqlite3.Connection, item: int) -> int:
    """Return how many values the properties of an item have together."""
    count: int = tx.execute("SELECT count(*) FROM properties WHERE item = ?", (item,)).fetchone()[0]
    return count


def set_properties(tx: sqlite3.Connection, item: int, values: Mapping[str, Iterable[str]]) -> None:
    """Give properties new values, or remove those with none; other properties stay."""
    for key, texts in values.items():
        tx.execute("DELETE FROM properties WHERE item = ? AND key = ?", (item, key))
        tx.executemany(
            "INSERT OR IGNORE INTO properties (item, key, value) VALUES (?, ?, ?)",
            [(item, key, text) for text in texts],
        )


def copy_properties(tx: sqlite3.Connection, source: int, target: int) -> None:
    """Add all properties of one item to another."""
    tx.execute(
        "INSERT OR REPLACE INTO properties (item, key, value) SELECT ?, key, value FROM properties WHERE item = ?",
        (target, source),
    )
