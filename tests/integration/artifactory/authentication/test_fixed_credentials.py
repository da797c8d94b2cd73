from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.artifactory.authentication.conftest import API_KEY
from tests.integration.artifactory.authentication.tokens import authorizations, granted, revoke
from tests.integration.conftest import PASSWORD

from artifactory_provider.artifactory.authentication import Anonymous, ApiKey, Basic, Bearer
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import AuthenticationFailed
from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


@pytest.mark.parametrize("kind", ["password", "token as password", "access token", "reference token", "API key"])
async def test_credentials_of_each_kind_are_accepted(
    settings: MakeSettings, sandbox: RunningSandbox, kind: str
) -> None:
    answer = granted(sandbox, include_reference_token=True)
    authentication = {
        "password": Basic("admin", PASSWORD),
        "token as password": Basic("admin", answer["access_token"]),
        "access token": Bearer(answer["access_token"]),
        "reference token": Bearer(answer["reference_token"]),
        "API key": ApiKey(API_KEY),
    }[kind]
    async with ArtifactoryClient(settings(authentication=authentication)) as client:
        assert (await client.repository("docker-prod")).key == "docker-prod"


async def test_without_credentials_what_everybody_may_read_is_read_and_for_the_rest_credentials_are_missing(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-qa/{image}:1")
    async with ArtifactoryClient(settings(authentication=Anonymous())) as client:
        assert await client.tags("docker-qa", image) == ["1"]
        with pytest.raises(AuthenticationFailed, match="No credentials were sent"):
            await client.promote(ImageReference("docker-qa", image, "1"), ImageReference("docker-prod", image, "1"))
    assert set(authorizations(gateway)) == {""}


@pytest.mark.parametrize("wrap", [Bearer, lambda token: Basic("admin", token)])
async def test_an_expired_token_that_cannot_be_renewed_fails_at_once_and_says_since_when(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, wrap: Callable[[str], Any]
) -> None:
    _, expired = sandbox.service.access.tokens.sign("admin", "applied-permissions/user", -3600)
    async with ArtifactoryClient(settings(authentication=wrap(expired))) as client:
        with pytest.raises(AuthenticationFailed, match=r"has expired on 20.* UTC: put a new one there") as caught:
            await client.version()
    assert len(gateway.requests) == 1
    assert expired not in str(caught.value)


async def test_a_token_that_was_revoked_is_not_said_to_have_expired(
    settings: MakeSettings, sandbox: RunningSandbox
) -> None:
    given = granted(sandbox)
    revoke(sandbox, given["token_id"])
    async with ArtifactoryClient(settings(authentication=Bearer(given["access_token"]))) as client:
        with pytest.raises(AuthenticationFailed, match=r"revoked.*missing, wrong or expired"):
            await client.version()
