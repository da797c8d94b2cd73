from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.errors import ImageNotFound, TagNotFound
from artifactory_provider.promotion.selection import newest_version

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


async def test_the_newest_release_is_chosen_and_pinned(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = {
        tag: sandbox.push_image(f"docker-dev/{image}:{tag}")
        for tag in ("1.9.0", "v1.10.0", "2.0.0-rc.1", "latest", "nightly")
    }
    chosen = await newest_version(client, "docker-dev", image)
    assert chosen is not None
    assert (chosen.tag, chosen.digest) == ("v1.10.0", digests["v1.10.0"])


async def test_a_past_night_finds_what_it_would_have_found(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for day, tag in enumerate(("1.0.0", "1.1.0", "1.2.0"), start=1):
        platforms = ("linux/amd64", "linux/arm64")[: day % 2 + 1]
        sandbox.push_image(f"docker-dev/{image}:{tag}", platforms=platforms)
        created = Reply(200, f'{{"created": "2026-01-0{day}T12:00:00.000Z"}}'.encode())
        gateway.rule("GET", f"/api/storage/docker-dev/{image}/{tag}/", reply=created)
    night = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
    for before, tag in ((night, "1.0.0"), (night + datetime.timedelta(seconds=1), "1.1.0")):
        chosen = await newest_version(client, "docker-dev", image, created_before=before)
        assert chosen is not None
        assert chosen.tag == tag
    assert await newest_version(client, "docker-dev", image, created_before=night.replace(year=2025)) is None


async def test_an_image_without_a_release_and_no_image_say_what_to_do(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    with pytest.raises(ImageNotFound):
        await newest_version(client, "docker-dev", image)
    sandbox.push_image(f"docker-dev/{image}:latest")
    with pytest.raises(TagNotFound, match=r"1 tags, but no released version .* name the tag"):
        await newest_version(client, "docker-dev", image)
