from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.planning.planning import PLATFORMS, actions, plan

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.patterns import Patterns

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.request import OnConflict
    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytestmark = pytest.mark.usefixtures("queries")


async def test_a_plan_says_what_is_to_be_done_about_each_tag_and_changes_nothing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:new", platforms=PLATFORMS)
    same = sandbox.push_image(f"docker-dev/{image}:same", content="same")
    sandbox.push_image(f"docker-qa/{image}:same", content="same")
    ours = sandbox.push_image(f"docker-dev/{image}:other", content="ours")
    theirs = sandbox.push_image(f"docker-qa/{image}:other", content="theirs")

    made = await plan(client, image, "new", "same", "other", "gone")

    assert [(str(one.source), str(one.target), one.action, one.current) for one in made.promotions] == [
        (f"docker-dev/{image}:gone", f"docker-qa/{image}:gone", "missing", None),
        (f"docker-dev/{image}:new@{new}", f"docker-qa/{image}:new", "promote", None),
        (f"docker-dev/{image}:other@{ours}", f"docker-qa/{image}:other", "conflict", theirs),
        (f"docker-dev/{image}:same@{same}", f"docker-qa/{image}:same", "unchanged", same),
    ]
    assert sandbox.tags("docker-qa", image) == ["other", "same"]


@pytest.mark.parametrize("on_conflict", ["overwrite", "backup"])
async def test_what_may_be_overwritten_is_promoted_and_shown_with_what_it_replaces(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, on_conflict: OnConflict
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="ours")
    theirs = sandbox.push_image(f"docker-qa/{image}:1", content="theirs")
    [promotion] = (await plan(client, image, on_conflict=on_conflict)).promotions
    assert (promotion.action, promotion.current) == ("promote", theirs)
    assert "what is there" in promotion.reason


async def test_a_tag_that_is_too_long_for_a_backup_is_a_conflict_only_where_one_is_needed(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    new, old = ("n" * 120, "o" * 120)
    for tag in (new, old):
        sandbox.push_image(f"docker-dev/{image}:{tag}", content="ours")
    sandbox.push_image(f"docker-qa/{image}:{old}", content="theirs")
    made = await plan(client, image, on_conflict="backup")
    assert actions(made) == {new: "promote", old: "conflict"}
    assert made.promotions[1].reason == "its tag is too long for a backup tag of it"


async def test_tags_that_are_no_images_of_their_own_are_never_planned(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    for tag in (
        cosign_tag(digest, ".sig"),
        cosign_tag(digest, ""),
        "1-previous-0123456789ab",
        "pending-0123456789ab-01234567-run1",
        "moved-0123456789ab-01234567-run1",
        "pending-review",
    ):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    assert actions(await plan(client, image)) == {"1": "promote", "pending-review": "promote"}


@pytest.mark.parametrize("suffix", [".sig", ".att", ".sbom", ""])
async def test_an_image_that_is_there_without_its_signature_is_promoted_again(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, suffix: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="same")
    sandbox.push_image(f"docker-qa/{image}:1", content="same")
    signature = cosign_tag(digest, suffix)
    sandbox.push_image(f"docker-dev/{image}:{signature}", content="signature")

    [promotion] = (await plan(client, image)).promotions
    assert promotion.action == "promote"
    assert promotion.reason.startswith("the target lacks 1 of its attachments' tags")
    assert actions(await plan(client, image, attachments="none")) == {"1": "unchanged"}

    sandbox.push_image(f"docker-qa/{image}:{signature}", content="another signature")
    assert actions(await plan(client, image)) == {"1": "promote"}
    sandbox.push_image(f"docker-qa/{image}:{signature}", content="signature")
    assert actions(await plan(client, image)) == {"1": "unchanged"}


async def test_a_signature_is_seen_though_the_tags_that_are_meant_are_narrowed(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.4", content="same")
    sandbox.push_image(f"docker-qa/{image}:1.4", content="same")
    sandbox.set_properties(f"docker-dev/{image}:1.4", {"qa": "passed"})
    Pusher(sandbox, f"docker-dev/{image}").sign(digest, "signature")
    narrowed = {"tags": Patterns(("1.*",)), "properties": {"qa": "passed"}}
    assert actions(await plan(client, image, **narrowed)) == {"1.4": "promote"}


async def test_retagging_within_one_image_looks_for_no_signatures_that_stand_there_anyway(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="same")
    sandbox.push_image(f"docker-dev/{image}:1-stable", content="same")
    Pusher(sandbox, f"docker-dev/{image}").sign(digest, "signature")
    made = await plan(client, image, "1", target_repository="docker-dev", target_tags=("{tag}-stable", "new"))
    assert actions(made) == {"1-stable": "unchanged", "new": "promote"}


async def test_one_source_becomes_several_targets_under_another_name(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:v1.4.2")
    templates = ("{version}", "{version.major}.{version.minor}", "{tag}", "{version.major}.{version.minor}")
    made = await plan(client, image, target_tags=templates, target_image="mirror/{image}")
    assert [one.target for one in made.promotions] == [
        ImageReference("docker-qa", f"mirror/{image}", tag) for tag in ("1.4", "1.4.2", "v1.4.2")
    ]
    assert {one.source.digest for one in made.promotions} == {digest}


async def test_a_tag_that_one_of_the_repositories_has_is_not_missing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.push_image(f"docker-prod/{image}:2")
    made = await plan(client, image, "1", "2", "3", repositories=("docker-dev", "docker-prod"))
    assert actions(made) == {"1": "promote", "2": "promote", "3": "missing"}
    assert [one.source.repository for one in made.promotions] == ["docker-dev", "docker-prod", "docker-dev"]


async def test_two_sources_for_one_target_are_refused_with_both_before_the_target_is_looked_at(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1.4.1", "1.4.2", "1.5.0"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    with pytest.raises(
        InvalidPlan, match=rf"docker-qa/{image}:1\.4 from docker-dev/.*:1\.4\.1@.* and from .*:1\.4\.2@"
    ):
        await plan(client, image, target_tags=("{version.major}.{version.minor}",))


async def test_an_image_that_two_repositories_have_is_refused(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for repository in ("docker-dev", "docker-prod"):
        sandbox.push_image(f"{repository}/{image}:1")
    with pytest.raises(InvalidPlan, match=f"from docker-dev/{image}:1@.* and from docker-prod/{image}:1@"):
        await plan(client, image, repositories=("docker-dev", "docker-prod"))


async def test_a_promotion_to_itself_is_refused(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    with pytest.raises(
        InvalidPlan, match=f"docker-dev/{image}:1@.* would be promoted to docker-dev/{image}:1, which is itself"
    ):
        await plan(client, image, target_repository="docker-dev")
