from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply, html
from tests.integration.promotion.dev_to_qa import PROMOTE, promotion

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    AuthenticationFailed,
    ImageNotFound,
    PermissionDenied,
    RepositoryNotFound,
    TagNotFound,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

    MakeSettings = Callable[..., Any]


@pytest.mark.parametrize(
    ("source", "target", "kind", "words"),
    [
        ("docker-nowhere", "docker-qa", RepositoryNotFound, "no repository 'docker-nowhere'"),
        ("docker-dev", "docker-nowhere", RepositoryNotFound, "no repository 'docker-nowhere'"),
        ("generic-local", "docker-qa", UnsupportedRepository, "'generic-local' is a local generic repository"),
        ("docker-dev", "generic-local", UnsupportedRepository, "'generic-local' is a local generic repository"),
        ("docker-virtual", "docker-qa", UnsupportedRepository, "'docker-virtual' is a virtual docker repository"),
        ("docker-dev", "docker-virtual", UnsupportedRepository, "name the local one behind it"),
        ("docker-dev", "docker-remote", UnsupportedRepository, "'docker-remote' is a remote docker repository"),
    ],
)
async def test_a_repository_that_cannot_promote_is_named_with_its_kind(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, source: str, target: str, kind: Any, words: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(kind, match=words):
        await promote(
            client,
            promotion(image, source=ImageReference(source, image, "1"), target=ImageReference(target, image, "1")),
        )


async def test_an_unknown_image_says_how_image_names_are_given(client: ArtifactoryClient, image: str) -> None:
    with pytest.raises(ImageNotFound, match=f"no image '{image}' in 'docker-dev'.*without host and repository key"):
        await promote(client, promotion(image))


async def test_an_image_name_that_repeats_the_repository_key_is_put_right(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(ImageNotFound, match=f"repeats the repository key: give the image as '{image}'"):
        await promote(client, promotion(f"docker-dev/{image}"))


async def test_an_unknown_tag_shows_some_that_there_are(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1.0", "1.1"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    with pytest.raises(TagNotFound, match=r"the image has 2 tags, among them 1\.1, 1\.0\. Check the tag"):
        await promote(client, promotion(image, tag="2.0"))


async def test_a_tag_that_vanishes_between_pin_and_promotion_is_reported_as_missing(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for tag in ("1", "2"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    gateway.rule("POST", PROMOTE, before=lambda: sandbox.delete(f"docker-dev/{image}:1"))
    with pytest.raises(TagNotFound, match="among them 2"):
        await promote(client, promotion(image))


async def test_a_promote_endpoint_that_is_not_there_is_not_mistaken_for_a_missing_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, reply=html(404, "Not Found"), does_work=False)
    with pytest.raises(Exception, match=r"POST .*/promote answered 404 \(an HTML page\)"):
        await promote(client, promotion(image))


async def test_wrong_credentials_and_missing_permissions_are_told_apart(
    settings: MakeSettings, sandbox: RunningSandbox, image: str
) -> None:
    from artifactory_provider.artifactory.authentication import Basic

    sandbox.push_image(f"docker-dev/{image}:1")
    for changes, kind, words in (
        ({"authentication": Basic("admin", "wrong")}, AuthenticationFailed, "credentials"),
        ({"username": "stranger"}, PermissionDenied, "needs Read on 'docker-dev'"),
        ({"username": "blind-deployer"}, PermissionDenied, "needs on 'docker-qa': Read, Deploy/Cache and Delete"),
        ({"username": "reader"}, PermissionDenied, "needs on 'docker-qa': Read, Deploy/Cache and Delete"),
    ):
        async with ArtifactoryClient(settings(**changes)) as client:
            with pytest.raises(kind, match=words):
                await promote(client, promotion(image))


async def test_no_more_permissions_are_needed_than_those_of_the_promotion(
    settings: MakeSettings, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """Read and Deploy are enough for the fast way without a record.

    A missing tag is explained even to whom repositories are not described."""
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("GET", "/api/repositories/", reply=Reply(403), does_work=False)
    async with ArtifactoryClient(settings(username="deployer")) as client:
        fast = promotion(image, two_phase=False, property_prefix=None)
        assert (await promote(client, fast)).outcome == "promoted"
        with pytest.raises(TagNotFound, match="among them 1"):
            await promote(client, promotion(image, tag="2"))


async def test_overwriting_needs_delete_on_the_target_and_the_server_says_so(
    settings: MakeSettings, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="new")
    sandbox.push_image(f"docker-qa/{image}:1", content="old")
    async with ArtifactoryClient(settings(username="deployer")) as client:
        with pytest.raises(PermissionDenied, match=r"override .*and there Delete/Overwrite too where the tag exists"):
            await promote(client, promotion(image, on_conflict="overwrite", two_phase=False))
