"""How many requests a server gets at a time: more while it copes, fewer as soon as it limits them or becomes slow.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): every answer in time raises the limit, by one
until the server has shown its own (slow start), by a little from half of that on (congestion avoidance). An answer that
comes too late or says "too many requests" halves it, once for all requests that were under way then.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

_FIRST, _MOST = 16, 64
_SLOW = 2.0
_TIMES_THE_FASTEST = 4

_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pace]] = WeakKeyDictionary()


class Pace:
    """What one server bears, learnt from its answers, and the queue of those who wait for their turn.

    :param first: the number of requests under way at a time to begin with.
    :param most: the number that is never exceeded.
    """

    def __init__(self, *, first: int = _FIRST, most: int = _MOST) -> None:
        self._limit = float(first)
        self._careful_from = math.inf
        self._most = most
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._fastest: dict[str, float] = {}
        self._slowed = -math.inf
        self._closed_until = -math.inf

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return int(self._limit)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a turn, in the order of asking, and give it back at the end; yields the moment at which it began."""
        loop = asyncio.get_running_loop()
        await self._enter(loop)
        try:
            while (pause := self._closed_until - loop.time()) > 0:  # noqa: ASYNC110 - it may grow meanwhile
                await asyncio.sleep(pause)
            yield loop.time()
        finally:
            self._leave()

    def record_answer(self, began: float, *, kind: str) -> None:
        """Learn from an answer that came.

        :param began: the moment at which its turn began.
        :param kind: what was asked for; each kind has its own idea of slow.
        """
        seconds = asyncio.get_running_loop().time() - began
        fastest = self._fastest[kind] = min(self._fastest.get(kind, math.inf), seconds)
        if seconds > max(_SLOW, _TIMES_THE_FASTEST * fastest):
            self.record_overload(began)
        elif self._under_way >= self.limit:
            step = 1 / self._limit if self._limit >= self._careful_from else 1
            self._limit = min(self._most, self._limit + step)

    def record_overload(self, began: float, *, pause: float = 0) -> None:
        """Learn from an answer that says that there are too many requests, or from one that did not come in time.

        :param began: the moment at which its turn began; those that began before the last halving say nothing new.
        :param pause: the seconds in which no request is to be sent.
        """
        now = asyncio.get_running_loop().time()
        self._closed_until = max(self._closed_until, now + pause)
        if began >= self._slowed:
            self._slowed = now
            self._limit = self._careful_from = max(1.0, self._limit / 2)
            log.info("The server is at its limit: %d requests at a time from now on.", self.limit)

    async def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting and self._under_way < self.limit:
            self._under_way += 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._under_way -= 1
        while self._waiting and self._under_way < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)


def pace_of(server: str) -> Pace:
    """Return the pace of a server, the same for all who ask it in one event loop.

    :param server: the server's URL.
    """
    paces = _paces.setdefault(asyncio.get_running_loop(), {})
    return paces.setdefault(server, Pace())
