"""The batch engine: the registry is the ledger, so a batch that is run again does what is left.

Hundreds of promotions are looked at together, in a request or two; what is left to do is done in groups of some
dozens, a few at a time: while one is verified, the others' promotions are under way. Memory is bounded by what has been
looked at and is not done, and by one result for each promotion.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.promotion.batch.batch import BatchReport
from artifactory_provider.promotion.batch.group import promote_group
from artifactory_provider.promotion.batch.item import look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.batch.batch import Batch, BatchResult
    from artifactory_provider.promotion.batch.item import Item

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOKED_AT = 500
_LOOKS_AT_ONCE = 2
_A_GROUP = 64
_GROUPS_AT_ONCE = 4


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
    progress = Progress(0, len(batch.promotions), 0)
    slots, groups = asyncio.Semaphore(batch.at_once), asyncio.Semaphore(_GROUPS_AT_ONCE)
    stopping = asyncio.Event()

    async def promote(items: Sequence[Item]) -> None:
        nonlocal progress
        async with groups:
            if stopping.is_set():
                return
            await promote_group(client, batch, items, slots)
        failed = sum(item.result().outcome == "failed" for item in items)
        progress = replace(progress, done=progress.done + len(items), failed=progress.failed + failed)
        if on_progress is not None:
            on_progress(progress)

    async def look_and_promote(start: int) -> list[BatchResult]:
        if stopping.is_set():
            return []
        items = await look_at(client, batch, batch.promotions[start : start + _LOOKED_AT])
        ended = [item for item in items if item.has_ended]
        left = [item for item in items if not item.has_ended]
        parts = [ended] if ended else []
        parts += [left[at : at + _A_GROUP] for at in range(0, len(left), _A_GROUP)]
        await concurrently(promote, parts, at_once=len(parts))
        return [item.result() for item in items]

    starts = range(0, len(batch.promotions), _LOOKED_AT)
    found = await _to_its_end(concurrently(look_and_promote, starts, at_once=_LOOKS_AT_ONCE), stopping)
    return BatchReport(tuple(itertools.chain.from_iterable(found)))


async def _to_its_end(work: Coroutine[Any, Any, T], stopping: asyncio.Event) -> T:
    """Wait for the work; when that is cancelled, let it end what it is at, unless it is cancelled once more."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        log.warning("Stopping: what is under way is brought to its end.")
        stopping.set()
        await task
        raise
