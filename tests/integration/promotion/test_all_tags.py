from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Gateway, Reply
from tests.integration.promotion.dev_to_qa import PLATFORMS, PROMOTE, RefusesFrom

from artifactory_provider.artifactory.errors import ImageNotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import promote_image
from artifactory_provider.promotion.errors import InvalidPromotion, TagsNotPromoted, TargetConflict
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.promotion.rules import Refused
from artifactory_provider.promotion.tags import name_moved, name_pending, select_images

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


def whole(image: str, **changes: Any) -> Promotion:
    return Promotion(
        source=ImageReference("docker-dev", image),
        target=ImageReference("docker-qa", image),
        options=PromotionOptions(**{"confirmation_timeout": 2.0, **changes}),
    )


def push_three(sandbox: RunningSandbox, image: str) -> dict[str, str]:
    """Two tags of one digest, and an index."""
    first = sandbox.push_image(f"docker-dev/{image}:1.0")
    sandbox.tag(f"docker-dev/{image}:1.0", f"docker-dev/{image}:latest")
    return {
        "1.0": first,
        "latest": first,
        "2.0": sandbox.push_image(f"docker-dev/{image}:2.0", platforms=PLATFORMS),
    }


def shown(sandbox: RunningSandbox, repository: str, image: str) -> dict[str, str | None]:
    return {tag: sandbox.digest(f"{repository}/{image}:{tag}") for tag in sandbox.tags(repository, image)}


@pytest.mark.parametrize("one_request", [False, True])
async def test_every_tag_of_an_image_is_promoted_and_verified(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, one_request: bool
) -> None:
    pushed = push_three(sandbox, image)
    record = await promote_image(client, whole(image), one_request=one_request)
    assert {(r.target.tag, r.target.digest) for r in record.records} == set(pushed.items())
    assert record.counts == {"promoted": 3, "unchanged": 0, "failed": 0}
    recorded = await client.properties(f"docker-qa/{image}/1.0/manifest.json")
    assert recorded["promotion.digest"] == [pushed["1.0"]]
    assert shown(sandbox, "docker-qa", image) == pushed
    assert shown(sandbox, "docker-dev", image) == pushed


async def test_a_second_run_over_all_tags_changes_nothing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, gateway: Gateway
) -> None:
    push_three(sandbox, image)
    assert (await promote_image(client, whole(image))).as_dict()["outcome"] == "promoted"
    before = len(gateway.requests)
    assert (await promote_image(client, whole(image))).as_dict()["outcome"] == "unchanged"
    assert not [request for request in gateway.requests[before:] if request.path.endswith("/promote")]


