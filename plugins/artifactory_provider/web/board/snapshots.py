"""One snapshot of the registry for all who look at the board, taken in the background of the first who asks.

No request waits for Artifactory: what is known is answered at once, with its age, and with why it is not newer.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.web.board.looking import Snapshot, look
from artifactory_provider.web.board.views import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from artifactory_provider.web.board.views import Rights

log = logging.getLogger(__name__)

_FRESH = 45.0
"""Seconds that a snapshot is good for."""
_NEVER = 1_000_000
_MOST_VIEWS = 16
"""People with the same rights share one; each holds no more than references."""
_SHORTEST = 5.0
"""Seconds between two looks, however often people ask for one."""


class Snapshots:
    """The newest snapshot of all ladders of a folder, for all viewers of this process.

    :param folder: returns the folder of the pipeline files.
    :param clock: the seconds that go by.
    """

    def __init__(self, folder: Callable[[], Path], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._current = Snapshot()
        self._taken = self._begun = self._wanted = float("-inf")
        self._thread: threading.Thread | None = None
        self._views: dict[Rights, View] = {}
        self._viewing = threading.Lock()

    def get(self, *, refresh: bool = False) -> tuple[Snapshot, bool]:
        """Return the newest snapshot, and whether a newer one is being taken; this never waits.

        :param refresh: whether a newer one is wanted though this is fresh: one that begins from now on.
        """
        with self._lock:
            now = self._clock()
            if refresh:
                self._wanted = now
            # What a look that has begun before does not show is looked at next.
            is_due = now - self._taken >= _FRESH or self._wanted > self._begun
            if is_due and self._thread is None and now - self._begun >= _SHORTEST:
                # A thread of its own, and no task of the server's loop: what it reads is large.
                thread = threading.Thread(target=self._take, name="artifactory-board", daemon=True)
                thread.start()
                self._begun, self._thread = now, thread
            return self._current, self._thread is not None or self._wanted > self._begun

    def view(self, rights: Rights, *, refresh: bool = False) -> tuple[View, bool]:
        """Return the newest snapshot as somebody may see it, and whether a newer one is being taken.

        :param rights: what they may know.
        :param refresh: whether a newer one is wanted though this is fresh.
        """
        snapshot, is_refreshing = self.get(refresh=refresh)
        # DAGs that the board does not name make no difference: most people share one view.
        rights = replace(rights, dags=rights.dags & snapshot.dag_ids)
        with self._viewing:
            view = self._views.pop(rights, None)
            if view is None or view.snapshot is not snapshot:
                view = View(snapshot, rights)
            self._views[rights] = view
            while len(self._views) > _MOST_VIEWS:
                del self._views[next(iter(self._views))]
        # Those who come at the same time wait for the first of them: they would all do the same.
        view.prepare()
        return view, is_refreshing

    def wait(self) -> None:
        """Wait for the snapshot that is being taken, if one is."""
        if (thread := self._thread) is not None:
            thread.join()

    def _take(self) -> None:
        before = self._current
        try:
            with _without_full_collections():
                found = asyncio.run(look(self.folder(), before))
        except Exception as error:
            log.warning("The board could not be renewed.", exc_info=error)
            found = replace(before, trouble=f"The board could not be renewed ({type(error).__name__}).")
        with self._lock:
            self._current, self._taken, self._thread = found, self._clock(), None


@contextmanager
def _without_full_collections() -> Iterator[None]:
    """Keep Python from walking all that the server holds, again and again, while a look makes what all stays.

    That took as long as the look itself. Young objects are collected as ever.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(*thresholds[:2], _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
