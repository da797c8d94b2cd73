from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.artifactory.authentication.tokens import EXCHANGE, authorizations
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.errors import AuthenticationFailed
from artifactory_provider.hooks.artifactory import ArtifactoryHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.artifactory.authentication.tokens import IdentityFile
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


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
