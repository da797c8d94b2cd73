"""Every tag that begins with a digest belongs to it, whatever its suffix, and nothing of it is dropped silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.dev_to_qa import PLATFORMS, promotion
from tests.integration.promotion.planning.planning import actions, plan

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import promote_image, promote_many
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion, PromotionOptions

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

SUFFIXES = (
    ".sig",
    ".src",
    ".dockerfile",
    ".git",
    ".imgpkg",
    ".image-locations.imgpkg",
    ".SBOM-v2.1_x",
    "",
)
pytestmark = pytest.mark.usefixtures("queries")


def attach(sandbox: RunningSandbox, image: str) -> dict[str, str]:
    """Push an index with everything under tags that belongs to it and to a child; return tag → digest."""
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    attached = {"1": digest}
    for subject in (digest, pusher.children(digest)[1]):
        for suffix in SUFFIXES:
            attached[cosign_tag(subject, suffix)] = pusher.sign(subject, f"{suffix} of {subject}", suffix=suffix)
    return attached


def shown(sandbox: RunningSandbox, image: str) -> dict[str, str | None]:
    return {tag: sandbox.digest(f"docker-qa/{image}:{tag}") for tag in sandbox.tags("docker-qa", image)}


@pytest.mark.parametrize("attachments", ["all", "tags"])
async def test_they_travel_with_the_image_and_with_its_children(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, attachments: str
) -> None:
    attached = attach(sandbox, image)
    record = await promote(direct, promotion(image, attachments=attachments))
    assert {one.tag: one.digest for one in record.attachments} | {"1": record.target.digest} == attached
    assert shown(sandbox, image) == attached


@pytest.mark.parametrize("attachments", ["all", "tags"])
async def test_they_travel_with_each_of_many(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, attachments: str
) -> None:
    attached = attach(sandbox, image)
    sandbox.tag(f"docker-dev/{image}:1", f"docker-dev/{image}:2")
    asked = [promotion(image, tag=tag, attachments=attachments, confirmation_timeout=5) for tag in ("1", "2")]
    report = await promote_many(direct, asked)
    assert [(one.outcome, one.attachments) for one in report.results] == [("promoted", 2 * len(SUFFIXES))] * 2
    assert shown(sandbox, image) == attached | {"2": attached["1"]}


async def test_all_tags_of_an_image_are_promoted_with_them_and_they_are_no_images_of_their_own(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    attached = attach(sandbox, image)
    places = (ImageReference(repository, image) for repository in ("docker-dev", "docker-qa"))
    options = PromotionOptions(confirmation_timeout=5)
    report = await promote_image(direct, Promotion(source=next(places), target=next(places), options=options))
    assert [str(one.target.tag) for one in report.results] == ["1"]
    assert shown(sandbox, image) == attached


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_a_plan_promotes_what_is_there_already_where_the_target_lacks_one(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, suffix: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    tag = cosign_tag(digest, suffix)
    await promote(direct, promotion(image))
    assert actions(await plan(direct, image)) == {"1": "unchanged"}
    late = Pusher(sandbox, f"docker-dev/{image}").sign(digest, "late", suffix=suffix)
    made = await plan(direct, image)
    assert actions(made) == {"1": "promote"}, "it is no image of its own"
    assert suffix in made.promotions[0].reason
    report = await promote_many(direct, [promotion(image, attachments="tags")])
    assert [(one.outcome, one.attachments) for one in report.results] == [("unchanged", 1)]
    assert shown(sandbox, image) == {"1": digest, tag: late}
    assert actions(await plan(direct, image)) == {"1": "unchanged"}
