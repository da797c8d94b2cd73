"""A connection that leads to a server that is no Artifactory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply, html, without

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.diagnosis import explain_missing
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    ImageNotFound,
    NotArtifactory,
    RepositoryNotFound,
    ServerFailed,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.verification import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.settings import ServerSettings

    MakeSettings = Callable[..., ServerSettings]

NOT_ONE = "This does not look like an Artifactory"
DEV, QA = ImageReference("docker-dev", "app", "1"), ImageReference("docker-qa", "app", "1")
REGISTRY = Reply(404, b'{"errors": [{"code": "NOT_FOUND"}]}', {"Docker-Distribution-Api-Version": "registry/2.0"})
hide = without("X-JFrog-Version", "X-Artifactory-Id", "X-Artifactory-Node-Id")


@pytest.fixture(params=[REGISTRY, Reply(404), html(404, "Not Found"), html(200, "Welcome to nginx!")])
def other(request: pytest.FixtureRequest, gateway: Gateway) -> Reply:
    """What another server answers to everything."""
    reply: Reply = request.param
    gateway.rule("*", "", reply=reply, does_work=False)
    return reply


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("end", ["", "/artifactory"])
def test_the_test_button_says_that_it_is_none_and_what_to_check(
    connect: Callable[..., None], gateway: Gateway, end: str
) -> None:
    connect(host=f"{gateway.origin}{end}")
    worked, message = ArtifactoryHook().test_connection()
    assert not worked
    assert message.startswith(NOT_ONE)
    assert "check that the connection's host is Artifactory's own URL" in message
    assert "(it calls itself '" in message


def test_whatever_is_not_found_there_is_not_blamed_on_its_name(connect: Callable[..., None], other: Reply) -> None:
    hook = ArtifactoryHook()
    questions: list[Callable[[], object]] = [
        lambda: hook.pin(DEV),
        lambda: hook.select("docker-dev", "app"),
        lambda: hook.select("docker-dev", "app:1"),
        lambda: hook.promote(Promotion(source=DEV, target=QA)),
        lambda: hook.verify(DEV, [PropertyCheck()]),
    ]
    for ask in questions:
        with pytest.raises(
            ArtifactoryError, match="check that the connection's host is Artifactory's own URL"
        ) as caught:
            ask()
        assert other.status == 200 or str(caught.value).startswith(NOT_ONE)


async def test_a_repository_or_image_that_is_not_found_at_another_server_is_not_the_point(
    settings: MakeSettings, gateway: Gateway
) -> None:
    gateway.rule("*", "", reply=REGISTRY, does_work=False)
    async with ArtifactoryClient(settings()) as client:
        for question in (client.repository("docker-dev"), client.tags("docker-dev", "app")):
            with pytest.raises(NotArtifactory, match=NOT_ONE):
                await question
        assert isinstance(await explain_missing(client, DEV), NotArtifactory)


async def test_an_artifactory_whose_proxy_hides_that_it_is_one_is_one(settings: MakeSettings, gateway: Gateway) -> None:
    gateway.rule("*", "", reply=hide)
    async with ArtifactoryClient(settings()) as client:
        with pytest.raises(RepositoryNotFound):
            await client.repository("docker-nowhere")
        with pytest.raises(ImageNotFound):
            await client.tags("docker-dev", "team/nowhere")
        assert client.server_version is None


async def test_an_artifactory_that_shows_that_it_is_one_is_not_asked_again(
    settings: MakeSettings, gateway: Gateway
) -> None:
    async with ArtifactoryClient(settings()) as client:
        with pytest.raises(RepositoryNotFound):
            await client.repository("docker-nowhere")
    assert gateway.count("GET", "/ping") == 0


async def test_a_server_that_cannot_say_what_it_is_at_the_moment_leaves_the_error_as_it_is(
    settings: MakeSettings, gateway: Gateway
) -> None:
    gateway.rule("GET", "/ping", reply=Reply(500), does_work=False)
    gateway.rule("*", "", reply=hide)
    async with ArtifactoryClient(settings()) as client:
        with pytest.raises(RepositoryNotFound):
            await client.repository("docker-nowhere")
        with pytest.raises(ServerFailed):
            await client.ping()
