"""Every way to say who is asking, against a sandbox that checks it; tokens expire, and are renewed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from tests.integration.artifactory.identity import PROVIDER, IdentityFile
from tests.integration.conftest import PASSWORD
from tests.integration.gateway import Reply, html

from artifactory_provider.artifactory.authentication import (
    Anonymous,
    ApiKey,
    Basic,
    Bearer,
    IdentityExchange,
    RefreshableToken,
)
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    InvalidSettings,
    ServerFailed,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]

TOKENS, EXCHANGE = "^/access/api/v1/tokens$", "^/access/api/v1/oidc/token$"
API_KEY = "AKCp8keyOfTheAdministrator"


@pytest.fixture(scope="module")
def trusting_sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox that trusts another system's identity tokens, and lets anonymous users read one repository."""
    users = {"admin": {"password": PASSWORD, "admin": True, "api_key": API_KEY}}
    reading = {"repositories": ["docker-qa"], "users": {"anonymous": ["read"]}, "groups": {"readers": ["read"]}}
    return artifactory_sandbox_factory(
        {"users": users, "anonymous": True, "permissions": [reading], "oidc": {"ci-system": PROVIDER}}
    )


@pytest.fixture
def sandbox(trusting_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    yield trusting_sandbox
    trusting_sandbox.clear_faults()


@pytest.fixture
def identity(tmp_path: Path) -> IdentityFile:
    identity = IdentityFile(tmp_path / "identity-token")
    identity.write()
    return identity


@pytest.fixture
def oidc(settings: MakeSettings, identity: IdentityFile) -> MakeSettings:
    """Make settings for an exchange of the identity token."""

    def make(**changes: Any) -> ServerSettings:
        exchange = {"provider": "ci-system", "token_file": str(identity.path), **changes}
        return settings(authentication=IdentityExchange(**exchange))

    return make


def granted(sandbox: RunningSandbox, **fields: Any) -> dict[str, Any]:
    """Let the sandbox give the administrator a token."""
    url = f"{sandbox.url.removesuffix('/artifactory')}/access/api/v1/tokens"
    answer: dict[str, Any] = httpx.post(url, json=fields, auth=("admin", PASSWORD)).json()
    return answer


def use_up(sandbox: RunningSandbox, refresh_token: str) -> None:
    """Refresh a token, as another process would."""
    url = f"{sandbox.url.removesuffix('/artifactory')}/access/api/v1/tokens"
    httpx.post(url, json={"grant_type": "refresh_token", "refresh_token": refresh_token}).raise_for_status()


def revoke(sandbox: RunningSandbox, identifier: str) -> None:
    """Let the sandbox accept a token no more."""
    url = f"{sandbox.url.removesuffix('/artifactory')}/access/api/v1/tokens/{identifier}"
    httpx.delete(url, auth=("admin", PASSWORD)).raise_for_status()


def authorizations(gateway: Gateway) -> list[str]:
    """Return what the requests to Artifactory itself were authorised with, in their order."""
    return [seen.headers.get("Authorization", "") for seen in gateway.requests if seen.path.startswith("/artifactory/")]


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
    "body", [b"", b"[]", b'{"token": "s3cret"}', b'{"access_token": "s3cret and more"}', b"s3cret"]
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


@pytest.mark.parametrize("wrap", [Bearer, lambda token: Basic("admin", token)])
async def test_an_expired_token_that_cannot_be_renewed_fails_at_once_and_says_since_when(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, wrap: Callable[[str], Any]
) -> None:
    expired = sandbox.service.access.tokens.sign("admin", "applied-permissions/user", -3600).access
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


@pytest.fixture
def connect_by_oidc(connect: Callable[..., None], identity: IdentityFile) -> None:
    extra = {"auth_kind": "oidc", "oidc_provider": "ci-system", "oidc_token_file": str(identity.path)}
    connect(login=None, password=None, extra=extra)


@pytest.mark.usefixtures("connect_by_oidc")
def test_the_hooks_run_and_its_client_share_one_exchange(gateway: Gateway) -> None:
    hook = ArtifactoryHook()
    assert hook.test_connection()[0]
    assert hook.run("api/system/version").json()["version"]
    assert ArtifactoryHook().run("api/repositories/docker-dev").json()["key"] == "docker-dev"
    assert gateway.count("POST", EXCHANGE) == 1


@pytest.mark.usefixtures("connect_by_oidc")
def test_the_hooks_run_sends_a_request_again_with_a_new_token_when_the_token_has_expired(
    sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.add_fault("expire_token", path="*/promote", count=1)
    fields = {"targetRepo": "docker-qa", "dockerRepository": image, "tag": "1", "copy": True}
    ArtifactoryHook(method="POST").run("api/docker/docker-dev/v2/promote", json=fields)
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert gateway.count("POST", "/promote") == gateway.count("POST", EXCHANGE) == 2


@pytest.mark.usefixtures("connect_by_oidc")
async def test_the_hooks_run_gets_a_token_even_where_an_event_loop_runs() -> None:
    assert ArtifactoryHook().run("api/system/version").json()["version"]


@pytest.mark.usefixtures("connect_by_oidc")
def test_the_hooks_run_says_what_to_check_when_it_is_refused_for_good(gateway: Gateway) -> None:
    gateway.rule("GET", "/version", reply=lambda _: Reply(401, authorizations(gateway)[-1].encode()))
    with pytest.raises(AuthenticationFailed, match=r"Bearer \*\*\*. A new token was refused, too"):
        ArtifactoryHook().run("api/system/version")
    assert gateway.count("GET", "/version") == 2
