"""What all areas of the sandbox share, and what a request knows of itself."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_sandbox.access import Access
from artifactory_sandbox.blobs import BlobStore, Uploads
from artifactory_sandbox.events import Events
from artifactory_sandbox.faults import Faults
from artifactory_sandbox.journal import Journal
from artifactory_sandbox.metadata import Database, setting
from artifactory_sandbox.tokens import Tokens
from artifactory_sandbox.xray import Xray

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from artifactory_sandbox.config import Config

DATABASE = "metadata.sqlite"


@dataclass(frozen=True, slots=True)
class Service:
    """The open data directory with the configuration that it is served under."""

    config: Config
    database: Database
    blobs: BlobStore
    uploads: Uploads
    access: Access
    service_id: str
    events: Events
    xray: Xray
    faults: Faults
    journal: Journal
    lock: TextIO

    @classmethod
    def open(cls, data: Path, config: Config, *, is_alone: bool = False) -> Service:
        """Open a data directory, making it where it does not exist.

        :param data: the directory.
        :param config: repositories, users and permissions.
        :param is_alone: whether no other process may have it open.
        :raises BlockingIOError: when another process has it open that must be alone, or this one must.
        :raises OSError: when the directory cannot be made or written to.
        :raises IncompatibleDataError: when another version wrote it.
        """
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise
        blobs = BlobStore(data / "blobs")
        uploads = Uploads(data / "uploads", blobs)
        database = Database(data / DATABASE)
        with database.reading() as connection:
            key, service_id = setting(connection, "signing_key"), setting(connection, "service_id")
        access = Access(config, Tokens(database, key, service_id))
        return cls(
            config=config,
            database=database,
            blobs=blobs,
            uploads=uploads,
            access=access,
            service_id=service_id,
            events=Events(config, database, blobs),
            xray=Xray(config.xray, database),
            faults=Faults(database),
            journal=Journal(),
            lock=lock,
        )

    def close(self) -> None:
        """Let go of the data directory."""
        self.faults.clear()
        self.database.close()
        self.lock.close()
