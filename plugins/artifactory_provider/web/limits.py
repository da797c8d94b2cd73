"""How much of this process's time webhooks may take, and who pays for what."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.hooks.connections import WebhookSecret

_KEPT = 256
_GOOD_FOR = 10.0
_AT_ONCE = 4
_LONGEST_WAIT = 5.0


class TokenBuckets:
    """So many deliveries a second, for each connection that is known to have sent them.

    :param rate: how many a second.
    :param burst: how many at once, after a pause.
    :param clock: the seconds that go by.
    """

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> int:
        """Take a token; return 0, or the whole seconds until there is one.

        :param name: whose bucket.
        """
        now = self._clock()
        left, then = self._left.get(name, (float(self._burst), now))
        left = min(self._burst, left + (now - then) * self._rate)
        self._left[name] = (left - 1 if left >= 1 else left, now)
        return 0 if left >= 1 else math.ceil((1 - left) / self._rate)


class SecretCache:
    """The secrets of connections for some seconds, so that a flood of forged deliveries is no flood of queries.

    Connections that have a secret are looked up apart from names that are made up: those wait for each other alone.

    :param read: returns a connection's secret, or None; it may block.
    :param clock: the seconds that go by.
    """

    def __init__(
        self, read: Callable[[str], WebhookSecret | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._found: OrderedDict[str, tuple[float, WebhookSecret | None]] = OrderedDict()
        self._good: set[str] = set()
        self._turns = (asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE))

    async def find(self, conn_id: str) -> WebhookSecret | None:
        """Return a connection's secret, or None where it has none.

        :param conn_id: the connection's id.
        :raises TimeoutError: when too many others are looked up.
        """
        known = self._known(conn_id)
        if known is not None:
            return known[1]
        turn = self._turns[conn_id in self._good]
        async with asyncio.timeout(_LONGEST_WAIT):
            await turn.acquire()
        try:
            known = self._known(conn_id)  # Others may have asked meanwhile.
            return known[1] if known is not None else await self._look_up(conn_id)
        finally:
            turn.release()

    def _known(self, conn_id: str) -> tuple[float, WebhookSecret | None] | None:
        known = self._found.get(conn_id)
        return known if known is not None and self._clock() - known[0] < _GOOD_FOR else None

    async def _look_up(self, conn_id: str) -> WebhookSecret | None:
        secret = await run_in_threadpool(self._read, conn_id)
        self._found.pop(conn_id, None)
        self._found[conn_id] = (self._clock(), secret)
        self._good.discard(conn_id)
        if secret is not None:
            self._good.add(conn_id)
        while len(self._found) > _KEPT:
            self._found.popitem(last=False)
        return secret
