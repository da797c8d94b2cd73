from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Gateway, Reply
from tests.integration.promotion.dev_to_qa import PLATFORMS

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.listing import Shown
from artifactory_provider.promotion.queries import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


async def look_at(client: ArtifactoryClient, tags: Iterable[ImageReference]) -> dict[ImageReference, Shown]:
    """Return what tags show."""
    asked = tuple(tags)
    async with Ledger(client) as ledger:
        seen = await ledger.look(Question(tags=asked))
    return {tag.unpinned(): shown for tag in asked if (shown := seen.shows(tag))}


@pytest.mark.parametrize("are_queries_refused", [False, True])
async def test_many_tags_are_looked_at_in_one_request_or_each_where_queries_are_refused(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, are_queries_refused: bool
) -> None:
    single = sandbox.push_image(f"docker-dev/{image}:1")
    index = sandbox.push_image(f"docker-dev/{image}:2", platforms=PLATFORMS)
    tags = [ImageReference("docker-dev", image, str(number)) for number in range(1, 4)]
    if are_queries_refused:
        gateway.rule("POST", "/api/search/aql$", reply=Reply(403))

    seen = await look_at(client, [*tags, tags[0].pinned(index)])

    assert seen == {tags[0]: Shown(single, is_index=False), tags[1]: Shown(index, is_index=True)}


async def test_tags_of_several_repositories_and_images_are_told_apart(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    places = [("docker-dev", image), ("docker-qa", image), ("docker-dev", f"{image}/part")]
    pushed = {
        ImageReference(repository, name, "1"): sandbox.push_image(f"{repository}/{name}:1")
        for repository, name in places
    }
    seen = await look_at(client, pushed)
    assert {tag: shown.digest for tag, shown in seen.items()} == pushed


async def test_looking_at_no_tags_asks_nothing(client: ArtifactoryClient, gateway: Gateway) -> None:
    assert await look_at(client, []) == {}
    assert not gateway.requests
