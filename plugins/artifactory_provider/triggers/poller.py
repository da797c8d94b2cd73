"""Waits of one connection in one triggerer look together where they can: they back off and wake as one.

A wait costs an object and no request of its own: at each interval, whatever is waited for with the same checks is
looked at by a few queries. Checks of properties read nothing but what such a look brings, so all waits for properties
look together, each with its own checks. Those with other checks are looked at apart: a check may be slow, or fail. What
a poller knows is gone with its process, and missed by nobody: the registry has the verdicts, and who waits looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import importlib
import json
import logging
import random
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.errors import TRANSIENT, ArtifactoryError, RateLimited, RequestNotSent
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.tasks.metrics import count_look
from artifactory_provider.verification import AllOf, AnyOf, AtLeast, PropertyCheck, State, check_from_dict
from artifactory_provider.verification.verification import fail_to_look, verify_each

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.hooks.http_connections import HttpConnections
    from artifactory_provider.verification import Check, Verification

log = logging.getLogger(__name__)

SHORTEST_PAUSE = 0.5
"""Seconds between two looks, at least; and between the first wait and its first look."""
LONGEST_BACKOFF = 600.0
_REFERENCES_A_LOOK = 900
_LOOKS_AT_ONCE = 16
_LONGEST_TURN = 5.0
"""Seconds that a look keeps its turn: one that takes longer waits for somebody, and is no work for this process."""
_OF_PROPERTIES = "properties"
_COMBINATIONS = frozenset({AllOf.kind, AnyOf.kind, AtLeast.kind})


class Wait:
    """One digest that is waited for.

    :param reference: repository, image and tag; without a digest, the first look pins one.
    :param checks: the checks, as ``check_to_dict`` writes them.
    :param follow: whether a tag that is moved is waited for with its new digest, instead of ending the wait.
    """

    __slots__ = ("_failures", "_news", "_rest", "_said", "checks", "follow", "is_new", "key", "reference")

    def __init__(self, reference: ImageReference, checks: Sequence[Mapping[str, Any]], *, follow: bool = False) -> None:
        self.reference = reference
        self.checks = json.dumps(checks, sort_keys=True)
        self.key = _OF_PROPERTIES if all(map(_is_of_properties, checks)) else self.checks
        """Waits with the same one look together."""
        self.follow = follow
        self._news: asyncio.Future[Verification] = asyncio.get_running_loop().create_future()
        self._said = ""
        self.is_new = True
        self._failures = self._rest = 0

    async def news(self) -> Verification:
        """Wait until a look has found something else than the one before, or the end, and return it.

        :raises Exception: what has made looking impossible.
        """
        news = self._news
        found = await news
        if self._news is news and not found.is_settled:
            self._news = asyncio.get_running_loop().create_future()
        return found

    @property
    def is_over(self) -> bool:
        """Whether its end is known."""
        news = self._news
        return news.done() and (news.cancelled() or news.exception() is not None or news.result().is_settled)

    def is_due(self) -> bool:
        """Return whether the next look is to look at it; one that could not be read is passed over for a while."""
        self._rest -= 1
        return self._rest < 0 and not self.is_over

    def tell(self, found: Verification) -> None:
        """Take what a look has found."""
        self.is_new = False
        if found.state is State.SUPERSEDED and self.follow:
            self.reference = self.reference.unpinned()
            found = found.as_followed()
        elif not found.is_settled:
            self.reference = found.reference
        self._failures = self._failures + 1 if isinstance(found.error, TRANSIENT) else 0
        if (found.is_settled or found.reason != self._said) and not self.is_over:
            self._said = found.reason
            self._next().set_result(found)

    def rest(self, *, most: int) -> None:
        """Let some looks pass over it where it could not be read, more each time.

        :param most: how many.
        """
        self._rest = min(2 ** min(self._failures, 16) - 1, most)

    def fail(self, error: BaseException) -> None:
        """End it with what has made looking impossible."""
        if not self.is_over:
            self._next().set_exception(error)

    def _next(self) -> asyncio.Future[Verification]:
        """Return what the next news are put into: those before may not have been taken yet."""
        if self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return self._news


class Group:
    """Waits with the same key and interval: they look together, and what goes wrong with them harms no others."""

    def __init__(self, interval: float, key: str) -> None:
        self.interval = interval
        self.key = key
        self.waits: dict[Wait, None] = {}
        self.looking: asyncio.Task[None] | None = None
        self.joined = asyncio.Event()
        self.refuses_queries = False
        self.was_connected = False
        self._failures = 0
        self._asked = 0.0

    def due(self) -> list[Wait]:
        """Return which of them the next look is to look at."""
        return [wait for wait in self.waits if wait.is_due()]

    def new(self) -> list[Wait]:
        """Return which of them nobody has looked at yet."""
        return [wait for wait in self.waits if wait.is_new and not wait.is_over]

    @property
    def backs_off(self) -> bool:
        """Whether looks are rarer than the interval says."""
        return self._failures > 0

    def pause(self) -> float:
        """Return the seconds until the next look."""
        return pause(self.interval, self._failures, self._asked)

    def pace(self, waits: Sequence[Wait], errors: Sequence[ArtifactoryError | None], *, only_new: bool = False) -> None:
        """Look more rarely while nothing can be read, or the server asks for it; one bad image holds up no other.

        :param waits: those that were looked at.
        :param errors: what has gone wrong for each of them, or for all.
        :param only_new: whether they were only those that had joined: that these cannot be read says little of others.
        """
        transient = [error for error in errors if isinstance(error, TRANSIENT)]
        is_failing = 0 < len(errors) == len(transient) and not only_new
        limits = [error for error in transient if is_failing or isinstance(error, RateLimited)]
        self._failures = self._failures + 1 if limits else 0
        self._asked = max((error.retry_after or 0.0 for error in limits), default=0.0)
        # Where all look more rarely, none is passed over besides: together that would be hours.
        for wait in self.waits if limits else waits:
            wait.rest(most=0 if limits else int(LONGEST_BACKOFF / self.interval))


class Poller:
    """Looks for all waits of one connection and event loop.

    :param conn_id: the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        _keep_imports("before the first wait")
        self._conn_id = conn_id
        self._groups: dict[tuple[float, str], Group] = {}
        self._connect: HttpConnections | None = None
        self._turns = asyncio.Semaphore(_LOOKS_AT_ONCE)

    @contextlib.asynccontextmanager
    async def joined(self, waits: Iterable[Wait], *, interval: float) -> AsyncIterator[None]:
        """Look for some waits at each interval.

        :param waits: the waits.
        :param interval: seconds between two looks, at least half a second.
        """
        interval = max(SHORTEST_PAUSE, interval)  # In this order, no number at all is the shortest.
        joined = [(wait, self._join(wait, interval)) for wait in waits]
        try:
            yield
        finally:
            for wait, group in joined:
                group.waits.pop(wait, None)
            ended = {group: None for _, group in joined if not group.waits}
            await asyncio.gather(*map(self._end, ended))

    def _join(self, wait: Wait, interval: float) -> Group:
        group = self._groups.get((interval, wait.key))
        if group is None:
            group = self._groups[interval, wait.key] = Group(interval, wait.key)
            # Not in the name of who waits first: what is logged would go to that one's task.
            looking = asyncio.create_task(self._look_at_intervals(group), context=contextvars.Context())
            looking.add_done_callback(lambda task: self._tell_end(group, task))
            group.looking = looking
        group.waits[wait] = None
        group.joined.set()
        return group

    async def _end(self, group: Group) -> None:
        if self._forget(group) and group.looking:
            group.looking.cancel()
            await asyncio.gather(group.looking, return_exceptions=True)

    def _forget(self, group: Group) -> bool:
        """Give who joins from now on another group, and return whether it was this one until now."""
        at = group.interval, group.key
        if self._groups.get(at) is not group:
            return False
        del self._groups[at]
        return True

    def _tell_end(self, group: Group, task: asyncio.Task[None]) -> None:
        """Tell who waits still that nobody looks any more, whatever has ended it."""
        if self._forget(group):
            error = None if task.cancelled() else task.exception()
            for wait in group.waits:
                wait.fail(error or RuntimeError("Nobody looks any more: the looking was cancelled."))

    async def _look_at_intervals(self, group: Group) -> None:
        loop = asyncio.get_running_loop()
        # The first import of the hook would hold the loop for long.
        await asyncio.to_thread(importlib.import_module, "artifactory_provider.hooks.artifactory")
        _keep_imports("with the hook")
        next_look = 0.0
        while True:
            await asyncio.sleep(SHORTEST_PAUSE)  # Others begin to wait at the same moment.
            group.joined.clear()
            begun = loop.time()
            is_time = begun >= next_look
            due = group.due() if is_time else group.new()
            if due:
                async with self._turn():
                    errors = await self._look(group, due)
                group.pace(due, errors, only_new=not is_time)
            if is_time or group.backs_off:
                next_look = begun + group.pause()
            # Who joins does not wait for the interval of others, unless the server is spared.
            hurry = asyncio.Event() if group.backs_off else group.joined
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_look - SHORTEST_PAUSE):
                    await hurry.wait()

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Let few groups look at a time; one that takes long gives its turn away, as its checks may never answer."""
        await self._turns.acquire()
        with contextlib.ExitStack() as turn:
            turn.callback(self._turns.release)
            given_away = asyncio.get_running_loop().call_later(_LONGEST_TURN, turn.close)
            try:
                yield
            finally:
                given_away.cancel()

    async def _look(self, group: Group, waits: Sequence[Wait]) -> list[ArtifactoryError | None]:
        """Look once for some waits; whatever happens, each of them gets to know it. Return what has gone wrong."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook
        from artifactory_provider.hooks.http_connections import HttpConnections

        self._connect = self._connect or HttpConnections()
        is_connected = False
        try:
            checks = await _read_checks(waits)
            known = [wait for wait in waits if wait.checks in checks]
            async with ArtifactoryHook(self._conn_id).client() as client:
                is_connected = group.was_connected = True
                return await self._look_at(client, group, known, checks)
        except ArtifactoryError as error:
            return _tell_all(waits, error)
        except Exception as error:  # noqa: BLE001 - each trigger raises it
            if group.was_connected and not is_connected:
                # Airflow says of a connection whose secrets backend is down for a moment that there is none.
                kind = type(error).__name__
                message = f"The connection {self._conn_id!r}, which was there, cannot be read ({kind})."
                return _tell_all(waits, RequestNotSent(message))
            for wait in waits:
                wait.fail(error)
            return []

    async def _look_at(
        self, client: ArtifactoryClient, group: Group, waits: Sequence[Wait], checks: Mapping[str, Sequence[Check]]
    ) -> list[ArtifactoryError | None]:
        errors: list[ArtifactoryError | None] = []
        for start in range(0, len(waits), _REFERENCES_A_LOOK):
            batch = waits[start : start + _REFERENCES_A_LOOK]
            questions = [(wait.reference, checks[wait.checks]) for wait in batch]
            async with Ledger(client, refuses_queries=group.refuses_queries) as ledger:
                found = await verify_each(ledger, questions, connect=self._connect)
                group.refuses_queries = ledger.refuses_queries
            # Who is told that a wait is over may end this look before its end.
            count_look(len(batch), is_read=not all(one.error for one in found))
            async for wait, one in in_turns(zip(batch, found, strict=True)):
                wait.tell(one)
                errors.append(one.error)
        return errors


