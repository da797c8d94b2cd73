from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.integration.artifactory.authentication.tokens import granted
from tests.integration.artifactory.tunnel import LOGIN, PASSWORD, Tunnel
from tests.integration.gateway import Gateway, Reply

from artifactory_provider.artifactory.authentication import RefreshableToken
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError, AuthenticationFailed, RequestNotSent
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.integration.artifactory.authority import Authority

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]

NAMELESS = "http://registry.test/artifactory"
HEADER = f"Basic {base64.b64encode(f'{LOGIN}:{PASSWORD}'.encode()).decode()}"


def with_password(port: int, password: str = PASSWORD) -> str:
    """Return a proxy's URL with credentials in it."""
    return f"http://{LOGIN}:{quote(password, safe='')}@127.0.0.1:{port}"


def everything_shown(error: ArtifactoryError, log: pytest.LogCaptureFixture) -> str:
    """Return all that a task's log would hold: messages and tracebacks, causes included."""
    return "".join([log.text, repr(vars(error)), *traceback.format_exception(error)])


def is_shown(secret: str, shown: str) -> bool:
    """Tell whether a password shows in any of the forms in which it is sent."""
    return any(form in shown for form in (secret, quote(secret, safe=""), HEADER.removeprefix("Basic ")))


@pytest.fixture
def secure_gateway(sandbox: RunningSandbox, server_tls: ssl.SSLContext) -> Iterator[Gateway]:
    """A gateway that speaks HTTPS, which a proxy can only let through."""
    with Gateway(f"http://{sandbox.registry}", tls=server_tls).running() as gateway:
        yield gateway


@pytest.fixture
async def tunnel(secure_gateway: Gateway) -> AsyncIterator[Tunnel]:
    async with Tunnel(secure_gateway.port).running() as tunnel:
        yield tunnel


async def test_all_requests_go_through_the_proxy_with_its_credentials_those_for_tokens_included(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    issued = granted(sandbox, refreshable=True)
    refreshable = RefreshableToken(refresh_token=issued["refresh_token"])
    made = settings(base_url=NAMELESS, proxy=with_password(gateway.port), authentication=refreshable)
    async with ArtifactoryClient(made) as client:
        assert await client.version()
    assert [(seen.host, seen.headers["Proxy-Authorization"]) for seen in gateway.requests] == [
        ("registry.test", HEADER)
    ] * 2
    assert not is_shown(PASSWORD, caplog.text + repr(made))


async def test_https_is_let_through_a_proxy_that_wants_a_password(
    settings: MakeSettings, authority: Authority, secure_gateway: Gateway, tunnel: Tunnel
) -> None:
    made = settings(base_url=secure_gateway.url, ca_file=str(authority.file), proxy=with_password(tunnel.port))
    async with ArtifactoryClient(made) as client:
        assert await client.version()
        await client.ping()
    assert tunnel.asked == [f"127.0.0.1:{secure_gateway.port}"]
    assert not [seen for seen in secure_gateway.requests if "Proxy-Authorization" in seen.headers]


async def test_the_hooks_run_goes_through_the_same_proxy(
    connect: Callable[..., None], authority: Authority, secure_gateway: Gateway, tunnel: Tunnel
) -> None:
    connect(host=secure_gateway.url, extra={"ca_file": str(authority.file), "proxy": with_password(tunnel.port)})
    answer = await asyncio.to_thread(ArtifactoryHook().run, "api/system/version")
    assert answer.json()["version"]
    assert tunnel.asked == [f"127.0.0.1:{secure_gateway.port}"]


async def test_a_proxy_that_refuses_the_password_is_named_and_the_password_is_not(
    settings: MakeSettings,
    connect: Callable[..., None],
    secure_gateway: Gateway,
    tunnel: Tunnel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = with_password(tunnel.port, "wr0ng/s3cret")
    async with ArtifactoryClient(settings(base_url=secure_gateway.url, proxy=proxy)) as client:
        with pytest.raises(AuthenticationFailed, match=f"the proxy http://127.0.0.1:{tunnel.port} answered 407") as own:
            await client.version()
    connect(host=secure_gateway.url, extra={"proxy": proxy})
    with pytest.raises(AuthenticationFailed, match=f"the proxy http://127.0.0.1:{tunnel.port} answered 407") as hooks:
        await asyncio.to_thread(ArtifactoryHook().run, "api/system/version")
    for caught in (own, hooks):
        assert not is_shown("wr0ng/s3cret", everything_shown(caught.value, caplog))


async def test_a_proxy_that_sends_back_what_it_was_sent_gives_no_password_away(
    settings: MakeSettings, connect: Callable[..., None], gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.rule("GET", "", reply=Reply(407, f"{HEADER} {PASSWORD}".encode()), does_work=False)
    proxy = with_password(gateway.port)
    async with ArtifactoryClient(settings(base_url=NAMELESS, proxy=proxy)) as client:
        with pytest.raises(AuthenticationFailed, match="asks for credentials: give them in the proxy's URL") as own:
            await client.version()
    connect(host=NAMELESS, extra={"proxy": proxy})
    with pytest.raises(AuthenticationFailed, match="asks for credentials") as hooks:
        await asyncio.to_thread(ArtifactoryHook().run, "api/system/version")
    for caught in (own, hooks):
        assert not is_shown(PASSWORD, everything_shown(caught.value, caplog))


async def test_a_proxy_that_is_not_there_is_named_without_its_credentials(
    settings: MakeSettings, connect: Callable[..., None], tunnel: Tunnel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = with_password(1)
    async with ArtifactoryClient(settings(base_url=NAMELESS, proxy=proxy, attempts=2)) as client:
        with pytest.raises(RequestNotSent, match=r"there is no proxy at http://127\.0\.0\.1:1\.") as own:
            await client.version()
    connect(host=NAMELESS, extra={"proxy": proxy})
    with pytest.raises(RequestNotSent) as hooks:
        await asyncio.to_thread(ArtifactoryHook().run, "api/system/version")
    for caught in (own, hooks):
        assert not is_shown(PASSWORD, everything_shown(caught.value, caplog))
