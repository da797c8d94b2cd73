"""What all areas of the sandbox share, and what a request knows of itself."""

from __future__ import annotations

import fcntl
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

    from artifactory_sandbox.config import Config

DATABASE = "metadata.sqlite"


class Service:
    """The open data directory with the configuration that it is served under.

    :param data: the directory; made where it does not exist.
    :param config: repositories, users and permissions.
    :param is_alone: whether no other process may have it open.
    :raises BlockingIOError: when another process has it open that must be alone, or this one must.
    :raises OSError: when the directory cannot be made or written to.
    :raises IncompatibleDataError: when another version wrote it.
    """

    def __init__(self, data: Path, config: Config, *, is_alone: bool = False) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._lock = (data / "lock").open("w")
        try:
            fcntl.flock(self._lock, (fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise
        self.config = config
        self.database = Database(data / DATABASE)
        self.blobs = BlobStore(data / "blobs")
        self.uploads = Uploads(data / "uploads", self.blobs)
        with self.database.reading() as tx:
            signing_key, self.service_id = setting(tx, "signing_key"), setting(tx, "service_id")
            self.created = setting(tx, "created")
        self.access = Access(config, Tokens(self.database, signing_key, self.service_id))
        self.events = Events(config, self.database, self.blobs)
        self.xray = Xray(config.xray, self.database)
        self.faults = Faults(self.database)
        self.journal = Journal()

    def close(self) -> None:
        """Let go of the data directory."""
        self.faults.clear()
        self.database.close()
        self._lock.close()
