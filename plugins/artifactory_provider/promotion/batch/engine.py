"""The batch engine: the registry is the ledger, so a batch that is run again does what is left.

A batch goes through windows of some hundreds of promotions, two at a time: while one is looked at, the other one's
requests are under way. Memory is bounded by what is in the windows, and by one result for each promotion.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.promotion.batch.batch import BatchReport
from artifactory_provider.promotion.batch.window import promote_window

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.batch.batch import Batch, BatchResult

log = logging.getLogger(__name__)

_A_WINDOW = 500
_WINDOWS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come.

    :param done: how many promotions have ended, in whatever way.
    :param total: how many there are.
    :param failed: how many of those that have ended have failed.
    """

    done: int
    total: int
    failed: int


async def promote_batch(
    client: ArtifactoryClient, batch: Batch, *, on_progress: Callable[[Progress], None] | None = None
) -> BatchReport:
    """Promote many images and make sure of each; one that fails does not stop the others.

    It is safe to run again after any end, and does only what is missing then. When it is cancelled, what is under way
    is brought to its end, and nothing new is begun.

    :param client: an open client.
    :param batch: what is promoted to where, and how.
    :param on_progress: called now and then with how far it has come.
    :raises AuthenticationFailed: when the credentials are refused.
    :raises ArtifactoryError: when not even a look at the tags is possible.
    """
    slots = asyncio.Semaphore(batch.at_once)
    total = len(batch.promotions)
    results: dict[int, list[BatchResult]] = {}
    stopping = asyncio.Event()

    async def window(start: int) -> None:
        if stopping.is_set():
            return
        results[start] = await promote_window(client, batch, batch.promotions[start : start + _A_WINDOW], slots)
        if on_progress is not None:
            ended = list(itertools.chain.from_iterable(results.values()))
            on_progress(Progress(len(ended), total, sum(result.outcome == "failed" for result in ended)))

    starts = range(0, total, _A_WINDOW)
    await _to_its_end(concurrently(window, starts, at_once=_WINDOWS_AT_ONCE), stopping)
    return BatchReport(tuple(itertools.chain.from_iterable(results[start] for start in starts)))


async def _to_its_end(work: Coroutine[Any, Any, object], stopping: asyncio.Event) -> None:
    """Wait for the work; when that is cancelled, let it end what it is at, unless it is cancelled once more."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        log.warning("Stopping: what is under way is brought to its end.")
        stopping.set()
        await task
        raise