async def test_all_tags_are_moved_and_none_is_left(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push_three(sandbox, image)
    await promote_image(client, whole(image, copy=False))
    assert shown(sandbox, "docker-qa", image) == pushed
    assert shown(sandbox, "docker-dev", image) == {}


async def test_a_name_that_is_no_tag_does_not_stop_the_others_and_is_named(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push_three(sandbox, image)
    tags = json.dumps({"name": image, "tags": ["2.0+build", *pushed]}).encode()
    gateway.rule("GET", "docker-dev.*/tags/list", reply=Reply(200, tags))
    with pytest.raises(TagsNotPromoted, match=r"1 of 4 tags .*(?s:.*)'2\.0\+build' is not a tag"):
        await promote_image(client, whole(image))
    assert shown(sandbox, "docker-qa", image) == pushed


async def test_one_bad_tag_does_not_stop_the_others_and_is_named(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push_three(sandbox, image)
    other = sandbox.push_image(f"docker-qa/{image}:2.0", content="another one")
    with pytest.raises(TagsNotPromoted, match=rf"1 of 3 tags of docker-dev/{image}.*\n  2.0: .*{other}") as failed:
        await promote_image(client, whole(image))
    assert isinstance(failed.value.failures["2.0"], TargetConflict)
    assert shown(sandbox, "docker-qa", image) == {**pushed, "2.0": other}


async def test_one_request_for_all_overwrites_nothing_unless_it_may(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push_three(sandbox, image)
    other = sandbox.push_image(f"docker-qa/{image}:2.0", content="another one", platforms=PLATFORMS)
    with pytest.raises(TargetConflict, match=r"other images under 1 of these tags \(2\.0\)"):
        await promote_image(client, whole(image), one_request=True)
    assert shown(sandbox, "docker-qa", image) == {"2.0": other}
    report = await promote_image(client, whole(image, on_conflict="overwrite"), one_request=True)
    assert {record.target.tag: record.replaced for record in report.records} == dict.fromkeys(pushed) | {"2.0": other}
    assert shown(sandbox, "docker-qa", image) == pushed


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 5])
async def test_one_request_for_all_asks_the_rules_until_it_is_sent(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, asked: int
) -> None:
    """Three tags are asked about when they are looked at, and once more when the request's turn has come."""
    push_three(sandbox, image)
    with pytest.raises(Refused, match="stopped"):
        await promote_image(client, whole(image), one_request=True, rules=RefusesFrom(asked))
    assert shown(sandbox, "docker-qa", image) == {}


async def test_one_request_for_all_is_made_again_where_the_try_before_ended_after_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    pushed = push_three(sandbox, image)
    await client.promote(whole(image).source, whole(image).target, copy=True)
    report = await promote_image(client, whole(image), one_request=True)
    assert [result.outcome for result in report.results] == ["unchanged"] * 3
    assert shown(sandbox, "docker-qa", image) == pushed


async def test_one_request_for_all_overwrites_no_index_by_what_pulls_would_not_get(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    index = sandbox.push_image(f"docker-qa/{image}:1", content="another one", platforms=PLATFORMS)
    with pytest.raises(TargetConflict, match="keeps both under one tag"):
        await promote_image(client, whole(image, on_conflict="overwrite"), one_request=True)
    assert shown(sandbox, "docker-qa", image) == {"1": index}


async def test_a_tag_that_is_moved_during_the_one_request_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, gateway: Gateway
) -> None:
    pushed = push_three(sandbox, image)
    gateway.rule("POST", PROMOTE, before=lambda: sandbox.push_image(f"docker-dev/{image}:1.0", content="another one"))
    with pytest.raises(TagsNotPromoted, match=f"1 of 3 tags of .*\n  1.0: .* {pushed['1.0']} was to be promoted"):
        await promote_image(client, whole(image), one_request=True)


async def test_one_request_for_all_never_moves(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    pushed = push_three(sandbox, image)
    with pytest.raises(InvalidPromotion, match="copies"):
        await promote_image(client, whole(image, copy=False), one_request=True)
    assert shown(sandbox, "docker-dev", image) == pushed


async def test_one_request_that_was_lost_on_the_way_is_made_good_tag_by_tag(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, gateway: Gateway
) -> None:
    pushed = push_three(sandbox, image)
    gateway.rule("POST", PROMOTE, times=1, reply=Reply(504), does_work=False)
    await promote_image(client, whole(image), one_request=True)
    assert shown(sandbox, "docker-qa", image) == pushed


async def test_an_image_that_is_not_there_is_named(client: ArtifactoryClient, image: str) -> None:
    with pytest.raises(ImageNotFound, match=f"no image '{image}' in 'docker-dev'"):
        await promote_image(client, whole(image))


async def test_a_promotion_without_tags_is_never_one_of_a_single_tag(client: ArtifactoryClient, image: str) -> None:
    with pytest.raises(InvalidPromotion, match="promote_image"):
        await promote(client, whole(image))


def test_tags_of_attachments_backups_and_promotions_under_way_are_no_images_of_their_own() -> None:
    pinned = ImageReference("docker-qa", "a", "1", f"sha256:{'a' * 64}")
    own = ["1.0", "latest", "sha256-short.sig", "previous-1", "1.0-previous-x"]
    others = [
        f"sha256-{'a' * 64}",
        f"sha256-{'a' * 64}.sig",
        "1.0-previous-0123456789ab",
        str(name_pending(pinned, "run1").tag),
        str(name_moved(pinned, "run1").tag),
    ]
    assert select_images([*own, *others]) == own
