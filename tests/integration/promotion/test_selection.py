from __future__ import annotations

import datetime
import logging
from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply

from artifactory_provider.artifactory.errors import ImageNotFound, TagNotFound
from artifactory_provider.promotion.errors import VersionUncertain
from artifactory_provider.promotion.selection import newest_version, select

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


def push(sandbox: RunningSandbox, gateway: Gateway, name: str, *, day: int) -> str:
    """Push an image that counts as created on a day of January 2026, and return its digest."""
    image, _, tag = name.partition(":")
    created = Reply(200, f'{{"created": "2026-01-{day:02}T12:00:00.000Z"}}'.encode())
    gateway.rule("GET", f"/api/storage/docker-dev/{image}/{tag}/", reply=created)
    return sandbox.push_image(f"docker-dev/{name}", platforms=("linux/amd64", "linux/arm64")[: day % 2 + 1])


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
        push(sandbox, gateway, f"{image}:{tag}", day=day)
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
    sandbox.push_image(f"docker-dev/{image}:1.4.2-alpine")
    with pytest.raises(
        TagNotFound, match=r"after them: 1\.4\.2-alpine\. Say which tags .*:\*-alpine', or name the tag"
    ):
        await newest_version(client, "docker-dev", image)
    with pytest.raises(TagNotFound, match=r"that matches '1\.\*' in the range '>=2'"):
        await select(client, "docker-dev", f"{image}:1.* >=2")


async def test_what_may_be_newer_is_refused_by_name_before_anything_is_looked_at(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.4.2")
    alpine = sandbox.push_image(f"docker-dev/{image}:1.5.0-alpine")
    gateway.requests.clear()
    with pytest.raises(
        VersionUncertain,
        match=rf"1\.4\.2 is the highest version, but 1\.5\.0-alpine may be newer.* '{image} <1\.5\.0' or '{image}:1",
    ):
        await select(client, "docker-dev", image)
    assert len(gateway.requests) == 1
    for candidate, tag, shown in (
        (f"{image} <1.5.0", "1.4.2", digest),
        (f"{image}:*-alpine", "1.5.0-alpine", alpine),
        (f"{image}:1.4.2", "1.4.2", digest),
    ):
        chosen = await select(client, "docker-dev", candidate)
        assert chosen is not None
        assert (chosen.tag, chosen.digest) == (tag, shown)


async def test_two_tags_of_one_version_are_one_release_only_where_they_show_one_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:v1.4.2")
    sandbox.push_image(f"docker-dev/{image}:1.4.1")
    sandbox.tag(f"docker-dev/{image}:v1.4.2", f"docker-dev/{image}:1.4.2")
    chosen = await newest_version(client, "docker-dev", image)
    assert chosen is not None
    assert (chosen.tag, chosen.digest) == ("1.4.2", digest)
    sandbox.push_image(f"docker-dev/{image}:1.4.2", platforms=("linux/arm64",))
    with pytest.raises(
        VersionUncertain, match=r"1\.4\.2 \(sha256:.*\), v1\.4\.2 \(sha256:.*\) are one version and show"
    ):
        await newest_version(client, "docker-dev", image)


async def test_what_is_later_than_a_past_night_puts_nothing_in_doubt_and_what_was_there_does(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for day, tag in ((1, "1.0.0"), (3, "1.1.0"), (4, "2.0.0-alpine"), (5, "1.2.0-alpine"), (6, "2026.1.0")):
        push(sandbox, gateway, f"{image}:{tag}", day=day)
    for day, tag in ((2, "1.0.0"), (4, "1.1.0")):
        night = datetime.datetime(2026, 1, day, tzinfo=datetime.UTC)
        chosen = await newest_version(client, "docker-dev", image, created_before=night)
        assert chosen is not None
        assert chosen.tag == tag
    for day, tag in ((5, "2.0.0-alpine"), (7, "2026.1.0")):
        night = datetime.datetime(2026, 1, day, tzinfo=datetime.UTC)
        with pytest.raises(VersionUncertain, match=tag):
            await newest_version(client, "docker-dev", image, created_before=night)


async def test_a_past_night_asks_about_few_tags_only_where_hundreds_are_in_doubt(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    push(sandbox, gateway, f"{image}:1.0.0", day=1)
    for number in range(30):
        push(sandbox, gateway, f"{image}:1.{number}.1-alpine", day=5)
    gateway.requests.clear()
    night = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    with pytest.raises(VersionUncertain, match=r"1\.29\.1-alpine, .* and 27 more may be newer"):
        await newest_version(client, "docker-dev", image, created_before=night)
    assert len(gateway.requests) < 60


async def test_the_log_says_what_was_passed_over(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, caplog: pytest.LogCaptureFixture
) -> None:
    for tag in ("1.4.2", "1.5.0-rc.1", "1.4.2-alpine", "latest", f"1.4.2-previous-{'a' * 12}"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    with caplog.at_level(logging.INFO, "artifactory_provider.promotion.selection"):
        await newest_version(client, "docker-dev", image)
    (message,) = [record.getMessage() for record in caplog.records if record.name.endswith("selection")]
    assert message.endswith(
        "1.4.2 is the newest release. Passed over: pre-releases: 1.5.0-rc.1; versions with something after them: "
        "1.4.2-alpine."
    )
