"""How the parts of Airflow open the demo's database: one SQLite file that all of them write to."""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

_SHORT, _LONG = 5.0, 60.0
"""Seconds to wait while another part writes. Airflow's API server writes from its event loop, too, so what waits there
may wait for itself: what is refused is sent again. The scheduler would end of it."""


class Connection(sqlite3.Connection):
    """A connection whose commits do not wait for the disk: nobody holds the file for longer than a write takes.

    With a write-ahead log, what a crash of the machine may take is the end of it, never the file.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA synchronous=NORMAL")


CONNECT_ARGS = {"factory": Connection, "timeout": _SHORT if "api-server" in sys.argv else _LONG}
"""What SQLAlchemy hands on to ``sqlite3.connect``."""
