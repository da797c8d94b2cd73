"""Watchers of a repository, as a triggerer has them: nothing that was pushed is missed, nothing told twice."""

from __future__ import annotations

import asyncio
import datetime
import json
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.serialization.serialized_objects import BaseSerialization
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers import ArtifactoryPushTrigger
from artifactory_provider.triggers.pushes import OVERLAP, Push, Watermark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOUND = 30
AQL = "/api/search/aql"
MOST_STORED = 65_535
"""Bytes: the default of Airflow's ``[state_store] max_value_storage_bytes``."""


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


class Store:
    """Airflow's state store of an asset, which outlives its watcher."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.written = 0

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.written += 1
        self.kept[key] = BaseSerialization.deserialize(BaseSerialization.serialize(value))


class Watcher:
    """One watcher, and what it has told."""

    def __init__(self, repository: str = "docker-dev", store: Store | None = None) -> None:
        self.trigger = ArtifactoryPushTrigger(
            repository=repository, artifactory_conn_id="artifactory_default", poke_interval=1
        )
        self.store = store or Store()
        self.trigger.asset_state_store = self.store  # type: ignore[assignment]
        self.told: list[str] = []

    async def watch(self, stream: AsyncIterator[Any] | None = None) -> None:
        events = self.trigger.run() if stream is None else self.trigger.filter_shared_stream(stream)
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                assert event.payload["repository"] == self.trigger.repository
                self.told += event.payload["pushed"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watcher]:
        task = asyncio.create_task(self.watch())
        try:
            yield self
        finally:
            assert not task.done(), task.exception()
            task.cancel()
            await asyncio.wait([task])


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(20 * BOUND):
        if is_so():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"not within {BOUND} s")


def about(told: list[str], image: str) -> list[str]:
    """Return what was told of one image: other tests push to the same repositories."""
    return [one for one in told if f"/{image}:" in one]


def count_looks(gateway: Gateway) -> int:
    """Return how often was looked for pushes: where other tests have pushed thousands, a look has several pages."""
    return sum(one.path.endswith(AQL) and b".offset(0)" in one.body for one in gateway.requests)


def push(sandbox: RunningSandbox, reference: str, content: str = "") -> str:
    return f"{reference}@{sandbox.push_image(reference, content=content or reference)}"


def test_it_is_made_again_from_what_it_is_written_as() -> None:
    made = ArtifactoryPushTrigger(repository="docker-dev", artifactory_conn_id="a", poke_interval=7)
    path, arguments = made.serialize()
    assert path == "artifactory_provider.triggers.pushes.ArtifactoryPushTrigger"
    assert ArtifactoryPushTrigger(**arguments).serialize() == made.serialize()


@pytest.mark.parametrize(
    "stored", ["", 7, [], {}, {"since": 1}, {"since": "x", "marks": {}}, {"since": "2026-01-01", "marks": {"a": "b"}}]
)
def test_what_is_stored_and_cannot_be_read_ends_no_watcher(stored: Any) -> None:
    before = datetime.datetime.now(datetime.UTC) - OVERLAP
    watermark = Watermark.read(stored)
    assert watermark.told == {}
    assert watermark.since >= before


async def test_each_push_is_told_once_and_other_tags_never(sandbox: RunningSandbox, image: str) -> None:
    async with Watcher().running() as watcher:
        first = push(sandbox, f"docker-dev/{image}:1.0")
        await until(lambda: about(watcher.told, image) == [first])
        push(sandbox, f"docker-dev/{image}:pending-aaaaaaaaaaaa-bbbbbbbb-run1-cccccccc")
        push(sandbox, f"docker-dev/{image}:sha256-{'a' * 64}.sig")
        again = push(sandbox, f"docker-dev/{image}:1.0", content="another")
        second = push(sandbox, f"docker-dev/{image}:2.0")
        await until(lambda: len(about(watcher.told, image)) == 3)
        await asyncio.sleep(2.5)
        assert about(watcher.told, image) == [first, again, second]


async def test_what_is_pushed_while_nobody_watches_is_told_and_nothing_twice(
    sandbox: RunningSandbox, image: str
) -> None:
    store = Store()
    async with Watcher(store=store).running() as watcher:
        first = push(sandbox, f"docker-dev/{image}:1.0")
        await until(lambda: first in watcher.told)
        written = store.written
        await until(lambda: store.written > written)
    second = push(sandbox, f"docker-dev/{image}:2.0")
    async with Watcher(store=store).running() as watcher:
        await until(lambda: second in watcher.told)
        await asyncio.sleep(1.5)
        assert about(watcher.told, image) == [second]


async def test_what_airflow_may_not_have_got_before_a_crash_is_told_again(sandbox: RunningSandbox, image: str) -> None:
    store = Store()
    async with Watcher(store=store).running() as watcher:
        await until(lambda: store.written > 0)
        before = dict(store.kept)
        first = push(sandbox, f"docker-dev/{image}:1.0")
        await until(lambda: first in watcher.told)
    store.kept = before
    async with Watcher(store=store).running() as watcher:
        await until(lambda: about(watcher.told, image) == [first])


async def test_watchers_of_one_connection_look_together(sandbox: RunningSandbox, gateway: Gateway, image: str) -> None:
    watchers = [Watcher("docker-dev") for _ in range(5)] + [Watcher("docker-qa") for _ in range(5)]
    (key,) = {watcher.trigger.shared_stream_key() for watcher in watchers}
    assert "artifactory_default" in key
    streams: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in watchers]

    async def share() -> None:
        stream = ArtifactoryPushTrigger.open_shared_stream(watchers[0].trigger.serialize()[1])
        async for found in stream:
            for queue in streams:
                queue.put_nowait(found)

    async def read(queue: asyncio.Queue[Any]) -> AsyncIterator[Any]:
        while True:
            yield await queue.get()

    tasks = [
        asyncio.create_task(watcher.watch(read(queue))) for watcher, queue in zip(watchers, streams, strict=True)
    ] + [asyncio.create_task(share())]
    try:
        await asyncio.sleep(1)
        dev, qa = push(sandbox, f"docker-dev/{image}:1.0"), push(sandbox, f"docker-qa/{image}:1.0")
        await until(lambda: all(about(watcher.told, image) for watcher in watchers))
        assert [about(watcher.told, image) for watcher in watchers] == [[dev]] * 5 + [[qa]] * 5
        before = count_looks(gateway)
        await asyncio.sleep(3)
        assert 1 <= count_looks(gateway) - before <= 4
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("trouble", [Reply(503), Reply(429), Reply(200, body=b"<html>"), Reply(401)])
async def test_a_server_that_cannot_be_asked_is_asked_more_rarely_and_nothing_is_lost(
    sandbox: RunningSandbox, gateway: Gateway, image: str, trouble: Reply
) -> None:
    async with Watcher().running() as watcher:
        await asyncio.sleep(0.2)
        gateway.rule("POST", AQL, reply=trouble, does_work=False)
        pushed = push(sandbox, f"docker-dev/{image}:1.0")
        asked = gateway.count("POST", AQL)
        await asyncio.sleep(4)
        assert gateway.count("POST", AQL) - asked <= 12
        gateway.forget_rules()
        await until(lambda: about(watcher.told, image) == [pushed])


async def test_a_connection_that_is_missing_ends_no_watcher(monkeypatch: pytest.MonkeyPatch, image: str) -> None:
    asked: list[object] = []

    async def find_none(*_: object) -> None:
        asked.append(_)
        raise RuntimeError("there is no such connection")

    monkeypatch.setattr("artifactory_provider.hooks.artifactory.ArtifactoryHook.aget_connection", find_none)
    async with Watcher().running() as watcher:
        await until(lambda: bool(asked))
        await asyncio.sleep(3)
    assert len(asked) <= 3
    assert watcher.told == []


def at(seconds: float, tag: str) -> Push:
    moment = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)
    return Push(ImageReference("docker-dev", "app", tag, f"sha256:{'a' * 64}"), moment)


def test_tags_of_the_same_moment_are_told_each_though_they_become_visible_late() -> None:
    mark = Watermark(at(0, "x").moment)
    told = []
    for pushes in ([at(5, "a")], [at(5, "a"), at(5, "b")], [at(4, "c"), at(5, "b")], [at(4, "c"), at(5, "a")]):
        new = mark.select(pushes)
        told += [push.image.tag for push in new]
        mark.note(new)
    assert told == ["a", "b", "c"]


@pytest.mark.parametrize("seconds", [0, 0.0005, 0.03, 3], ids=["at once", "in 5 s", "in 5 min", "in 8 h"])
def test_what_is_remembered_of_any_number_of_pushes_fits_what_airflow_stores(seconds: float) -> None:
    mark = Watermark(at(0, "x").moment)
    told = [at(number * seconds, f"t{number}") for number in range(10_000)]
    for start in range(0, len(told), 100):
        mark.note(told[start : start + 100])
        assert len(json.dumps(mark.as_dict())) <= MOST_STORED
    again = Watermark.read(json.loads(json.dumps(mark.as_dict())))
    assert (again.since, list(again.told)) == (mark.since, list(mark.told))
    assert again.select(told) == mark.select(told) == []
    [new] = again.select([*told, at(9_999 * seconds + 0.000001, "new")])
    assert new.image.tag == "new"


def test_what_is_remembered_as_long_as_it_is_found_again() -> None:
    mark = Watermark(at(0, "x").moment)
    pushes = [at(0.0000015 + number / 7, f"t{number}") for number in range(2_000)]
    for start in range(0, len(pushes), 100):
        mark = Watermark.read(json.loads(json.dumps(mark.as_dict())))
        assert mark.select(pushes[: start + 100]) == pushes[start : start + 100]
        mark.note(pushes[start : start + 100])


def test_what_is_older_than_the_overlap_is_forgotten_and_not_looked_for() -> None:
    mark = Watermark(at(0, "x").moment)
    mark.note([at(0, "a"), at(2 * OVERLAP.total_seconds(), "b")])
    assert len(mark.told) == 1
    assert mark.select([at(0, "a")]) == []
