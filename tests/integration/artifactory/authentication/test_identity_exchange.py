from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from tests.integration.artifactory.authentication.tokens import EXCHANGE, authorizations
from tests.integration.gateway import Reply, html

from artifactory_provider.artifactory.authentication import IdentityExchange
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    InvalidSettings,
    ServerFailed,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.artifactory.authentication.tokens import IdentityFile
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


async def test_an_identity_token_is_exchanged_at_the_platforms_root_once_for_all_clients_of_a_process(
    oidc: MakeSettings, gateway: Gateway, identity: IdentityFile
) -> None:
    for _ in range(3):
        async with ArtifactoryClient(oidc()) as client:
            await client.repository("docker-dev")
            await client.version()
    assert gateway.count("POST", EXCHANGE) == 1
    assert len(set(authorizations(gateway))) == 1
    (sent,) = [json.loads(seen.body) for seen in gateway.requests if seen.method == "POST"]
    assert sent == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": identity.token,
        "provider_name": "ci-system",
    }


@pytest.mark.parametrize("end", ["/artifactory/", "", "/"])
async def test_the_platforms_root_is_found_from_every_form_of_the_base_url(
    settings: MakeSettings, identity: IdentityFile, gateway: Gateway, end: str
) -> None:
    exchange = IdentityExchange(provider="ci-system", token_file=str(identity.path))
    async with ArtifactoryClient(settings(base_url=gateway.origin + end, authentication=exchange)) as client:
        await client.version()
    assert gateway.count("POST", EXCHANGE) == 1


async def test_project_audience_and_identity_mapping_are_named_in_the_exchange(
    oidc: MakeSettings, gateway: Gateway
) -> None:
    made = oidc(project_key="shop", audience="artifactory", identity_mapping="readers")
    async with ArtifactoryClient(made) as client:
        with pytest.raises(ArtifactoryError, match="docker-prod"):
            await client.repository("docker-prod")
    (sent,) = [json.loads(seen.body) for seen in gateway.requests if seen.method == "POST"]
    named = {name: sent[name] for name in ("project_key", "audience", "identity_mapping_name")}
    assert named == {"project_key": "shop", "audience": "artifactory", "identity_mapping_name": "readers"}


