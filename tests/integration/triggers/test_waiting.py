from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tests.integration.gateway import Reply, html

from artifactory_provider.triggers.verification import VerificationTrigger
from artifactory_provider.verification import PropertyCheck, check_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOUND = 30


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def trigger(reference: str, *, poke_interval: float = 0.01) -> VerificationTrigger:
    return VerificationTrigger(
        artifactory_conn_id="artifactory_default",
        reference=reference,
        checks=[check_to_dict(PropertyCheck())],
        poke_interval=poke_interval,
    )


async def events(made: VerificationTrigger) -> list[dict[str, Any]]:
    """Run a trigger to its end."""
    async with asyncio.timeout(BOUND), aclosing(made.run()) as run:  # type: ignore[type-var]
        return [event.payload async for event in run]


async def test_a_pass_is_the_one_event_and_goes_through_json(sandbox: RunningSandbox, image: str) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    (event,) = await events(trigger(f"docker-dev/{image}:1"))
    verdict = {"check": "test.status", "state": "passed", "reason": "test.status is 'passed'.", "value": "passed"}
    assert event == {
        "status": "passed",
        "digest": digest,
        "reason": "test.status is 'passed'.",
        "verdicts": [{**verdict, "since": None, "author": None}],
    }
    assert json.loads(json.dumps(event)) == event


async def test_it_asks_until_the_verdict_comes(sandbox: RunningSandbox, gateway: Gateway, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "properties", times=1)
    gateway.rule(
        "GET",
        "properties",
        times=1,
        before=lambda: sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "failed"}),
    )
    (event,) = await events(trigger(f"docker-dev/{image}:1"))
    assert event["status"] == "failed"
    assert gateway.count("GET", "properties") == 2


async def test_a_wait_says_once_what_it_waits_for_in_a_line_that_begins_with_it_and_fits_a_screen(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "properties", times=2)
    gateway.rule(
        "GET", "properties", before=lambda: sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    )
    with capture_logs() as logged:
        await events(trigger(f"docker-dev/{image}:1"))
    waiting = f"Waiting: test.status is not set ({image}:1, {digest.removeprefix('sha256:')[:8]}…)"
    assert [line["event"] for line in logged] == [waiting]
    assert len(waiting) < 80


async def test_the_first_look_pins_the_digest_and_a_tag_that_moves_ends_the_wait(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    first = sandbox.push_image(f"docker-dev/{image}:1", content="first")

    def move() -> None:
        sandbox.push_image(f"docker-dev/{image}:1", content="second")
        sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})

    gateway.rule("HEAD", f"{image}/manifests", times=2)
    gateway.rule("HEAD", f"{image}/manifests", times=1, before=move)
    (event,) = await events(trigger(f"docker-dev/{image}:1"))
    assert (event["status"], event["digest"]) == ("superseded", first)


async def test_passing_failures_are_survived_and_the_pinned_digest_with_them(
    sandbox: RunningSandbox, gateway: Gateway, image: str, caplog: pytest.LogCaptureFixture
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    maintenance = replace(html(503, "Maintenance"), headers={"Retry-After": "0"})
    gateway.rule("GET", "properties", times=1)
    gateway.rule("GET", "properties", times=5, reply=maintenance, does_work=False)
    gateway.rule(
        "GET",
        "properties",
        before=lambda: sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"}),
    )
    with caplog.at_level(logging.WARNING):
        (event,) = await events(trigger(f"docker-dev/{image}:1"))
    assert (event["status"], event["digest"]) == ("passed", digest)
    assert "Maintenance" in caplog.text


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401), "check login and password or token"),
        (Reply(403), "needs Read on"),
        (html(), "an HTML page instead of JSON"),
        (Reply(200, b"{}"), "instead of properties"),
    ],
)
async def test_a_lasting_error_ends_the_wait_with_one_event_that_says_what_to_do(
    sandbox: RunningSandbox, gateway: Gateway, image: str, reply: Reply, words: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "properties", reply=reply, does_work=False)
    (event,) = await events(trigger(f"docker-dev/{image}:1"))
    assert event["status"] == "error"
    assert words in event["reason"]


async def test_an_image_that_is_not_there_ends_the_wait(image: str) -> None:
    (event,) = await events(trigger(f"docker-dev/{image}:1"))
    assert event["status"] == "error"
    assert "There is no image" in event["reason"]


async def test_a_connection_that_cannot_work_ends_the_wait(connect: Callable[..., None], image: str) -> None:
    connect(host="ftp://example.com")
    (event,) = await events(trigger(f"docker-dev/{image}:1"))
    assert event["status"] == "error"
    assert "Connection 'artifactory_default'" in event["reason"]


async def test_a_cancelled_wait_leaves_no_connection_and_no_task(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    gateway.rule("GET", "properties", ending="never", before=lambda: loop.call_soon_threadsafe(asked.set))
    before = set(asyncio.all_tasks())
    waiting = asyncio.create_task(events(trigger(f"docker-dev/{image}:1")))
    await asyncio.wait_for(asked.wait(), BOUND)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == before


async def test_many_waits_share_the_thread_that_they_run_in(sandbox: RunningSandbox, image: str) -> None:
    for number in range(20):
        sandbox.push_image(f"docker-dev/{image}:{number}", content="same")
        sandbox.set_properties(f"docker-dev/{image}:{number}", {"test.status": "passed"})
    threads = threading.active_count()
    found = await asyncio.gather(*(events(trigger(f"docker-dev/{image}:{number}")) for number in range(20)))
    assert [event["status"] for (event,) in found] == ["passed"] * 20
    assert threading.active_count() <= threads + 8
