from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import closing
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, html

from artifactory_provider.artifactory.authentication import Anonymous
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.credentials import FixedCredentials
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    ConnectionFailed,
    RateLimited,
    RequestNotSent,
    RequestRefused,
    RequestTimedOut,
    ServerFailed,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]

DEV = ImageReference("docker-dev", "app", "1")
QA = ImageReference("docker-qa", "app", "1")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and on which nobody else can."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts no further connection: its queue is full."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        clients = []
        try:
            for _ in range(4):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(server.getsockname())
                clients.append(client)
            yield server.getsockname()[1]
        finally:
            for client in clients:
                client.close()


async def test_a_passing_failure_is_survived_by_asking_again(client: ArtifactoryClient, gateway: Gateway) -> None:
    gateway.rule("GET", "/version", times=1, reply=html(502, "Bad Gateway"), does_work=False)
    gateway.rule("GET", "/version", times=1, ending="reset")
    assert await client.version()
    assert gateway.count("GET", "/version") == 3


@pytest.mark.parametrize("ending", ["reset", "cut"])
async def test_a_broken_connection_is_a_connection_error_after_a_bounded_number_of_tries(
    client: ArtifactoryClient, gateway: Gateway, ending: str
) -> None:
    """aiohttp itself sends a GET once more when the connection is closed before the answer: three are at most six."""
    gateway.rule("GET", "/version", ending=ending)  # type: ignore[arg-type]
    with pytest.raises(ConnectionFailed, match=r"broke \(.*unknown"):
        await client.version()
    assert 3 <= gateway.count("GET", "/version") <= 6


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (html(502, "Bad Gateway"), ServerFailed),
        (Reply(500, b'{"errors": [{"status": 500, "message": "An unexpected error"}]}'), ServerFailed),
        (Reply(503), ServerFailed),
        (Reply(504, b"upstream timed out"), ServerFailed),
        (Reply(429, b"slow down"), RateLimited),
    ],
)
async def test_a_lasting_failure_ends_after_the_attempts_and_shows_the_servers_words(
    client: ArtifactoryClient, gateway: Gateway, reply: Reply, kind: type[ArtifactoryError]
) -> None:
    gateway.rule("GET", "/version", reply=reply, does_work=False)
    with pytest.raises(kind, match=f"GET /artifactory/api/system/version answered {reply.status}") as caught:
        await client.version()
    assert gateway.count("GET", "/version") == 3
    assert caught.value.status == reply.status
    assert "<html" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413])
async def test_a_refusal_is_not_asked_again(client: ArtifactoryClient, gateway: Gateway, status: int) -> None:
    gateway.rule("GET", "/version", reply=Reply(status), does_work=False)
    with pytest.raises(ArtifactoryError):
        await client.version()
    assert gateway.count("GET", "/version") == 1


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(502), Reply(503, headers={"Retry-After": "0"}), Reply(504), Reply(429)]
)
async def test_a_promotion_is_sent_once_whatever_the_server_answers(
    client: ArtifactoryClient, gateway: Gateway, reply: Reply
) -> None:
    gateway.rule("POST", "/promote", reply=reply, does_work=False)
    with pytest.raises((ServerFailed, RateLimited)):
        await client.promote(DEV, QA)
    assert gateway.count("POST", "/promote") == 1


