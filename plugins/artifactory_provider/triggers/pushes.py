"""The trigger of watchers: it tells which tags were pushed since it last told, for servers without webhooks.

All watchers of one connection in one triggerer share one look. Each keeps by itself up to when it has told everything,
in Airflow's state store of the asset that it watches: nothing is missed while no triggerer runs. A watcher that a crash
has kept from noting what it told tells it again, and who listens passes over what is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.layout import any_manifest, any_of, is_tag_folder, shown_file, split_folder
from artifactory_provider.artifactory.references import ImageReference, InvalidReference, check_repository
from artifactory_provider.promotion.tags import select_images
from artifactory_provider.triggers.poller import SHORTEST_PAUSE, pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from artifactory_provider.artifactory.aql import Item

log = logging.getLogger(__name__)

OVERLAP = datetime.timedelta(minutes=5)
"""How far back each look goes behind what was told: clocks differ, and writes become visible late."""
STATE = "told"
_PUSHES_AN_EVENT = 100
_MOST_REMEMBERED = 2500
_HEX = 12
_MILLISECOND = datetime.timedelta(milliseconds=1)


class Push(NamedTuple):
    """A tag that was pushed.

    :param image: repository, image, tag and digest.
    :param moment: when, by the server's clock.
    """

    image: ImageReference
    moment: datetime.datetime

    @property
    def mark(self) -> str:
        """What is remembered of it."""
        told = f"{self.image} {self.moment.isoformat()}"
        return hashlib.sha256(told.encode()).hexdigest()[:_HEX]


class Watermark:
    """Up to when everything was told; and, as looks go back behind that, what was told since then.

    :param since: from when on looks look.
    :param told: the marks of what was told since, and when that was pushed.
    """

    def __init__(self, since: datetime.datetime, told: Mapping[str, datetime.datetime] | None = None) -> None:
        self.since = since
        self.told = dict(told or {})

    @classmethod
    def read(cls, document: Any) -> Watermark:
        """Return what was stored; where nothing was, everything up to now counts as told.

        What nobody can read ends no watcher: it tells again what the next look finds, which starts nothing twice.

        :param document: what ``as_dict`` has returned, or None.
        """
        if document is None:
            return cls(datetime.datetime.now(datetime.UTC) - OVERLAP)
        try:
            since = datetime.datetime.fromisoformat(document["since"]).astimezone(datetime.UTC)
            return cls(since, {str(mark): since + after * _MILLISECOND for mark, after in document["marks"].items()})
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            log.warning("What this watcher has stored cannot be read (%s): %.200s", type(error).__name__, document)
            return cls(datetime.datetime.now(datetime.UTC) - OVERLAP)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, whose text has 61 kB at most: Airflow's bound for what it stores is 64 KiB.

        When something was pushed stands there as milliseconds after ``since``, rounded up.
        """
        marks = {mark: -((self.since - moment) // _MILLISECOND) for mark, moment in self.told.items()}
        return {"since": self.since.isoformat(), "marks": marks}

    def select(self, pushes: Iterable[Push]) -> list[Push]:
        """Return what was not told yet, the oldest first.

        :param pushes: what a look has found.
        """
        new = [push for push in pushes if push.moment >= self.since and push.mark not in self.told]
        return sorted(new, key=lambda push: (push.moment, str(push.image)))

    def note(self, pushes: Iterable[Push]) -> None:
        """Take pushes for told, and forget what no look will find again.

        :param pushes: what was told.
        """
        self.told |= {push.mark: push.moment for push in pushes}
        moments = sorted(self.told.values())
        if moments:
            self.since = max(self.since, moments[-1] - OVERLAP)
        if len(moments) > _MOST_REMEMBERED:
            # Beyond the last that is not remembered: it, and what was pushed at the same moment, would be told again.
            self.since = max(self.since, moments[-_MOST_REMEMBERED - 1] + datetime.timedelta.resolution)
        self.told = {mark: moment for mark, moment in self.told.items() if moment >= self.since}


class HasSince(Protocol):
    """What knows from when on looks look: ``since`` may move on."""

    since: datetime.datetime


class Watches:
    """Those who ask for pushes through one connection, and the looks that they share.

    :param conn_id: the Airflow connection.
    :param interval: seconds between two looks.
    """

    def __init__(self, conn_id: str, interval: float) -> None:
        self._conn_id = conn_id
        self._interval = interval
        self._joined = asyncio.Event()
        self._watched: dict[object, tuple[str, HasSince]] = {}

    @contextlib.contextmanager
    def joined(self, repository: str, asker: HasSince, *, hurries: bool = True) -> Iterator[None]:
        """Look at a repository, too, as long as this is open.

        :param repository: the repository key.
        :param asker: from when on it is looked for pushes.
        :param hurries: whether the first look does not wait for the interval of others.
        """
        token = object()
        self._watched[token] = (repository, asker)
        if hurries:
            self._joined.set()
        try:
            yield
        finally:
            del self._watched[token]

    async def looks(self) -> AsyncIterator[dict[str, list[Push]]]:
        """Look again and again, and yield what was found, by repository; nothing that goes wrong ends it."""
        failures, asked = 0, 0.0
        while True:
            self._joined.clear()
            try:
                found = await self._look()
                failures, asked = 0, 0.0
            except ArtifactoryError as error:
                failures, asked = failures + 1, error.retry_after or 0.0
                log.warning("%s Looking for pushes again later.", error)
            except Exception as error:
                failures, asked = failures + 1, 0.0
                log.warning("Pushes cannot be looked for: %s. Trying again later.", type(error).__name__, exc_info=True)
            else:
                yield found
            await asyncio.sleep(SHORTEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause(self._interval, failures, asked) - SHORTEST_PAUSE):
                    await (asyncio.Event() if failures else self._joined).wait()

    async def _look(self) -> dict[str, list[Push]]:
        since: dict[str, datetime.datetime] = {}
        for repository, asker in self._watched.values():
            since[repository] = min(since.get(repository, asker.since), asker.since)
        if not since:
            return {}
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        async with ArtifactoryHook(self._conn_id).client() as client:
            items = await client.find_items(_criteria(since))
        return _read_pushes(items)


class ArtifactoryPushTrigger(BaseEventTrigger):
    """Tell of pushes of tags to a repository: an event has ``{"repository": …, "pushed": ["repository/image:tag@…"]}``.

    Give it to an asset's watcher. Tags of promotions under way, backups and attachments are no pushes.

    :param artifactory_conn_id: the Airflow connection; its user may read the repository, and ask queries.
    :param repository: the repository key.
    :param poke_interval: seconds between two looks, at least one.
    """

    def __init__(self, *, repository: str, artifactory_conn_id: str, poke_interval: float = 30.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.repository = check_repository(repository)
        self.artifactory_conn_id = artifactory_conn_id
        self.poke_interval = max(1.0, float(poke_interval))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "repository": self.repository,
                "artifactory_conn_id": self.artifactory_conn_id,
                "poke_interval": self.poke_interval,
            },
        )

    def shared_stream_key(self) -> tuple[str, ...]:
        """Return what those have in common who look together."""
        return ("artifactory-pushes", self.artifactory_conn_id, str(self.poke_interval))

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, list[Push]]]:
        """Look for all watchers of a connection.

        :param kwargs: the arguments of one of them.
        """
        async for found in _watches_of(kwargs["artifactory_conn_id"], float(kwargs["poke_interval"])).looks():
            yield found

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Tell what a look has found in this repository, and note it when the next look comes.

        :param shared_stream: what the looks find.
        """
        store = self.asset_state_store
        watermark = Watermark.read(await store.aget(STATE) if store is not None else None)
        stored = None
        with _watches_of(self.artifactory_conn_id, self.poke_interval).joined(self.repository, watermark):
            async for found in shared_stream:
                # By now Airflow has what was told before.
                document = watermark.as_dict()
                if store is not None and document != stored:
                    await store.aset(STATE, document)
                    stored = document
                for some in _in_parts(watermark.select(found.get(self.repository, ()))):
                    yield TriggerEvent({"repository": self.repository, "pushed": [str(one.image) for one in some]})
                    watermark.note(some)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same alone, where triggers share nothing."""
        looks = _watches_of(self.artifactory_conn_id, self.poke_interval).looks()
        async for event in self.filter_shared_stream(looks):
            yield event


