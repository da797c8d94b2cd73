from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, html

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ServerFailed
from artifactory_provider.artifactory.references import ImageReference
from artifactory_sandbox.server import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., ServerSettings]


async def use_everything(settings: ServerSettings, sandbox: RunningSandbox, image: str) -> None:
    """Use each kind of endpoint once."""
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    source, target = ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", image, "1")
    async with ArtifactoryClient(settings) as client:
        await client.ping()
        await client.version()
        assert await client.tags("docker-dev", image) == ["1"]
        assert image in await client.images("docker-dev")
        await client.promote(source, target)
        found = await client.descriptor(target)
        assert found is not None
        assert found.digest == digest
        await client.set_properties(f"docker-qa/{image}/1/manifest.json", {"a": "b"})
    assert sandbox.properties(f"docker-qa/{image}:1")["a"] == ["b"]


@pytest.mark.parametrize("end", ["/artifactory", "/artifactory/", "", "/"])
async def test_the_base_url_is_taken_with_and_without_the_context_path(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str, end: str
) -> None:
    await use_everything(settings(base_url=gateway.origin + end), sandbox, image)
    assert all(seen.path.startswith("/artifactory/") for seen in gateway.requests)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Reply(404),
        html(404, "Not Found"),
        html(200, "Single page"),
        Reply(302, headers={"Location": "/login"}),
        Reply(400),
        html(403, "Forbidden"),
    ],
)
async def test_a_server_whose_proxy_hides_the_context_path_is_found_by_asking_once(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str, elsewhere: Reply
) -> None:
    gateway.rule("*", "^/artifactory/", reply=elsewhere, does_work=False)
    await use_everything(settings(base_url=gateway.origin), sandbox, image)
    assert gateway.count("GET", "^/artifactory/") == 1


async def test_a_server_that_asks_for_credentials_even_there_has_the_context_path(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    gateway.rule("GET", "/artifactory/api/system/ping", times=1, reply=Reply(401), does_work=False)
    await use_everything(settings(base_url=gateway.origin), sandbox, image)


async def test_a_server_that_is_ill_while_its_context_path_is_looked_for_is_reported_as_ill(
    settings: MakeSettings, gateway: Gateway
) -> None:
    gateway.rule("*", "", reply=html(503, "Starting"), does_work=False)
    async with ArtifactoryClient(settings(base_url=gateway.origin)) as client:
        with pytest.raises(ServerFailed, match="Starting"):
            await client.version()


async def test_the_repository_path_template_leads_to_the_docker_api(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    await use_everything(settings(docker_url=f"{gateway.origin}/v2/{{repository}}"), sandbox, image)
    assert gateway.count("POST", "^/v2/docker-dev/promote$") == 1


async def test_the_sub_domain_template_leads_to_the_docker_api_through_a_proxy(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """The gateway is the HTTP proxy that knows these names, and rewrites them as JFrog's nginx example does."""

    def rewrite(host: str, path: str) -> str:
        repository = host.partition(".")[0]
        return path.replace("/v2/", f"/artifactory/api/docker/{repository}/v2/", 1) if "docker-" in host else path

    gateway.rewrite = rewrite
    made = settings(
        base_url="http://registry.test/artifactory",
        docker_url="http://{repository}.registry.test:8081/v2",
        proxy=gateway.origin,
    )
    await use_everything(made, sandbox, image)
    assert {seen.host for seen in gateway.requests} == {
        "registry.test",
        "docker-dev.registry.test:8081",
        "docker-qa.registry.test:8081",
    }


async def test_a_map_leads_to_a_url_per_repository(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    urls = {key: f"{gateway.origin}/port-of-{key}/v2" for key in ("docker-dev", "docker-qa")}
    gateway.rewrite = lambda _host, path: path.replace("/port-of-", "/api/docker/")
    await use_everything(settings(docker_urls=urls), sandbox, image)
    assert gateway.count("POST", "^/port-of-docker-dev/v2/promote$") == 1


async def test_the_sandboxes_own_sub_domains_lead_to_its_repositories(
    settings: MakeSettings, sandbox: RunningSandbox, image: str
) -> None:
    """The sandbox takes requests as a proxy gets them, so that its names need no name server."""
    made = settings(
        base_url="http://registry.test/artifactory",
        docker_url="http://{repository}.registry.test/v2",
        proxy=f"http://{sandbox.registry}",
    )
    await use_everything(made, sandbox, image)
    promoted = [record.path for record in sandbox.requests if record.path.endswith("/promote")]
    assert promoted[-1] == "/v2/promote"


async def test_the_sandboxes_own_ports_lead_to_its_repositories(
    settings: MakeSettings, artifactory_sandbox_factory: Callable[..., RunningSandbox], image: str
) -> None:
    with closing(listen("127.0.0.1", 0)) as one, closing(listen("127.0.0.1", 0)) as other:
        ports = {"docker-dev": one.getsockname()[1], "docker-qa": other.getsockname()[1]}
    sandbox = artifactory_sandbox_factory({"repositories": {key: {"port": port} for key, port in ports.items()}})
    urls = {key: f"http://127.0.0.1:{port}/v2" for key, port in ports.items()}
    administrator = Basic(sandbox.username, sandbox.password)
    made = settings(base_url=sandbox.url, docker_urls=urls, authentication=administrator)
    await use_everything(made, sandbox, image)
    promoted = [record.path for record in sandbox.requests if record.path.endswith("/promote")]
    assert promoted == ["/v2/promote"]


async def test_the_proxy_of_the_environment_is_used_and_no_proxy_counts(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", gateway.origin)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    await use_everything(settings(base_url="http://registry.test/artifactory"), sandbox, image)
    assert {seen.host for seen in gateway.requests} == {"registry.test"}
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with ArtifactoryClient(settings()) as client:
        await client.ping()