async def _read_checks(waits: Iterable[Wait]) -> dict[str, Sequence[Check]]:
    """Return the checks of waits by how they are written; those that cannot be read end their waits."""
    checks: dict[str, Sequence[Check]] = {}
    async for wait in in_turns(waits):
        try:
            if wait.checks not in checks:
                checks[wait.checks] = tuple(check_from_dict(check) for check in json.loads(wait.checks))
        except Exception as error:  # noqa: BLE001 - the trigger raises it
            wait.fail(error)
    return checks


def _is_of_properties(check: object) -> bool:
    """Return whether a check, as it is written, reads nothing but properties: it cannot hold up any other."""
    if not isinstance(check, dict):
        return False
    kind, parts = check.get("kind"), check.get("checks")
    if kind in _COMBINATIONS and isinstance(parts, list | tuple):
        return all(map(_is_of_properties, parts))
    return bool(kind == PropertyCheck.kind)


def _tell_all(waits: Sequence[Wait], error: ArtifactoryError) -> list[ArtifactoryError | None]:
    count_look(len(waits), is_read=False)
    for wait in waits:
        wait.tell(fail_to_look(wait.reference, error))
    return [error]


def poller_of(conn_id: str) -> Poller:
    """Return the poller of a connection in the running event loop.

    :param conn_id: the Airflow connection.
    """
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in pollers:
        pollers[conn_id] = Poller(conn_id)
    return pollers[conn_id]


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


@functools.cache
def _keep_imports(_when: str) -> None:
    """Pass over what is imported by now when looking for garbage: it stays.

    To look through it again and again, as thousands of waits come and go, holds the loop for a tenth of a second and
    more each time. Twice a process, no more: garbage that is there by then, others' too, is never found any more.
    """
    gc.freeze()


def pause(interval: float, failures: int, asked: float) -> float:
    """Return the seconds between two looks: longer after failures, and then never in step with other triggerers.

    :param interval: the seconds where nothing fails.
    :param failures: how many looks in a row have failed.
    :param asked: the seconds that the server has asked to wait.
    """
    if not failures:
        return interval
    longest = max(interval, LONGEST_BACKOFF)
    backoff = min(max(interval * 2.0 ** min(failures, 16), asked), longest)
    return backoff * random.uniform(1, 1.2)  # noqa: S311 - spreads requests, keeps no secret
