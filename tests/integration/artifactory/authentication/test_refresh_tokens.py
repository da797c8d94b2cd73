from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

import jwt
import pytest
from tests.integration.artifactory.authentication.tokens import TOKENS, authorizations, granted, use_up
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.authentication import RefreshableToken
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import AuthenticationFailed, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.artifactory.authentication.tokens import IdentityFile
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


async def test_a_refreshable_token_is_used_and_refreshed_as_often_as_it_expires(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway
) -> None:
    """Each refresh token is good once: the second refresh needs the one that the first has brought."""
    given = granted(sandbox, refreshable=True)
    refreshable = RefreshableToken(access_token=given["access_token"], refresh_token=given["refresh_token"])
    for _ in range(3):
        async with ArtifactoryClient(settings(authentication=refreshable)) as client:
            await client.version()
            sandbox.add_fault("expire_token", path="*/docker-dev", count=1)
            assert (await client.repository("docker-dev")).key == "docker-dev"
    assert gateway.count("POST", TOKENS) == 3
    sent = [json.loads(seen.body) for seen in gateway.requests if seen.method == "POST"]
    assert sent[0] == {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "refreshable": True}
    assert len({one["refresh_token"] for one in sent}) == 3


async def test_a_refreshable_token_that_has_expired_is_refreshed_before_it_is_sent(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway
) -> None:
    expired = jwt.encode({"exp": time.time() + 5, "iat": time.time() - 3600}, "k" * 32, "HS256")
    refresh_token = granted(sandbox, refreshable=True)["refresh_token"]
    made = settings(authentication=RefreshableToken(access_token=expired, refresh_token=refresh_token))
    async with ArtifactoryClient(made) as client:
        await client.version()
    assert gateway.count("POST", TOKENS) == 1
    assert all(expired not in sent for sent in authorizations(gateway))


async def test_a_refresh_token_that_somebody_else_has_used_says_that_it_is_good_once(
    settings: MakeSettings, sandbox: RunningSandbox
) -> None:
    token = granted(sandbox, refreshable=True)["refresh_token"]
    use_up(sandbox, token)
    async with ArtifactoryClient(settings(authentication=RefreshableToken(refresh_token=token))) as client:
        with pytest.raises(AuthenticationFailed, match=r"(?s)used up or revoked\. .*good only once") as caught:
            await client.version()
    assert token not in str(caught.value)


@pytest.mark.parametrize("kind", ["oidc", "refreshable"])
async def test_no_token_is_shown_whatever_the_server_sends_back(
    oidc: MakeSettings,
    settings: MakeSettings,
    sandbox: RunningSandbox,
    gateway: Gateway,
    identity: IdentityFile,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    refresh_token = granted(sandbox, refreshable=True)["refresh_token"]
    made = oidc() if kind == "oidc" else settings(authentication=RefreshableToken(refresh_token=refresh_token))
    secrets = {identity.token, refresh_token}

    def echoed(_: Reply) -> Reply:
        seen = gateway.requests[-1]
        return Reply(500, b"You sent: " + seen.body + seen.headers.get("Authorization", "").encode())

    async with ArtifactoryClient(made) as client:
        gateway.rule("POST", "/access/", reply=echoed, times=3, does_work=False)
        with pytest.raises(ServerFailed) as refused_token:
            await client.version()
        await client.version()
        secrets.add(authorizations(gateway)[-1].removeprefix("Bearer "))
        gateway.rule("GET", "/version", reply=echoed)
        with pytest.raises(ServerFailed) as failed:
            await client.version()
    for shown in (caplog.text, repr(made), repr(refused_token.value.__dict__), repr(failed.value.__dict__)):
        assert not [secret for secret in secrets if secret in shown]
    assert "***" in str(refused_token.value)
    assert "***" in str(failed.value)