async def test_a_promotion_is_sent_once_when_the_connection_breaks_even_a_kept_one(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    await client.ping()
    gateway.rule("POST", "/promote", ending="reset", does_work=False)
    with pytest.raises(ConnectionFailed):
        await client.promote(DEV, QA)
    assert gateway.count("POST", "/promote") == 1


async def test_setting_properties_changes_nothing_when_repeated_and_is_repeated(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("PUT", "properties", times=1, ending="reset")
    await client.set_properties(f"docker-dev/{image}/1/manifest.json", {"test.status": "passed"})
    assert sandbox.properties(f"docker-dev/{image}:1")["test.status"] == ["passed"]


async def test_retry_after_is_honoured(
    client: ArtifactoryClient, settings: MakeSettings, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.rule("GET", "/version", times=1, reply=Reply(429, headers={"Retry-After": "1"}), does_work=False)
    async with ArtifactoryClient(settings(longest_pause=30)) as patient:
        with caplog.at_level(logging.WARNING):
            assert await patient.version()
    assert "Next try in 1.0 s (2 of 3)." in caplog.text


@pytest.mark.parametrize("value", ["86400", "9" * 400, formatdate(4102444800, usegmt=True)])
async def test_retry_after_is_capped(client: ArtifactoryClient, gateway: Gateway, value: str) -> None:
    gateway.rule("GET", "/version", times=2, reply=Reply(503, headers={"Retry-After": value}), does_work=False)
    assert await client.version()


async def test_a_retry_after_that_cannot_be_read_leaves_it_to_the_backoff(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/version", times=2, reply=Reply(429, headers={"Retry-After": "soon"}), does_work=False)
    assert await client.version()


async def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_the_timeout(
    settings: MakeSettings, gateway: Gateway
) -> None:
    gateway.rule("*", "/api/", ending="never")
    async with ArtifactoryClient(settings(timeout=0.2, promote_timeout=0.3, attempts=1)) as client:
        with pytest.raises(RequestTimedOut, match=r"GET .*/version had no answer within 0.2 s.*unknown"):
            await client.version()
        with pytest.raises(RequestTimedOut, match=r"POST .*/promote had no answer within 0.3 s"):
            await client.promote(DEV, QA)


async def test_a_redirect_is_not_followed_and_no_credentials_go_to_where_it_leads(
    settings: MakeSettings, gateway: Gateway
) -> None:
    location = f"{gateway.origin}/stolen?ticket=s3cret"
    gateway.rule("*", "/api/", reply=Reply(302, headers={"Location": location}), does_work=False)
    async with ArtifactoryClient(settings()) as client:
        for question in (client.version(), client.promote(DEV, QA)):
            with pytest.raises(UnexpectedAnswer, match=f"It redirects to {gateway.origin}/stolen: set") as caught:
                await question
            assert "s3cret" not in str(caught.value)
    assert gateway.count("*", "stolen") == 0
    assert not [seen for seen in gateway.requests if "stolen" in seen.path]


async def test_no_server_is_told_apart_from_a_broken_connection(settings: MakeSettings, closed_port: int) -> None:
    async with ArtifactoryClient(settings(base_url=f"http://127.0.0.1:{closed_port}/artifactory")) as client:
        with pytest.raises(RequestNotSent, match=f"no server at http://127.0.0.1:{closed_port} .*Check host and port"):
            await client.version()


async def test_a_name_that_no_one_knows_is_no_server(settings: MakeSettings) -> None:
    async with ArtifactoryClient(settings(base_url="http://artifactory.invalid/artifactory")) as client:
        with pytest.raises(RequestNotSent, match=r"no server at http://artifactory.invalid"):
            await client.version()


async def test_a_server_that_accepts_no_connection_is_named_with_the_time_that_it_had(
    settings: MakeSettings, deaf_port: int
) -> None:
    address = f"http://127.0.0.1:{deaf_port}/artifactory"
    async with ArtifactoryClient(settings(base_url=address, connect_timeout=0.2, attempts=1)) as client:
        with pytest.raises(RequestNotSent, match=r"accepted no connection within 0.2 s"):
            await client.version()


async def test_a_client_that_is_not_open_says_how_to_open_it(settings: MakeSettings) -> None:
    with pytest.raises(RuntimeError, match="use it in 'async with'"):
        await ArtifactoryClient(settings()).version()


async def test_all_requests_of_a_client_use_one_connection_again_and_again(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    source, target = ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", image, "1")
    await client.version()
    await client.promote(source, target)
    assert await client.descriptor(target)
    assert await client.descriptor(ImageReference("docker-qa", image, "absent")) is None
    with pytest.raises(ArtifactoryError):
        await client.repository("absent")
    assert len(gateway.requests) == 5
    assert len({seen.connection for seen in gateway.requests}) == 1


async def test_each_kind_of_request_has_a_patience_of_its_own(settings: MakeSettings, gateway: Gateway) -> None:
    """A promotion may last long while everything else is still given up soon, and the other way round."""
    for patience, late in (({"timeout": 30, "promote_timeout": 0.2}, "POST"), ({"timeout": 0.2}, "GET")):
        gateway.rule(late, "/api/", ending="never", times=1)
        async with ArtifactoryClient(settings(attempts=1, **patience)) as client:
            question = client.promote(DEV, QA) if late == "POST" else client.version()
            with pytest.raises(RequestTimedOut, match=r"no answer within 0.2 s"):
                await question
            assert await client.version()


async def test_a_cancelled_request_closes_its_connection(settings: MakeSettings, gateway: Gateway) -> None:
    asked_for = asyncio.Event()
    loop = asyncio.get_running_loop()
    gateway.rule("GET", "/version", ending="never", before=lambda: loop.call_soon_threadsafe(asked_for.set))
    transport = Transport(settings(), FixedCredentials(Anonymous()))

    async def ask() -> None:
        async with transport:
            await transport.request("GET", f"{gateway.url}/api/system/version")

    asked = asyncio.create_task(ask())
    await asyncio.wait_for(asked_for.wait(), 10)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert transport._session is not None
    assert transport._session.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_more_than_a_refusals_first_words_are_not_repeated(client: ArtifactoryClient, gateway: Gateway) -> None:
    gateway.rule("GET", "/version", reply=Reply(418, b"tea " * 100_000), does_work=False)
    with pytest.raises(RequestRefused) as caught:
        await client.version()
    assert len(str(caught.value)) < 1000
