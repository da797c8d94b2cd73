"""How many requests a promotion costs: counted, not timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.dev_to_qa import PLATFORMS, TRANSIT, promotion

from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.promote import promote

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.request import Attachments
    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.mark.parametrize(
    ("two_phase", "attachments", "most"), [(False, "all", 10), (True, "all", 14), (False, "none", 4), (True, "none", 7)]
)
async def test_an_unsigned_two_platform_image_is_promoted_in_few_requests(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, two_phase: bool, attachments: Attachments, most: int
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    seen = sandbox.service.journal.requests
    seen.clear()
    await promote(direct, promotion(image, two_phase=two_phase, attachments=attachments))
    assert len(seen) <= most


async def test_a_promotion_that_is_done_already_costs_fewer_requests_than_one_that_is_not(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await promote(direct, promotion(image))
    seen = sandbox.service.journal.requests
    for attachments, most in (("all", 8), ("none", 4)):
        seen.clear()
        assert (await promote(direct, promotion(image, attachments=attachments))).outcome == "unchanged"
        assert len(seen) <= most


@pytest.mark.parametrize("attachments", ["all", "tags", "none"])
async def test_through_transit_a_new_tag_costs_as_many_requests_and_an_overwritten_one_a_question_more(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, attachments: Attachments
) -> None:
    counts = {}
    for place, where in (("target", None), ("transit", TRANSIT)):
        for content in ("first", "second"):
            name = f"{image}/{place}"
            sandbox.push_image(f"docker-dev/{name}:1", content=content, platforms=PLATFORMS)
            seen = sandbox.service.journal.requests
            seen.clear()
            wanted = promotion(name, attachments=attachments, on_conflict="overwrite", pending_repository=where)
            assert (await promote(direct, wanted)).outcome == "promoted"
            counts[place, content] = len(seen)
    assert counts["transit", "first"] == counts["target", "first"]
    assert counts["transit", "second"] == counts["target", "second"] + (attachments != "none")


@pytest.mark.parametrize("attachments", ["all", "tags"])
async def test_through_transit_many_cost_hardly_a_request_more(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, attachments: Attachments
) -> None:
    counts = []
    for place, where in (("target", None), ("transit", TRANSIT)):
        tags = [f"{place}-{number}" for number in range(60)]
        for tag in tags:
            sandbox.push_image(f"docker-dev/{image}:{tag}", platforms=PLATFORMS)
        seen = sandbox.service.journal.requests
        seen.clear()
        wanted = [promotion(image, tag=tag, attachments=attachments, pending_repository=where) for tag in tags]
        assert (await promote_many(direct, wanted)).counts["promoted"] == len(tags)
        counts.append(len(seen))
    assert counts[1] <= 1.05 * counts[0]