async def test_a_token_that_expires_in_mid_run_is_renewed_and_even_a_promotion_is_sent_again(
    oidc: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, identity: IdentityFile, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_fault("expire_token", path="*/promote", count=1)
    async with ArtifactoryClient(oidc()) as client:
        await client.version()
        second = identity.write()
        await client.promote(ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", image, "1"))
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert gateway.count("POST", "/promote") == 2
    exchanged = [json.loads(seen.body)["subject_token"] for seen in gateway.requests if "/oidc/" in seen.path]
    assert len(exchanged) == 2
    assert exchanged[1] == second
    assert len(set(authorizations(gateway))) == 2


async def test_requests_that_are_refused_together_share_one_renewal(
    oidc: MakeSettings, sandbox: RunningSandbox, gateway: Gateway
) -> None:
    async with ArtifactoryClient(oidc()) as client:
        await client.version()
        sandbox.add_fault("expire_token", count=1)
        assert len(set(await asyncio.gather(*(client.version() for _ in range(30))))) == 1
    assert gateway.count("POST", EXCHANGE) == 2
    assert len(set(authorizations(gateway))) == 2


async def test_a_token_is_renewed_before_it_expires_so_that_no_request_is_refused(
    oidc: MakeSettings, sandbox: RunningSandbox, gateway: Gateway
) -> None:
    def shortened(reply: Reply) -> Reply:
        return Reply(200, json.dumps(json.loads(reply.body) | {"expires_in": 1e-9}).encode())

    gateway.rule("POST", EXCHANGE, times=2, reply=shortened)
    async with ArtifactoryClient(oidc()) as client:
        for _ in range(5):
            await client.version()
    assert gateway.count("POST", EXCHANGE) == 3
    assert len(gateway.requests) == 5 + 3


async def test_a_server_that_refuses_the_new_token_too_is_not_asked_a_third_time(
    oidc: MakeSettings, gateway: Gateway
) -> None:
    gateway.rule("GET", "/version", reply=Reply(401), does_work=False)
    async with ArtifactoryClient(oidc()) as client:
        with pytest.raises(AuthenticationFailed, match="A new token was refused, too"):
            await client.version()
    assert gateway.count("GET", "/version") == gateway.count("POST", EXCHANGE) == 2


async def test_a_passing_failure_of_the_exchange_is_survived_and_a_lasting_one_is_bounded(
    oidc: MakeSettings, gateway: Gateway
) -> None:
    gateway.rule("POST", EXCHANGE, times=1, reply=html(502, "Bad Gateway"), does_work=False)
    gateway.rule("POST", EXCHANGE, times=1, ending="reset")
    async with ArtifactoryClient(oidc()) as client:
        await client.version()
    gateway.rule("POST", EXCHANGE, reply=Reply(503), does_work=False)
    before = gateway.count("POST", EXCHANGE)
    async with ArtifactoryClient(oidc(audience="other")) as client:
        with pytest.raises(ServerFailed, match="POST /access/api/v1/oidc/token answered 503"):
            await client.version()
    assert gateway.count("POST", EXCHANGE) == before + 3


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"provider": "other"}, "there is no OIDC provider.*check that there is an OIDC provider 'other'"),
        ({"identity_mapping": "other"}, "fits no identity mapping.*identity mappings, audience and project"),
    ],
)
async def test_an_identity_token_that_is_not_accepted_fails_at_once_and_says_what_to_check(
    oidc: MakeSettings, gateway: Gateway, identity: IdentityFile, changes: dict[str, str], advice: str
) -> None:
    async with ArtifactoryClient(oidc(**changes)) as client:
        with pytest.raises(AuthenticationFailed, match=f"(?s){advice}") as caught:
            await client.version()
    assert identity.token not in str(caught.value)
    assert gateway.count("POST", EXCHANGE) == 1
    assert authorizations(gateway) == []


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_a_server_without_an_exchange_is_never_taken_for_one_without_the_image(
    oidc: MakeSettings, gateway: Gateway, image: str, status: int
) -> None:
    gateway.rule("POST", EXCHANGE, reply=Reply(status), does_work=False)
    async with ArtifactoryClient(oidc()) as client:
        with pytest.raises(AuthenticationFailed, match=f"answered {status}"):
            await client.descriptor(ImageReference("docker-dev", image, "1"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"token": "s3cret"}',
        b'{"access_token": "s3cret and more"}',
        b'{"access_token": "s3cret", "expires_in": 1%s}' % (b"0" * 400),
        b"s3cret",
    ],
)
async def test_an_exchange_that_gives_no_token_is_no_answer_and_is_not_shown(
    oidc: MakeSettings, gateway: Gateway, body: bytes
) -> None:
    gateway.rule("POST", EXCHANGE, reply=Reply(200, body), does_work=False)
    async with ArtifactoryClient(oidc()) as client:
        with pytest.raises(UnexpectedAnswer, match="holds no token") as caught:
            await client.version()
    assert "s3cret" not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"a b", b"a\nb", "tökén".encode(), b"\xff\xfe"])
async def test_a_file_that_holds_no_identity_token_is_named_before_anything_is_sent(
    oidc: MakeSettings, gateway: Gateway, identity: IdentityFile, content: bytes | None
) -> None:
    if content is None:
        identity.path.unlink()
    else:
        identity.path.write_bytes(content)
    async with ArtifactoryClient(oidc()) as client:
        with pytest.raises(InvalidSettings, match=r"identity-token.*oidc_token_file"):
            await client.version()
    assert gateway.requests == []
