"""Files and folders that only their owner can reach, whatever the umask is: keys and tokens' hashes are among them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; one that is there stays as it is."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(_FOLDER, exist_ok=True)
        path.chmod(_FOLDER)


def make_file(path: Path) -> None:
    """Make an empty file; one that is there stays as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE)
    except FileExistsError:
        return
    os.fchmod(descriptor, _FILE)
    os.close(descriptor)


def close_to_others(path: Path) -> None:
    """Take every right on a file, or on a folder and all in it, from everyone but the owner.

    A folder that is closed already is not looked into; it is closed last, so that what was interrupted begins anew.

    :raises PermissionError: when it belongs to someone else.
    """
    mode = path.lstat().st_mode
    is_folder = stat.S_ISDIR(mode)
    wanted = _FOLDER if is_folder else _FILE
    if stat.S_ISLNK(mode) or stat.S_IMODE(mode) == wanted:
        return
    for child in path.iterdir() if is_folder else ():
        close_to_others(child)
    path.chmod(wanted)
