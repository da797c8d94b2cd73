"""Runs that wait, as a triggerer has them: a newer tag, or another digest of their own, ends their wait."""

from __future__ import annotations

import asyncio
import datetime
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.serialization.serialized_objects import BaseSerialization
from tests.integration.gateway import Reply
from tests.integration.pipelines.climbing import DEV_TESTS

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers.ladder import LadderTrigger
from artifactory_provider.triggers.newer import Begun, Pushes, newer_tags_of
from artifactory_provider.triggers.pushes import OVERLAP, Push
from artifactory_provider.verification import check_to_dict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOUND = 30
AQL, TAGS = "/api/search/aql", "/tags/list"


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def push(sandbox: RunningSandbox, name: str, content: str = "") -> str:
    return f"docker-dev/{name}@{sandbox.push_image(f'docker-dev/{name}', content=content or name)}"


def wait_for(
    *starts: str, tag: str = "newest", interval: float = 1, is_judged: bool = False, hours: float = 1
) -> LadderTrigger:
    now = datetime.datetime.now(datetime.UTC)
    checked = [{"checks": [check_to_dict(DEV_TESTS)], "references": list(starts)}]
    return LadderTrigger(
        artifactory_conn_id="artifactory_default",
        waits=checked if is_judged else [],
        poke_interval=interval,
        until=(now + datetime.timedelta(hours=hours)).isoformat(),
        newer={"tag": tag, "starts": list(starts), "since": now.isoformat()},
    )


async def end_of(trigger: LadderTrigger) -> Any:
    """Run a trigger, as a triggerer makes it, to its event."""
    made = type(trigger)(**BaseSerialization.deserialize(BaseSerialization.serialize(trigger.serialize()[1])))
    async with asyncio.timeout(BOUND), aclosing(made.run()) as events:  # type: ignore[type-var]
        [event] = [event.payload async for event in events]
    return event