def _criteria(since: Mapping[str, datetime.datetime]) -> dict[str, Any]:
    """Return the AQL criteria that find the manifests which were written in repositories since some moment each."""
    found = [
        {"repo": repository, "updated": {"$gte": moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}
        for repository, moment in sorted(since.items())
    ]
    return {"$and": [any_of(found), any_manifest(), {"path": {"$nmatch": "*/sha256:*"}}]}


def _read_pushes(items: Iterable[Item]) -> dict[str, list[Push]]:
    folders: dict[tuple[str, str], dict[str, Item]] = defaultdict(dict)
    for item in items:
        folders[item.repository, item.folder][item.name] = item
    pushes: dict[str, list[Push]] = defaultdict(list)
    for (repository, folder), files in folders.items():
        shown = files[shown_file(files) or next(iter(files))]
        image, tag = split_folder(folder)
        if shown.updated is None or not is_tag_folder(tag) or not select_images([tag]):
            continue
        try:
            pushes[repository].append(Push(ImageReference(repository, image, tag, shown.digest), shown.updated))
        except InvalidReference:
            continue  # No image that could be promoted has such a name.
    return pushes


def _in_parts(pushes: Sequence[Push]) -> Iterable[Sequence[Push]]:
    return (pushes[start : start + _PUSHES_AN_EVENT] for start in range(0, len(pushes), _PUSHES_AN_EVENT))


def _watches_of(conn_id: str, interval: float) -> Watches:
    """Return the watchers of a connection in the running event loop."""
    of_loop = _watches.setdefault(asyncio.get_running_loop(), {})
    key = conn_id, interval
    if key not in of_loop:
        of_loop[key] = Watches(conn_id, interval)
    return of_loop[key]


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, float], Watches]] = WeakKeyDictionary()
