"""One snapshot of the registry for all who look at the board, taken in the background of the first who asks.

No request waits for Artifactory: what is known is answered at once, with its age, and with why it is not newer.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.board.rows import find_rows
from artifactory_provider.board.survey import survey
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.pipelines import InvalidPipeline, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from artifactory_provider.board.findings import RowFinding
    from artifactory_provider.board.stock import Stock
    from artifactory_provider.pipelines.model import Pipeline

log = logging.getLogger(__name__)

FRESH = 45.0
"""Seconds that a snapshot is good for."""
_SHORTEST = 5.0
"""Seconds between two looks, however often people ask for one."""
_LONGEST = 120.0
"""Seconds after which a look is given up."""


@dataclass(frozen=True)
class Snapshot:
    """What one look has found.

    :param as_of: when the registry was looked at; None where it never was.
    :param pipelines: the ladders.
    :param stocks: repository → what it holds.
    :param rows: all rows, by owner, ladder and image.
    :param base_urls: connection → the server's URL.
    :param trouble: what could not be asked.
    """

    as_of: datetime.datetime | None = None
    pipelines: tuple[Pipeline, ...] = ()
    stocks: dict[str, Stock] = field(default_factory=dict)
    rows: tuple[RowFinding, ...] = ()
    base_urls: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None


class Snapshots:
    """The newest snapshot of all ladders of a folder, for all viewers of this process.

    :param folder: returns the folder of the pipeline files.
    :param clock: the seconds that go by.
    """

    def __init__(self, folder: Callable[[], Path], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._current = Snapshot()
        self._taken = self._begun = float("-inf")
        self._thread: threading.Thread | None = None

    def get(self, *, refresh: bool = False) -> tuple[Snapshot, bool]:
        """Return the newest snapshot, and whether a newer one is being taken; this never waits.

        :param refresh: whether a newer one is wanted though this is fresh.
        """
        with self._lock:
            now = self._clock()
            is_due = now - self._taken >= FRESH or refresh
            if is_due and self._thread is None and now - self._begun >= _SHORTEST:
                self._begun = now
                self._thread = threading.Thread(target=self._take, name="artifactory-board", daemon=True)
                self._thread.start()
            return self._current, self._thread is not None

    def wait(self) -> None:
        """Wait for the snapshot that is being taken, if one is."""
        if (thread := self._thread) is not None:
            thread.join()

    def _take(self) -> None:
        before = self._current
        try:
            found = asyncio.run(_look(self._folder(), before))
        except Exception as error:
            log.warning("The board could not be renewed.", exc_info=error)
            found = Snapshot(**{**vars(before), "trouble": f"The board could not be renewed: {type(error).__name__}."})
        with self._lock:
            self._current, self._taken, self._thread = found, self._clock(), None


async def _look(folder: Path, before: Snapshot) -> Snapshot:
    try:
        read = read_folder(folder)
    except InvalidPipeline as error:
        return Snapshot(**{**vars(before), "trouble": f"The pipelines cannot be read: {error}"})
    pipelines = tuple(read.pipelines.values())
    troubles = [f"{name} cannot be read, so its ladder is missing." for name in read.errors]
    stocks: dict[str, Stock] = {}
    urls: dict[str, str] = {}
    for conn_id in dict.fromkeys(pipeline.connection for pipeline in pipelines):
        own = [pipeline for pipeline in pipelines if pipeline.connection == conn_id]
        try:
            settings = await asyncio.to_thread(lambda name: ArtifactoryHook(name).settings(), conn_id)
            urls[conn_id] = settings.base_url
            async with asyncio.timeout(_LONGEST), ArtifactoryClient(settings) as client:
                found, failed = await survey(client, own)
        except (ArtifactoryError, TimeoutError) as error:
            troubles.append(f"The server of the connection {conn_id} did not answer: {str(error) or 'time-out'}")
            continue
        stocks |= found
        troubles += [f"{repository} could not be looked at: {error}" for repository, error in failed.items()]
    if not stocks and troubles and before.as_of is not None:
        return Snapshot(**{**vars(before), "trouble": " ".join(troubles)})
    rows = [row for pipeline in pipelines for row in find_rows(pipeline, stocks)]
    rows.sort(key=lambda row: (row.pipeline.owner, row.pipeline.name, row.image))
    return Snapshot(
        as_of=datetime.datetime.now(datetime.UTC) if stocks else None,
        pipelines=pipelines,
        stocks=stocks,
        rows=tuple(rows),
        base_urls=urls,
        trouble=" ".join(troubles) or None,
    )
