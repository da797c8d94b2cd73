"""The database of everything but bytes: one writer at a time, any number of readers beside it."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Result = TypeVar("Result")

SCHEMA_VERSION = 4
_BUSY_SECONDS = 30.0
_READERS = 4
_LARGEST_COMMIT = 100

# An item is a file or a folder of a repository, as Artifactory's storage API shows it. `links` says what a
# manifest refers to; it depends on the manifest's bytes alone, so it is shared by all copies of it.
_SCHEMA = """
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('folder', 'file', 'manifest')),
    image TEXT,
    digest TEXT,
    size INTEGER NOT NULL DEFAULT 0,
    media_type TEXT,
    created TEXT NOT NULL,
    created_by TEXT NOT NULL,
    modified TEXT NOT NULL,
    modified_by TEXT NOT NULL,
    updated TEXT NOT NULL,
    UNIQUE (repository, path, name)
);
CREATE INDEX items_by_digest ON items (digest, repository, image);
CREATE INDEX manifests ON items (repository, image, path) WHERE kind = 'manifest';
CREATE INDEX manifests_by_path ON items (repository, path, name) WHERE kind = 'manifest';
CREATE INDEX manifests_by_created ON items (repository, created) WHERE kind = 'manifest';
CREATE INDEX manifests_by_modified ON items (repository, modified) WHERE kind = 'manifest';
CREATE INDEX manifests_by_updated ON items (repository, updated) WHERE kind = 'manifest';
CREATE TABLE properties (
    item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (item, key, value)
) WITHOUT ROWID;
CREATE INDEX properties_by_value ON properties (key, value);
CREATE TABLE links (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('blob', 'manifest', 'subject')),
    PRIMARY KEY (parent, role, child)
) WITHOUT ROWID;
CREATE INDEX links_by_child ON links (child, role);
CREATE TABLE checksums (
    digest TEXT PRIMARY KEY,
    sha1 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    scope TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER,
    refresh BLOB UNIQUE,
    reference BLOB UNIQUE,
    is_revoked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE subscriptions (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    handler INTEGER NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0
);
CREATE INDEX events_in_order ON events (subscription, handler, id);
CREATE TABLE findings (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


# What SQLite would find if it counted a large registry: table, index, rows, and rows that agree in 1, 2, 3… columns.
# Written down, since a plan that was chosen while there was next to nothing is a bad one later.
_STATISTICS = (
    ("items", "sqlite_autoindex_items_1", "250000 60000 5 1"),
    ("items", "items_by_digest", "250000 50 40 40"),
    ("items", "manifests", "50000 12500 2400 1"),
    ("items", "manifests_by_path", "50000 12500 1 1"),
    ("items", "manifests_by_created", "50000 12500 10"),
    ("items", "manifests_by_modified", "50000 12500 10"),
    ("items", "manifests_by_updated", "50000 12500 10"),
    ("properties", "properties", "300000 6 1 1"),
    ("properties", "properties_by_value", "300000 50000 6"),
    ("links", "links", "100000 3 3 1"),
    ("links", "links_by_child", "100000 2 2"),
)
_view: ContextVar[Snapshot | None] = ContextVar("_view", default=None)


@contextmanager
def looking_at(snapshot: Snapshot) -> Iterator[None]:
    """Let the reads of this request see a snapshot instead of the present."""
    token = _view.set(snapshot)
    try:
        yield
    finally:
        _view.reset(token)


class Snapshot:
    """The database as it was when this was made.

    :param connection: of its own; nothing else may use it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._using = threading.Lock()
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT 1 FROM settings").fetchone()

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function on it."""
        with self._using:
            return work(self._connection)

    def close(self) -> None:
        """Let go of it, once running reads have ended."""
        with self._using:
            self._connection.close()


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Result]):
    """Changes that someone waits for."""

    work: Callable[[sqlite3.Connection], Result]
    done: Future[Result]

    def run(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Make the changes or none of them; return what tells of it once they are committed.

        :raises sqlite3.Error: when the whole transaction is lost.
        """
        connection.execute("SAVEPOINT work")
        try:
            result = self.work(connection)
        except BaseException as error:
            if not connection.in_transaction:  # SQLite has undone all of it: the disk is full
                raise
            connection.execute("ROLLBACK TO work")
            return partial(self.done.set_exception, error)
        finally:
            if connection.in_transaction:
                connection.execute("RELEASE work")
        return partial(self.done.set_result, result)


class IncompatibleDataError(Exception):
    """The data directory was written by another version of the sandbox."""


class Database:
    """SQLite in WAL mode: a committed write survives the end of the process, however it ends.

    :param path: the database file; made when it does not exist.
    :raises IncompatibleDataError: when the file has another schema.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.RLock()
        self._writer = self._connect()
        self._idle: list[sqlite3.Connection] = []
        self._read_threads = ThreadPoolExecutor(_READERS, "read")
        self._write_thread = ThreadPoolExecutor(1, "write")
        self._waiting: deque[_Waiting[Any]] = deque()
        with self.writing() as connection:
            _prepare(connection)

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function on one consistent snapshot, beside the event loop."""
        snapshot = _view.get()
        read = self._read if snapshot is None else snapshot.read
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, read, work)

    def glance(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function of a few microseconds on the event loop itself: a thread would take far longer to begin."""
        snapshot = _view.get()
        return self._read(work) if snapshot is None else snapshot.read(work)

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function as one transaction, beside the event loop; an exception undoes all of it.

        What waits at the same time is committed together; no call returns before its changes will last.
        """
        waiting: _Waiting[Result] = _Waiting(work, Future())
        self._waiting.append(waiting)
        self._write_thread.submit(self._write_waiting)
        return await asyncio.wrap_future(waiting.done)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one consistent snapshot."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")
            self._idle.append(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the one writing connection, in a transaction that ends with the block."""
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._undo()
                raise
            try:
                self._writer.execute("COMMIT")
            except sqlite3.Error:
                self._undo()
                raise

    def snapshot(self) -> Snapshot:
        """Keep the present to look back at."""
        return Snapshot(self._connect())

    def close(self) -> None:
        """Wait for running work and close all connections."""
        self._read_threads.shutdown()
        self._write_thread.shutdown()
        while self._idle:
            self._idle.pop().close()
        self._writer.close()

    def _undo(self) -> None:
        if self._writer.in_transaction:  # SQLite has undone it itself where the disk was full
            self._writer.execute("ROLLBACK")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        # NORMAL in WAL mode leaves a commit to the page cache, which outlives the process (not a power cut).
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self.reading() as connection:
            return work(connection)

    def _write_waiting(self) -> None:
        """Do all that waits, each in a savepoint of its own, and commit it at once."""
        batch: list[_Waiting[Any]] = []
        while self._waiting and len(batch) < _LARGEST_COMMIT:
            waiting = self._waiting.popleft()
            if waiting.done.set_running_or_notify_cancel():
                batch.append(waiting)
        if not batch:  # an earlier turn has done it
            return
        try:
            with self.writing() as connection:
                answers = [waiting.run(connection) for waiting in batch]
        except BaseException as error:  # noqa: BLE001 (whoever waits is told)
            for waiting in batch:
                waiting.done.set_exception(error)
        else:
            for answer in answers:
                answer()


def _prepare(connection: sqlite3.Connection) -> None:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == SCHEMA_VERSION:
        return
    if found != 0:
        raise IncompatibleDataError(
            f"the data has format {found}, this sandbox reads format {SCHEMA_VERSION}: use another directory"
        )
    for statement in _SCHEMA.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO settings VALUES ('signing_key', ?)", (secrets.token_hex(32),))
    connection.execute("INSERT INTO settings VALUES ('service_id', ?)", (secrets.token_hex(13),))
    connection.execute("ANALYZE")
    connection.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", _STATISTICS)
    connection.execute("ANALYZE sqlite_schema")  # lets this connection read them, too
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def setting(connection: sqlite3.Connection, name: str) -> str:
    """Return a value that was drawn when the data directory was made."""
    value: str = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()[0]
    return value
