"""Files and folders of a repository, and the properties on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from artifactory_sandbox.errors import Refusal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS = (
    "id, repository, path, name, kind, image, digest, size, media_type, "
    "created, created_by, modified, modified_by, updated"
)


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder; `path` is the folder it stands in, empty at the top of the repository."""

    id: int
    repository: str
    path: str
    name: str
    kind: str
    image: str | None
    digest: str | None
    size: int
    media_type: str | None
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
    def is_folder(self) -> bool:
        """Tell whether the item is a folder."""
        return self.kind == "folder"


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
    below = (repository, f"{full_path}/", f"{full_path}0")
    return [
        *select(tx, "repository = ? AND path = ? AND name = ?", (repository, path, name)),
        *select(tx, "repository = ? AND path = ?", (repository, full_path)),
        *select(tx, "repository = ? AND path > ? AND path < ?", below),
    ]


def add_file(
    tx: sqlite3.Connection,
    repository: str,
    full_path: str,
    *,
    digest: str,
    size: int,
    media_type: str,
    stamp: Stamp,
    kind: str = "file",
    image: str | None = None,
) -> int:
    """Put a file at a path, over one that stands there; return its id."""
    path, _, name = full_path.rpartition("/")
    existing = find(tx, repository, full_path)
    if existing is not None:
        if existing.is_folder:
            raise Refusal(409, f"A folder stands at '{repository}:{full_path}', no file can be put there.")
        remove(tx, [existing])
    ensure_folder(tx, repository, path, stamp)
    times = (stamp.time, stamp.user, stamp.time, stamp.user, stamp.time)
    cursor = tx.execute(
        f"INSERT INTO items ({COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (repository, path, name, kind, image, digest, size, media_type, *times),
    )
    return int(cursor.lastrowid or 0)


def ensure_folder(tx: sqlite3.Connection, repository: str, full_path: str, stamp: Stamp) -> None:
    """Make a folder and those above it, where they are missing."""
    missing: list[str] = []
    while full_path:
        existing = find(tx, repository, full_path)
        if existing is not None:
            if not existing.is_folder:
                raise Refusal(409, f"A file stands at '{repository}:{full_path}', no folder can be made there.")
            break
        missing.append(full_path)
        full_path = full_path.rpartition("/")[0]
    for folder in missing:
        path, _, name = folder.rpartition("/")
        tx.execute(
            "INSERT INTO items (repository, path, name, kind, created, created_by, modified, modified_by, "
            "updated) VALUES (?, ?, ?, 'folder', ?, ?, ?, ?, ?)",
            (repository, path, name, stamp.time, stamp.user, stamp.time, stamp.user, stamp.time),
        )


def remove(tx: sqlite3.Connection, items: Iterable[Item]) -> None:
    """Remove items with their properties; the folders that they stood in stay."""
    tx.executemany("DELETE FROM items WHERE id = ?", [(item.id,) for item in items])


def prune(tx: sqlite3.Connection, repository: str, full_path: str) -> None:
    """Remove a folder that has become empty, and those above it that become so with it."""
    while full_path:
        if tx.execute(
            "SELECT 1 FROM items WHERE repository = ? AND path = ? LIMIT 1", (repository, full_path)
        ).fetchone():
            return
        path, _, name = full_path.rpartition("/")
        tx.execute(
            "DELETE FROM items WHERE repository = ? AND path = ? AND name = ? AND kind = 'folder'",
            (repository, path, name),
        )
        full_path = path


def properties(tx: sqlite3.Connection, item: int) -> dict[str, list[str]]:
    """Return the properties on an item, each with its values."""
    found: dict[str, list[str]] = {}
    for key, value in tx.execute("SELECT key, value FROM properties WHERE item = ?", (item,)):
        found.setdefault(key, []).append(value)
    return found


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
