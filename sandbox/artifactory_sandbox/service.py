"""What all areas of the sandbox share, and what a request knows of itself."""

from __future__ import annotations

import fcntl
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from artifactory_sandbox.access import Access
from artifactory_sandbox.blobs import BlobStore, Uploads
from artifactory_sandbox.events import Events
from artifactory_sandbox.faults import Faults
from artifactory_sandbox.journal import Journal
from artifactory_sandbox.metadata import Database, setting
from artifactory_sandbox.private_files import close_to_others, make_file, make_folder
from artifactory_sandbox.tokens import Tokens
from artifactory_sandbox.xray import Xray

if TYPE_CHECKING:
    from pathlib import Path

    from artifactory_sandbox.config import Config

DATABASE = "metadata.sqlite"
_LOCK, _BLOBS, _UPLOADS = "lock", "blobs", "uploads"
_OWN = frozenset({DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", _LOCK, _BLOBS, _UPLOADS})
_log = logging.getLogger(__name__)


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
        _prepare(data)
        self._lock = (data / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, (fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise
        self.config = config
        self.database = Database(data / DATABASE)
        self.blobs = BlobStore(data / _BLOBS)
        self.uploads = Uploads(data / _UPLOADS, self.blobs)
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


def _prepare(data: Path) -> None:
    """Make the directory, or let no one but its owner into one that is there.

    Where others have put something into it, too, that and the directory itself are left alone.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    make_folder(data)
    found = {path.name: path for path in data.iterdir()}
    try:
        for name in _OWN & found.keys():
            with suppress(FileNotFoundError):  # SQLite takes its files away when the last process closes them
                close_to_others(found[name])
        if found.keys() <= _OWN:
            data.chmod(0o700)
    except PermissionError:
        _log.warning("%s belongs to another user, who can let others into it", data)
    make_file(data / _LOCK)
