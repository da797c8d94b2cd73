from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Reply

from artifactory_provider.artifactory import rest_api
from artifactory_provider.artifactory.errors import RequestRefused, UnexpectedAnswer
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.request import Promotion, PromotionOptions, make_promotions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

QUERY = "/api/search/aql$"
LONGEST = 6000
NOTIFICATION = "AQL query reached the search hard limit, results are trimmed."


def refuse_long(gateway: Gateway) -> None:
    """Refuse queries of more than 6,000 characters, as Artifactory does unless it is set up otherwise."""
    gateway.rule("POST", QUERY, longer_than=LONGEST, does_work=False, reply=Reply(400, b"The query is too long."))


async def test_a_query_that_is_too_long_is_sent_in_parts_that_find_the_same(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    tags = [ImageReference("docker-dev", image, f"v{number}") for number in range(600)]
    there = {tag: sandbox.push_image(str(tag)) for tag in tags[::200]}
    refuse_long(gateway)
    for refused in (1, 0):
        gateway.requests.clear()
        async with Ledger(client) as ledger:
            seen = await ledger.look(Question(tags=tuple(tags)))
        assert {tag: shown.digest for tag in tags if (shown := seen.shows(tag))} == there
        assert sum(len(one.body) > LONGEST for one in gateway.requests) == refused
        assert gateway.count("HEAD", "/manifests/") == 0
        assert len(gateway.requests) < 20


async def test_parts_are_made_wherever_the_alternatives_stand(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    places = [{"path": f"{image}/{tag}"} for tag in range(400)]
    name = {"name": "manifest.json"}
    refuse_long(gateway)
    for criteria in (
        {"repo": "docker-dev", **name, "$or": places},
        {"$and": [{"$or": [name, {"name": "list.manifest.json"}]}, {"$or": places}]},
    ):
        [found] = await client.find_items(criteria)
        assert found.folder == f"{image}/1"


async def test_a_long_query_that_cannot_be_divided_is_refused_as_any_other(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    refuse_long(gateway)
    with pytest.raises(RequestRefused):
        await client.find_items({"path": "x" * LONGEST})
    assert len(gateway.requests) == 1


async def test_results_that_the_server_has_trimmed_are_read_on(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    for tag in range(7):
        sandbox.push_image(f"docker-dev/{image}:{tag}")

    def trim(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        if len(document["results"]) > 3:
            document["results"] = document["results"][:3]
            document["range"]["notification"] = NOTIFICATION
        return replace(reply, body=json.dumps(document).encode())

    gateway.rule("POST", QUERY, reply=trim)
    criteria = {"repo": "docker-dev", "path": {"$match": f"{image}/*"}, "name": "manifest.json"}
    assert [item.folder for item in await client.find_items(criteria)] == [f"{image}/{tag}" for tag in range(7)]


@pytest.mark.parametrize("size", [0, 1])
async def test_results_that_are_trimmed_for_ever_are_an_error_and_not_the_end(
    client: ArtifactoryClient, gateway: Gateway, size: int
) -> None:
    page = {"results": [_item("1")][:size], "range": {"notification": NOTIFICATION}}
    gateway.rule("POST", QUERY, reply=Reply(200, json.dumps(page).encode()))
    with pytest.raises(UnexpectedAnswer):
        await client.find_items({"repo": "docker-dev"})


async def test_a_server_that_sends_pages_in_no_order_is_not_asked_for_ever(
    client: ArtifactoryClient, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_api, "ITEMS_A_PAGE", 2)
    first, second = ({"results": [_item(tag) for tag in tags]} for tags in ("12", "34"))
    for page, times in ((first, 1), (second, 1), (first, None)):
        gateway.rule("POST", QUERY, times=times, reply=Reply(200, json.dumps(page).encode()))
    with pytest.raises(UnexpectedAnswer, match="the same page at every offset"):
        await client.find_items({"repo": "docker-dev"})
    assert len(gateway.requests) < 50


@pytest.mark.parametrize("sha256", [None, "", 5, "A" * 64])
async def test_where_queries_do_not_tell_a_digest_the_docker_api_does(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, sha256: object
) -> None:
    digests = {tag: sandbox.push_image(f"docker-dev/{image}:{tag}", content=tag) for tag in ("1", "2", "3")}
    gateway.rule("POST", QUERY, reply=_changed(lambda item: {**item, "sha256": sha256}))
    pairs = [(ImageReference("docker-dev", image, tag), ImageReference("docker-qa", image, tag)) for tag in digests]
    await promote(client, Promotion(source=pairs[0][0], target=pairs[0][1]))
    report = await promote_many(client, make_promotions(pairs, PromotionOptions()))
    assert report.counts == {"promoted": 2, "unchanged": 1, "failed": 0}
    assert {tag: sandbox.digest(f"docker-qa/{image}:{tag}") for tag in digests} == digests


def _item(tag: str) -> dict[str, str]:
    return {"repo": "docker-dev", "path": f"team/app/{tag}", "name": "manifest.json", "sha256": "0" * 64}


def _changed(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Reply], Reply]:
    def reply(answer: Reply) -> Reply:
        document = json.loads(answer.body)
        document["results"] = [change(item) for item in document["results"]]
        return replace(answer, body=json.dumps(document).encode())

    return reply
