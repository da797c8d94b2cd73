from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import cosign_tag
from tests.integration.promotion.planning.planning import PLATFORMS, QUERY, actions, plan

from artifactory_provider.artifactory import rest_api
from artifactory_provider.promotion import queries
from artifactory_provider.promotion.planning.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

IMAGES, TAGS = 10, 10


@pytest.fixture
def shrink(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make pages and queries so many times smaller, so that few tags stand for many."""

    def by(factor: int) -> None:
        monkeypatch.setattr(rest_api, "ITEMS_A_PAGE", rest_api.ITEMS_A_PAGE // factor)
        monkeypatch.setattr(queries, "_FILES_A_QUERY", queries._FILES_A_QUERY // factor)

    return by


def push(sandbox: RunningSandbox, image: str, *, signed: bool = False) -> None:
    """Put the same hundred tags of ten images into both repositories."""
    for number in range(IMAGES):
        for tag in range(TAGS):
            for repository in ("docker-dev", "docker-qa"):
                place = f"{repository}/{image}/{number}"
                digest = sandbox.push_image(f"{place}:1.{tag}", content=f"{number}/{tag}", platforms=PLATFORMS)
                if signed:
                    sandbox.push_image(f"{place}:{cosign_tag(digest, '.sig')}", content=f"signature of {digest}")


@pytest.mark.parametrize(
    ("thousand_tags", "signed", "most"),
    [(1, False, 6), (1, True, 6), (10, False, 40), (10, True, 60)],
)
async def test_a_plan_in_which_nothing_is_left_to_do_costs_a_few_requests_a_thousand_tags(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    shrink: Callable[[int], None],
    thousand_tags: int,
    signed: bool,
    most: int,
) -> None:
    push(sandbox, image, signed=signed)
    shrink(10 * thousand_tags)
    made = await plan(client, image, images=Patterns((f"{image}/*",)))
    assert made.counts == {"promote": 0, "unchanged": IMAGES * TAGS, "conflict": 0, "refused": 0, "missing": 0}
    assert len(gateway.requests) <= most


async def test_queries_ask_for_no_more_than_names_times_and_properties_may_mean(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:release-1")
    sandbox.set_properties(f"docker-dev/{image}:release-1", {"qa": "passed"})
    await plan(client, image, "release-*", properties={"qa": "passed"}, attachments="none")
    asked = gateway.requests[0].body.decode()
    for part in ('"repo": "docker-dev"', f'{{"$match": "{image}/release-*"}}', '"@qa": {"$eq": "passed"}'):
        assert part in asked


async def test_named_tags_are_asked_for_by_their_names(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    await plan(client, image, "1", "2", attachments="none")
    assert f'"path": "{image}/1"' in gateway.requests[0].body.decode()
    assert "$match" not in gateway.requests[0].body.decode()


async def test_hundreds_of_named_tags_make_no_query_that_a_server_refuses(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:7")
    made = await plan(client, image, *map(str, range(2000)))
    assert (made.counts["promote"], made.counts["missing"]) == (1, 1999)
    assert gateway.count("HEAD", "") == 0


def delete_all(sandbox: RunningSandbox, image: str, tags: Iterable[int]) -> None:
    for tag in tags:
        sandbox.delete(f"docker-dev/{image}:{tag}")


async def test_a_tag_that_is_deleted_between_two_pages_hides_no_other(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    shrink: Callable[[int], None],
) -> None:
    for number in range(10, 30):
        sandbox.push_image(f"docker-dev/{image}:{number}")
    shrink(200)
    gateway.rule("POST", QUERY, times=2)
    gateway.rule("POST", QUERY, times=1, before=lambda: delete_all(sandbox, image, range(10, 13)))
    made = actions(await plan(client, image))
    assert set(made) >= {str(number) for number in range(13, 30)}


async def test_a_listing_that_shrinks_to_nothing_between_two_pages_ends(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    shrink: Callable[[int], None],
) -> None:
    for number in range(10):
        sandbox.push_image(f"docker-dev/{image}:{number}")
    shrink(200)
    gateway.rule("POST", QUERY, times=1)
    gateway.rule("POST", QUERY, times=1, before=lambda: delete_all(sandbox, image, range(1, 10)))
    assert "0" in actions(await plan(client, image))


async def test_a_tag_that_is_pushed_or_moved_between_two_pages_is_planned_once(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    gateway: Gateway,
    image: str,
    shrink: Callable[[int], None],
) -> None:
    for number in range(10, 20):
        sandbox.push_image(f"docker-dev/{image}:{number}")
    shrink(200)

    def push_more() -> None:
        sandbox.push_image(f"docker-dev/{image}:0")
        sandbox.push_image(f"docker-dev/{image}:19", content="moved", platforms=PLATFORMS)

    gateway.rule("POST", QUERY, times=1)
    gateway.rule("POST", QUERY, times=1, before=push_more)
    made = await plan(client, image)
    assert {str(number) for number in range(10, 20)} <= set(actions(made)) <= {"0", *map(str, range(10, 20))}
    moved = next(one for one in made.promotions if one.target.tag == "19")
    assert moved.source.digest == sandbox.digest(f"docker-dev/{image}:19")
