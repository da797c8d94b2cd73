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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from artifactory_sandbox.private_files import make_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 5
_BUSY_SECONDS = 30.0
_LARGEST_COMMIT = 100
_view: ContextVar[Snapshot | None] = ContextVar("_view", default=None)


@contextmanager
def look_at(snapshot: Snapshot | None) -> Iterator[None]:
    """Let the reads of this request see a snapshot instead of the present; None for the present."""
    token = _view.set(snapshot)
    try:
        yield
    finally:
        _view.reset(token)


class IncompatibleDataError(Exception):
    """The data directory was written by another version of the sandbox."""


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


class Database:
    """SQLite in WAL mode: a committed write survives the end of the process, however it ends.

    :param path: the database file; made when it does not exist.
    :ivar after_commit: called after each commit, before the next transaction begins; must not fail.
    :raises IncompatibleDataError: when the file has another schema.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.after_commit: Callable[[], None] = lambda: None
        # SQLite gives the files beside it the rights of this one.
        make_file(path)
        self._writing = threading.RLock()
        self._writer = self._connect()
        self._idle: list[sqlite3.Connection] = []
        # One thread of its own: writers that wait for each other must not take the threads that others read with.
        self._write_thread = ThreadPoolExecutor(1, "write")
        self._waiting: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        with self.writing() as connection:
            _prepare(connection)

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function on one consistent snapshot, beside the event loop."""
        return await asyncio.to_thread(self.read_now, work)

    def read_now(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function of a few microseconds on the event loop itself: a thread would take far longer to begin."""
        snapshot = _view.get()
        if snapshot is not None:
            return snapshot.read(work)
        with self.reading() as connection:
            return work(connection)

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function as one transaction, beside the event loop; an exception undoes all of it.

        What waits at the same time is committed together; no call returns before its changes will last.
        """
        done: Future[Result] = Future()
        self._waiting.append((work, done))
        self._write_thread.submit(self._write_waiting)
        return await asyncio.wrap_future(done)

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
                self._writer.execute("COMMIT")
                self.after_commit()
            except BaseException:
                if self._writer.in_transaction:  # SQLite has undone it itself where the disk was full
                    self._writer.execute("ROLLBACK")
                raise

    def snapshot(self) -> Snapshot:
        """Keep the present to look back at."""
        return Snapshot(self._connect())

    def close(self) -> None:
        """Wait for running writes and close all connections."""
        self._write_thread.shutdown()
        while self._idle:
            self._idle.pop().close()
        self._writer.close()

    def _write_waiting(self) -> None:
        waiting = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_COMMIT))]
        batch = [(work, done) for work, done in waiting if done.set_running_or_notify_cancel()]
        if not batch:  # an earlier turn has done it
            return
        try:
            with self.writing() as connection:
                answers = [_run(connection, work, done) for work, done in batch]
        except BaseException as error:  # noqa: BLE001 (whoever waits is told)
            answers = [partial(done.set_exception, error) for _, done in batch]
        for answer in answers:
            answer()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        # NORMAL in WAL mode leaves a commit to the page cache, which outlives the process (not a power cut).
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def _run(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Result], done: Future[Result]
) -> Callable[[], None]:
    """Make changes or none of them; return what tells of it once they are committed.

    :raises Exception: when the whole transaction is lost.
    """
    connection.execute("SAVEPOINT work")
    try:
        answer = partial(done.set_result, work(connection))
    except Exception as error:
        if not connection.in_transaction:  # SQLite has undone all of it: the disk is full
            raise
        connection.execute("ROLLBACK TO work")
        answer = partial(done.set_exception, error)
    connection.execute("RELEASE work")
    return answer


def _prepare(connection: sqlite3.Connection) -> None:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == SCHEMA_VERSION:
        return
    if found != 0:
        raise IncompatibleDataError(
            f"the data has format {found}, this sandbox reads format {SCHEMA_VERSION}: use another directory"
        )
    for statement in SCHEMA.read_text().split(";\n"):  # one by one: executescript would end the transaction
        connection.execute(statement)
    for name, size in (("signing_key", 32), ("service_id", 13)):
        connection.execute("INSERT INTO settings VALUES (?, ?)", (name, secrets.token_hex(size)))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def setting(connection: sqlite3.Connection, name: str) -> str:
    """Return a value that was drawn when the data directory was made."""
    value: str = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()[0]
    return value
