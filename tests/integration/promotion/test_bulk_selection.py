"""Which tags of many images are meant: each as if it were asked for alone, by few requests."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from artifactory_provider.artifactory.errors import ImageNotFound, TagNotFound
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.bulk_selection import list_image_names, select_many
from artifactory_provider.promotion.errors import SourceMoved, VersionUncertain
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.selection import select

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

TAGS = ("1.9.0", "v1.10.0", "2.0.0-rc.1", "1.9.0-alpine", "latest", "nightly")


def push(sandbox: RunningSandbox, image: str, tags: tuple[str, ...] = TAGS) -> dict[str, str]:
    return {
        tag: sandbox.push_image(f"docker-dev/{image}:{tag}", platforms=("linux/amd64", "linux/arm64")[: 1 + at % 2])
        for at, tag in enumerate(tags)
    }


@pytest.mark.usefixtures("queries")
async def test_each_of_many_is_answered_as_if_it_were_alone(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image)
    push(sandbox, f"{image}-b", ("1.0", "2.0"))
    candidates = [image, f"{image}-b", f"{image} <1.10", f"{image}:*-alpine", f"{image}:latest", f"{image}-b:1.0"]

    found = await select_many(direct, "docker-dev", candidates)

    alone = [await select(direct, "docker-dev", candidate) for candidate in candidates]
    assert [one.reference for one in found] == alone
    assert [one.reference and one.reference.tag for one in found] == [
        "v1.10.0", "2.0", "1.9.0", "1.9.0-alpine", "latest", "1.0",
    ]  # fmt: skip


async def test_what_nobody_can_tell_of_one_harms_no_other(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = push(sandbox, image)
    push(sandbox, f"{image}-doubtful", ("1.0", "2026-11-01-beta", "alpine-9.0"))
    push(sandbox, f"{image}-none", ("latest",))
    candidates = {
        f"{image}-doubtful": VersionUncertain,
        f"{image}-none": TagNotFound,
        f"{image}-absent": ImageNotFound,
        f"{image}:absent": TagNotFound,
        f"{image}:1.9.0@{digests['v1.10.0']}": SourceMoved,
        "NO/IMAGE": InvalidReference,
        image: None,
    }

    found = await select_many(client, "docker-dev", list(candidates))

    assert {one.candidate: one.error and type(one.error) for one in found} == candidates
    assert [one.candidate for one in found if one.reference] == [image]


async def test_a_past_night_finds_what_it_would_have_found(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image, ("1.0", "1.1"))
    now = datetime.datetime.now(datetime.UTC)
    [before] = await select_many(client, "docker-dev", [image], created_before=now - datetime.timedelta(days=1))
    [after] = await select_many(client, "docker-dev", [image], created_before=now + datetime.timedelta(days=1))
    assert (before.reference, before.error) == (None, None)
    assert after.reference is not None
    assert after.reference.tag == "1.1"


async def test_patterns_name_images_and_plain_names_need_not_be_there(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{image}/b", ("1",))
    push(sandbox, f"{image}/a", ("1",))
    names = await list_image_names(client, "docker-dev", Patterns((f"{image}/z", f"{image}/*"), (f"{image}/b",)))
    assert names == [f"{image}/z", f"{image}/a"]


async def test_many_are_found_by_few_requests(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    images = [f"{image}-{number}" for number in range(40)]
    for name in images:
        push(sandbox, name, ("1.0", "1.1"))
    before = len(sandbox.requests)
    found = await select_many(client, "docker-dev", images)
    assert {one.reference and one.reference.tag for one in found} == {"1.1"}
    assert len(sandbox.requests) - before < 5
