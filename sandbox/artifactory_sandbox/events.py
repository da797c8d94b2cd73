"""Events: what happens to images and properties, who wants to hear of it, and telling them until they have heard."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import httpx
from pydantic import AfterValidator, BaseModel, Field, HttpUrl, model_validator
from pydantic.alias_generators import to_camel

from artifactory_sandbox import items, layout
from artifactory_sandbox.names import is_digest, matches

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from artifactory_sandbox.blobs import BlobStore
    from artifactory_sandbox.config import Config
    from artifactory_sandbox.items import Item
    from artifactory_sandbox.metadata import Database
    from artifactory_sandbox.names import Place

_log = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 10.0
_LONGEST_PAUSE = 300.0

Domain = Literal["docker", "artifact_property"]
EventType = Literal["pushed", "deleted", "promoted", "added"]
_EVENT_TYPES: dict[Domain, tuple[EventType, ...]] = {
    "docker": ("pushed", "deleted", "promoted"),
    "artifact_property": ("added", "deleted"),
}


# Fields that are not known are left alone, here and below: clients send more than is told here.
class Criteria(BaseModel, frozen=True, populate_by_name=True, alias_generator=to_camel):
    """The repositories and paths that a subscription is about."""

    any_local: bool = False
    any_remote: bool = False
    any_federated: bool = False
    repositories: tuple[str, ...] = Field(default=(), alias="repoKeys")
    include_patterns: tuple[str, ...] = ()
    exclude_patterns: tuple[str, ...] = ()


class EventFilter(BaseModel, frozen=True):
    """What a subscription wants to hear of: events of one domain."""

    domain: Domain
    event_types: tuple[EventType, ...] = Field(min_length=1)
    criteria: Criteria = Criteria()

    @model_validator(mode="after")
    def _domain_has_the_events(self) -> EventFilter:
        known = _EVENT_TYPES[self.domain]
        for event in self.event_types:
            if event not in known:
                raise ValueError(f"the domain '{self.domain}' has no event '{event}', only {', '.join(known)}")
        return self


class Header(BaseModel, frozen=True):
    """A header that is sent along."""

    name: str = Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    value: str = Field(default="", pattern=r"^[\x20-\x7e]*$")


def _no_proxy(proxy: str | None) -> str | None:
    if proxy:
        raise ValueError("the sandbox knows no proxies, it delivers directly: leave the field out")
    return proxy


class Handler(BaseModel, frozen=True):
    """Where events are sent, and how the receiver knows whom they come from."""

    handler_type: Literal["webhook"] = "webhook"
    url: HttpUrl
    secret: str = Field(default="", pattern=r"^[\x20-\x7e]*$")
    use_secret_for_signing: bool = False
    custom_http_headers: tuple[Header, ...] = ()
    proxy: Annotated[str | None, AfterValidator(_no_proxy)] = None

    async def deliver(self, client: httpx.AsyncClient, body: bytes) -> str:
        """Send an event; return what went wrong, if something did."""
        headers = {"Content-Type": "application/json", **{one.name: one.value for one in self.custom_http_headers}}
        if self.secret:
            signature = hmac.digest(self.secret.encode(), body, "sha256").hex()
            headers["X-JFrog-Event-Auth"] = signature if self.use_secret_for_signing else self.secret
        try:
            # What the receiver answers is of no interest, however long it is.
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                client.stream("POST", str(self.url), content=body, headers=headers) as response,
            ):
                return "" if response.is_success else f"status {response.status_code}"
        except (httpx.HTTPError, TimeoutError) as error:
            return type(error).__name__


class Subscription(BaseModel, frozen=True):
    """One subscription, as JFrog's REST documentation has it ("Webhooks")."""

    key: str = Field(pattern=r"^[A-Za-z0-9_.-]{2,200}$")
    description: str = ""
    enabled: bool = True
    event_filter: EventFilter
    handlers: tuple[Handler, ...] = Field(min_length=1)

    def covers(self, repository: str, repository_class: str, path: str) -> bool:
        """Return whether what happens at a path of a repository is to be told."""
        criteria = self.event_filter.criteria
        is_any = {"local": criteria.any_local, "remote": criteria.any_remote, "federated": criteria.any_federated}
        return (repository in criteria.repositories or is_any.get(repository_class, False)) and matches(
            path, criteria.include_patterns or ("**",), criteria.exclude_patterns
        )

    def show(self) -> dict[str, Any]:
        """Return it as clients see it, without its secrets."""
        shown = self.model_dump(mode="json", by_alias=True)
        for handler in shown["handlers"]:
            handler["secret"] = handler["secret"] and "***"
        return shown