@asynccontextmanager
async def waiting(*triggers: LadderTrigger) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Let triggers wait, and go on once they have looked."""
    tasks = [asyncio.create_task(end_of(trigger)) for trigger in triggers]
    await asyncio.sleep(1.5)
    assert not any(task.done() for task in tasks)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("is_judged", [True, False], ids=["for a verdict", "for a rule"])
async def test_a_newer_tag_ends_the_wait_of_the_older_within_about_an_interval(
    sandbox: RunningSandbox, image: str, is_judged: bool
) -> None:
    older, other = push(sandbox, f"{image}:1.0"), push(sandbox, f"{image}-b:1.0")
    async with waiting(wait_for(older, is_judged=is_judged), wait_for(other, is_judged=is_judged)) as (waits, stays):
        push(sandbox, f"{image}:1.1")
        async with asyncio.timeout(5):  # an interval is a second
            assert await waits == {"changed": 1}
        assert not stays.done()


async def test_what_was_pushed_between_the_look_of_the_run_and_its_wait_ends_it(
    sandbox: RunningSandbox, image: str
) -> None:
    trigger = wait_for(push(sandbox, f"{image}:1.0"))
    push(sandbox, f"{image}:1.1")
    assert await end_of(trigger) == {"changed": 1}


@pytest.mark.parametrize("tag", ["newest", "1.0", "triggering"])
async def test_another_digest_of_its_own_tag_ends_the_wait(sandbox: RunningSandbox, image: str, tag: str) -> None:
    async with waiting(wait_for(push(sandbox, f"{image}:1.0"), tag=tag)) as [waits]:
        push(sandbox, f"{image}:1.0", content=f"{image} built anew")
        assert await waits == {"changed": 1}


async def test_what_the_pipeline_does_not_mean_ends_no_wait_and_is_asked_about_once(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    async with waiting(wait_for(push(sandbox, f"{image}:1.5"), tag=">=1 <2")) as [waits]:
        assert gateway.count("GET", TAGS) == 0
        for tag in ("1.4", "2.0", "1.6-rc.1", "latest", f"sha256-{'a' * 64}.sig"):
            push(sandbox, f"{image}:{tag}")
        push(sandbox, f"{image}:1.5")
        push(sandbox, f"{image}-b:1.6")
        await asyncio.sleep(4.5)
        assert not waits.done()
        assert 1 <= gateway.count("GET", TAGS) <= 3


async def test_fifty_runs_look_together_once_an_interval_and_nobody_looks_when_all_have_ended(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    starts = [push(sandbox, f"{image}-{number}:1.0") for number in range(50)]
    async with waiting(*(wait_for(start, interval=2) for start in starts)) as tasks:
        before = count_looks(gateway)
        await asyncio.sleep(6)
        assert 2 <= count_looks(gateway) - before <= 4
        push(sandbox, f"{image}-7:1.1")
        assert await tasks[7] == {"changed": 1}
        assert [number for number, task in enumerate(tasks) if task.done()] == [7]
    await asyncio.sleep(0.5)
    before = count_looks(gateway)
    await asyncio.sleep(3)
    assert count_looks(gateway) == before


def count_looks(gateway: Gateway) -> int:
    """Return how often was looked: where other tests have pushed thousands, a look has several pages."""
    return sum(one.path.endswith(AQL) and b".offset(0)" in one.body for one in gateway.requests)


@pytest.mark.parametrize(
    ("path", "trouble"),
    [(AQL, Reply(503)), (AQL, Reply(429)), (AQL, Reply(200, body=b"<html>")), (AQL, Reply(401)), (TAGS, Reply(503))],
)
async def test_a_server_that_cannot_be_asked_ends_no_wait_and_nothing_is_lost(
    sandbox: RunningSandbox, gateway: Gateway, image: str, path: str, trouble: Reply
) -> None:
    async with waiting(wait_for(push(sandbox, f"{image}:1.0"))) as [waits]:
        gateway.rule("*", path, reply=trouble, does_work=False)
        push(sandbox, f"{image}:1.1")
        asked = len(gateway.requests)
        await asyncio.sleep(4)
        assert len(gateway.requests) - asked <= 40
        assert not waits.done()
        gateway.forget_rules()
        assert await waits == {"changed": 1}


async def test_an_image_that_cannot_be_looked_at_keeps_no_other_waiting(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    bad, good = push(sandbox, f"{image}-bad:1.0"), push(sandbox, f"{image}-good:1.0")
    async with waiting(wait_for(bad), wait_for(good)) as (stays, waits):
        gateway.rule("GET", f"{image}-bad{TAGS}", reply=Reply(500), does_work=False)
        for name in ("bad", "good"):
            push(sandbox, f"{image}-{name}:1.1")
        assert await waits == {"changed": 1}
        assert not stays.done()
        gateway.forget_rules()
        assert await stays == {"changed": 1}


async def test_where_nothing_newer_comes_the_wait_ends_at_its_time(sandbox: RunningSandbox, image: str) -> None:
    trigger = wait_for(push(sandbox, f"{image}:1.0"), hours=2 / 3600)
    assert await end_of(trigger) == {"changed": 0}
    trigger.newer = None
    assert await end_of(trigger) == {"changed": 0}


async def test_those_of_one_connection_and_interval_are_the_same() -> None:
    assert newer_tags_of("a", 1) is newer_tags_of("a", 1)
    assert newer_tags_of("a", 0) is newer_tags_of("a", float("nan")) is newer_tags_of("a", 0.1)
    assert len({newer_tags_of("a", 1), newer_tags_of("b", 1), newer_tags_of("a", 2)}) == 3


def test_what_is_remembered_is_about_the_runs_images_and_goes_on_with_the_looks() -> None:
    moment = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)

    def pushed(name: str, seconds: float) -> Push:
        image = ImageReference.parse(f"docker-dev/{name}@sha256:{'a' * 64}")
        return Push(image, moment + datetime.timedelta(seconds=seconds))

    run = Begun("newest", [pushed("app:1.0", 0).image], moment)
    assert run.since == moment - OVERLAP
    others = [pushed(f"other-{number}:1.0", number) for number in range(10_000)]
    look = Pushes([*others, pushed("app:1.0", 0), pushed("app:0.9", 5)])
    assert run.find_touched(look) == list(run.starts)
    run.note(look)
    assert run.find_touched(look) == []
    assert len(run._known) == 2
    assert run.since == others[-1].moment - OVERLAP
    run.note(Pushes(others[-1:]))
    assert run._known == frozenset()
    assert run.since == others[-1].moment - OVERLAP
    run.note(Pushes())
    assert run.since == others[-1].moment - OVERLAP
