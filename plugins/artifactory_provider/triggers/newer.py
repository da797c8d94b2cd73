"""Runs that wait get to know of newer tags: those of one connection in one triggerer look together.

At each interval, one query asks for what was pushed since the last look to the repositories where the runs began,
however many they are. Only for an image that something was pushed of, its tags are asked for, as the run itself does:
both decide by the same, so that no run is woken for nothing again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime
import importlib
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines.model import Pipeline
from artifactory_provider.pipelines.newer import find_superseded
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.triggers.poller import SHORTEST_PAUSE
from artifactory_provider.triggers.pushes import OVERLAP, Push, Watches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

log = logging.getLogger(__name__)


class Pushes:
    """What a look has found in one repository.

    :param pushes: the pushes.
    """

    def __init__(self, pushes: Iterable[Push] = ()) -> None:
        self.newest: datetime.datetime | None = None
        grouped: dict[str, set[Push]] = defaultdict(set)
        for push in pushes:
            grouped[push.image.image].add(push)
            self.newest = max(self.newest or push.moment, push.moment)
        self.of_image = {image: frozenset(some) for image, some in grouped.items()}


class Begun:
    """The images of one run that waits, where they began: all in one repository.

    :param tag: which tags its pipeline means, as ``Pipeline.tag`` has it.
    :param starts: repository, image and tag, pinned.
    :param since: from when on the run knows nothing of pushes.
    """

    def __init__(self, tag: str, starts: Sequence[ImageReference], since: datetime.datetime) -> None:
        self.tag = tag
        self.starts = tuple(starts)
        self.since = since - OVERLAP
        self.superseded: dict[ImageReference, str] = {}
        """Those that have ended, and why."""
        self._known: frozenset[Push] = frozenset()
        self._own = frozenset(starts)
        self._images = frozenset(start.image for start in starts)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Begun:
        """Return what stands in a trigger's arguments.

        :param document: ``{"tag": …, "starts": ["repository/image:tag@digest"], "since": …}``.
        """
        starts = [ImageReference.parse(start) for start in document["starts"]]
        return cls(document["tag"], starts, datetime.datetime.fromisoformat(document["since"]))

    @property
    def repository(self) -> str:
        """Where they began."""
        return self.starts[0].repository

    def find_touched(self, pushes: Pushes) -> list[ImageReference]:
        """Return those of whose images something was pushed that was not there at the look before.

        :param pushes: what a look has found in the repository.
        """
        touched = {
            push.image.image
            for image in self._images & pushes.of_image.keys()
            for push in pushes.of_image[image] - self._known
            if push.image not in self._own
        }
        return [start for start in self.starts if start.image in touched] if touched else []

    def note(self, pushes: Pushes) -> None:
        """Take what a look has found for known, and go on from there.

        :param pushes: what a look has found in the repository.
        """
        known = [pushes.of_image[image] for image in self._images & pushes.of_image.keys()]
        self._known = frozenset().union(*known)
        if pushes.newest is not None:
            self.since = max(self.since, pushes.newest - OVERLAP)


class NewerTags(Watches):
    """The runs of one connection and event loop that wait, and may be superseded."""

    def __init__(self, conn_id: str, interval: float) -> None:
        super().__init__(conn_id, interval)
        self._begun: dict[Begun, None] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def waiting(self, run: Begun) -> AsyncIterator[None]:
        """Look for what supersedes a run's images, as long as this is open.

        :param run: the run; its ``superseded`` says what was found.
        """
        self._begun[run] = None
        if self._looking is None:
            # Not in the name of who waits first: what is logged would go to that one's task.
            self._looking = asyncio.create_task(self._look_at_intervals(), context=contextvars.Context())
        try:
            with self.joined(run.repository, run, hurries=False):
                yield
        finally:
            del self._begun[run]
            if not self._begun:
                looking, self._looking = self._looking, None
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _look_at_intervals(self) -> None:
        # The first import of the hook would hold the loop for long.
        await asyncio.to_thread(importlib.import_module, "artifactory_provider.hooks.artifactory")
        async for _ in self.looks():
            pass

    async def _look(self) -> dict[str, list[Push]]:
        begun = tuple(self._begun)
        found = await super()._look()
        pushes = {run.repository: Pushes() for run in begun} | {key: Pushes(some) for key, some in found.items()}
        touched = {run: some for run in begun if (some := run.find_touched(pushes[run.repository]))}
        unclear = await self._judge(touched) if touched else set()
        for run in begun:
            if run not in unclear:
                run.note(pushes[run.repository])
        return found

    async def _judge(self, touched: Mapping[Begun, Sequence[ImageReference]]) -> set[Begun]:
        """Find out what is superseded of some runs; return those of which nobody can tell now."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        of_image: dict[tuple[str, str, str], dict[Begun, list[ImageReference]]] = defaultdict(lambda: defaultdict(list))
        for run, starts in touched.items():
            for start in starts:
                of_image[run.tag, start.repository, start.image][run].append(start)
        unclear: set[Begun] = set()

        async def judge(place: tuple[str, str, str]) -> None:
            pipeline, runs = Pipeline(name="-", images=Patterns(), stages=(), tag=place[0]), of_image[place]
            try:
                starts = list(dict.fromkeys(start for some in runs.values() for start in some))
                found = await find_superseded(client, pipeline, starts)
            except ArtifactoryError as error:
                log.warning("%s Looking for newer tags of %s again later.", error, place[2])
                unclear.update(runs)
                return
            for run, some in runs.items():
                run.superseded |= {start: found[start] for start in some if start in found}

        async with ArtifactoryHook(self._conn_id).client() as client:
            await concurrently(judge, of_image)
        return unclear


def newer_tags_of(conn_id: str, interval: float) -> NewerTags:
    """Return who looks for the runs of a connection in the running event loop.

    :param conn_id: the Airflow connection.
    :param interval: seconds between two looks, at least half a second.
    """
    interval = max(SHORTEST_PAUSE, interval)  # In this order, no number at all is the shortest.
    of_loop = _newer_tags.setdefault(asyncio.get_running_loop(), {})
    if (conn_id, interval) not in of_loop:
        of_loop[conn_id, interval] = NewerTags(conn_id, interval)
    return of_loop[conn_id, interval]


_newer_tags: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, float], NewerTags]] = WeakKeyDictionary()