class _Delivery(NamedTuple):
    """An event on its way to one handler of one subscription."""

    number: int
    handler: int
    body: str
    attempts: int
    due: float
    subscription: str


class _Note(NamedTuple):
    """An event that one subscription is to be told of."""

    subscription: Subscription
    event: EventType
    data: Mapping[str, object]


class Events:
    """What has happened and has not been told to all who want to hear of it; kept in the database.

    :param config: the repositories, and how deliveries are repeated.
    :param database: where subscriptions and events wait.
    :param blobs: where the platforms of images are read.
    """

    def __init__(self, config: Config, database: Database, blobs: BlobStore) -> None:
        self._config = config
        self._database = database
        self._blobs = blobs
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_dirty = False
        # Between two transactions: a wake that another request caused could be spent on what is not committed yet.
        database.after_commit = self._wake_after_commit

    def record(
        self, tx: sqlite3.Connection, event: EventType, place: Place, tag: str, *, user: str, source: str | None = None
    ) -> None:
        """Note what happens to a tag, in the transaction in which it happens: when it stands there.

        :param source: the repository that a promoted tag comes from.
        """
        listeners = [] if is_digest(tag) else _find_listeners(tx, "docker")
        item = layout.find_manifest(tx, place, tag) if listeners else None
        if item is None:
            return
        told = source if source and self._config.webhooks.promoted_repository == "source" else place.repository
        wanting = _find_wanting(self._find_covering(listeners, told, item.full_path), event)
        data = {**self._describe(item, tag), "repo_key": told} if wanting else {}
        self._note(tx, [_Note(one, event, data) for one in wanting], user)

    def record_properties(
        self, tx: sqlite3.Connection, affected: Sequence[Item], values: Mapping[str, Sequence[str]], *, user: str
    ) -> None:
        """Note what is about to become of properties, in the transaction in which it happens, and before it does.

        One event a property whose values change: `added` with those that it gets, `deleted` with those that it had
        ("Domain: Artifact Properties" of JFrog's Platform Administration Documentation).

        :param affected: the files and folders that are changed, in that order.
        :param values: the values that each of them gets under each key; none removes the property.
        """
        listeners = _find_listeners(tx, "artifact_property")
        if listeners:
            self._note(tx, self._find_changes(tx, listeners, affected, values), user)

    def _find_changes(
        self,
        tx: sqlite3.Connection,
        listeners: Sequence[Subscription],
        affected: Sequence[Item],
        values: Mapping[str, Sequence[str]],
    ) -> Iterator[_Note]:
        for item in affected:
            covering = self._find_covering(listeners, item.repository, item.full_path)
            standing = items.properties(tx, item.id) if covering else {}
            for key, texts in values.items() if covering else ():
                old, new = sorted(standing.get(key, ())), sorted(set(texts))
                if new != old or (new and self._config.webhooks.unchanged_properties):
                    event: EventType = "added" if new else "deleted"
                    data = {**_describe_item(item), "property_key": key, "property_values": new or old}
                    yield from (_Note(one, event, data) for one in _find_wanting(covering, event))

    def _find_covering(self, listeners: Sequence[Subscription], repository: str, path: str) -> list[Subscription]:
        repository_class = self._config.repositories[repository].repository_class
        return [one for one in listeners if one.covers(repository, repository_class, path)]

    def _note(self, tx: sqlite3.Connection, notes: Iterable[_Note], user: str) -> None:
        """Write down what each handler is to be told."""
        told: dict[str, Subscription] = {}
        for subscription, event, data in notes:
            envelope = {
                "domain": subscription.event_filter.domain,
                "event_type": event,
                "data": data,
                "subscription_key": subscription.key,
                "jpd_origin": self._config.webhooks.origin,
                "source": f"jfrog/{user}",
            }
            rows = [(subscription.key, number, json.dumps(envelope)) for number in range(len(subscription.handlers))]
            tx.executemany("INSERT INTO events (subscription, handler, body) VALUES (?, ?, ?)", rows)
            told[subscription.key] = subscription
        for subscription in told.values():
            _drop_oldest(tx, subscription, self._config.webhooks.queue)
            self._is_dirty = True

    async def deliver(self) -> None:
        """Deliver events until cancelled: to each handler one after the other, the oldest first."""
        self._loop = asyncio.get_running_loop()
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
                while True:
                    await self._deliver_due(client)
        finally:
            self._loop = None

    async def _deliver_due(self, client: httpx.AsyncClient) -> None:
        """Try once to tell each handler its oldest event; wait, if none is due."""
        self._wake.clear()
        waiting, now = await self._database.read(_oldest), time.time()
        due = [delivery for delivery in waiting if delivery.due <= now]
        await asyncio.gather(*(self._attempt(client, delivery) for delivery in due))
        if not due:
            pause = min((delivery.due - now for delivery in waiting), default=None)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def _wake_after_commit(self) -> None:
        loop = self._loop
        if self._is_dirty and loop is not None:
            self._is_dirty = False
            with suppress(RuntimeError):  # the loop has just ended: what waits is told after the next start
                loop.call_soon_threadsafe(self._wake.set)

    async def _attempt(self, client: httpx.AsyncClient, delivery: _Delivery) -> None:
        subscription, problem = Subscription.model_validate_json(delivery.subscription), ""
        if delivery.handler < len(subscription.handlers):  # else it was taken away while the event waited
            problem = await subscription.handlers[delivery.handler].deliver(client, delivery.body.encode())
        attempts, number = delivery.attempts + 1, delivery.number
        if problem and attempts < self._config.webhooks.attempts:
            due = time.time() + min(self._config.webhooks.pause * 2**delivery.attempts, _LONGEST_PAUSE)
            again = "UPDATE events SET attempts = ?, due = ? WHERE id = ?"
            await self._database.write(lambda tx: tx.execute(again, (attempts, due, number)))
            return
        if problem:
            _log.warning("webhook %s was given up after %d attempts: %s", subscription.key, attempts, problem)
        await self._database.write(lambda tx: tx.execute("DELETE FROM events WHERE id = ?", (number,)))

    def _describe(self, item: Item, tag: str) -> dict[str, object]:
        return {
            **_describe_item(item),
            "image_name": item.image,
            "image_type": "oci" if ".oci." in item.media_type else "docker",
            "tag": tag,
            "platforms": self._platforms(item.digest),
        }

    def _platforms(self, digest: str) -> list[dict[str, str]]:
        """Return what an index says of its children, or an image's config of itself."""
        try:
            manifest = json.loads(self._blobs.read(digest))
            if "manifests" in manifest:
                found = [child.get("platform", {}) for child in manifest["manifests"]]
            else:
                found = [json.loads(self._blobs.read(manifest["config"]["digest"]))]
            return [{"architecture": one["architecture"], "os": one["os"]} for one in found if "architecture" in one]
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return []


def _describe_item(item: Item) -> dict[str, object]:
    """Return what events say of a file; of a folder, which has no content, they say less."""
    told: dict[str, object] = {"repo_key": item.repository, "path": item.full_path, "name": item.name}
    if item.digest.startswith("sha256:"):
        told["sha256"] = item.digest.removeprefix("sha256:")
    return told if item.is_folder else {**told, "size": item.size}


def _drop_oldest(tx: sqlite3.Connection, subscription: Subscription, kept: int) -> None:
    """Give up the events that have waited longest, where too many wait: an absent receiver must not fill the disk."""
    query = (
        "DELETE FROM events WHERE subscription = ?1 AND handler = ?2 AND id <= (SELECT id FROM events "
        "WHERE subscription = ?1 AND handler = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)"
    )
    for number in range(len(subscription.handlers)):
        dropped = tx.execute(query, (subscription.key, number, kept)).rowcount
        if dropped:
            _log.warning("webhook %s: %d events were given up, as too many wait", subscription.key, dropped)


def find_subscriptions(tx: sqlite3.Connection) -> dict[str, Subscription]:
    """Return the subscriptions by their keys, in order."""
    rows = tx.execute("SELECT key, body FROM subscriptions ORDER BY key")
    return {key: Subscription.model_validate_json(body) for key, body in rows}


def _find_listeners(tx: sqlite3.Connection, domain: Domain) -> list[Subscription]:
    """Return the subscriptions that are to be told of a domain's events."""
    return [one for one in find_subscriptions(tx).values() if one.enabled and one.event_filter.domain == domain]


def _find_wanting(subscriptions: Iterable[Subscription], event: EventType) -> list[Subscription]:
    return [one for one in subscriptions if event in one.event_filter.event_types]


def _oldest(tx: sqlite3.Connection) -> list[_Delivery]:
    query = (
        "SELECT id, handler, events.body, attempts, due, subscriptions.body "
        "FROM events JOIN subscriptions ON key = subscription "
        "WHERE id IN (SELECT min(id) FROM events GROUP BY subscription, handler)"
    )
    return [_Delivery(*row) for row in tx.execute(query)]
