"""Planning the change of one tag: what it shows, what it would show, and what keeps it from that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.dev_to_qa import ABSENT, PLATFORMS, promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.layout import tag_path
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.backup import find_previous
from artifactory_provider.promotion.decisions import hold, reject
from artifactory_provider.promotion.errors import InvalidPlan, NothingToRestore, SourceMoved
from artifactory_provider.promotion.on_demand import plan_one
from artifactory_provider.promotion.planning.change import Arrival, ChangePlan, render_change
from artifactory_provider.promotion.planning.plan import PlannedPromotion
from artifactory_provider.promotion.planning.rollback import plan_rollback
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.tags import name_backup
from artifactory_provider.web.markdown import read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture
async def replaced(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> tuple[str, str]:
    """A tag of qa that was promoted to twice: the old and the new digest."""
    digests = []
    for tag in ("1", "2"):
        digests.append(sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"changes {image} {tag}"))
        source = ImageReference("docker-dev", image, tag)
        await promote(client, promotion(image, source=source, on_conflict="backup"))
    old, new = digests
    return old, new


def tag_of(image: str) -> ImageReference:
    return ImageReference("docker-qa", image, "1")


async def test_a_rollback_is_planned_with_where_both_images_came_from_and_since_when(
    client: ArtifactoryClient, image: str, queries: str, replaced: tuple[str, str]
) -> None:
    old, new = replaced
    plan = await plan_rollback(client, tag_of(image))
    assert (plan.planned.action, plan.planned.source.digest, plan.planned.current) == ("promote", old, new)
    assert plan.planned.source == await find_previous(client, tag_of(image))
    assert (plan.now.source, plan.then.source) == (f"docker-dev/{image}:2", f"docker-dev/{image}:1")
    assert plan.then.time
    assert plan.then.time <= plan.now.time


async def test_what_a_rollback_has_taken_out_is_brought_back_by_its_name_alone(
    client: ArtifactoryClient, image: str, queries: str, replaced: tuple[str, str]
) -> None:
    old, new = replaced
    backup = await find_previous(client, tag_of(image))
    await promote(client, promotion(image, source=backup, on_conflict="backup", hold="bad"))
    plan = await plan_rollback(client, tag_of(image))
    assert (plan.planned.action, plan.planned.source.digest, plan.planned.current) == ("unchanged", old, old)
    for version in (new, f"1-previous-{new[7:19]}"):
        plan = await plan_rollback(client, tag_of(image), version=version)
        assert (plan.planned.action, plan.planned.source.digest) == ("promote", new)
        assert "it is held now: bad" in plan.planned.reason
    plan = await plan_rollback(client, tag_of(image), version=old)
    assert plan.planned.action == "unchanged"


async def test_a_tag_that_a_killed_rollback_left_renamed_is_restored_by_naming_the_version(
    client: ArtifactoryClient, image: str, queries: str, replaced: tuple[str, str]
) -> None:
    old, _ = replaced
    await client.delete_item(tag_path(tag_of(image)))
    plan = await plan_rollback(client, tag_of(image), version=old)
    assert (plan.planned.action, plan.planned.source.digest, plan.planned.current) == ("promote", old, None)
    with pytest.raises(TagNotFound):
        await plan_rollback(client, tag_of(image))


async def test_a_held_tag_goes_back_and_a_rejected_image_does_not_come_back(
    client: ArtifactoryClient, image: str, queries: str, replaced: tuple[str, str]
) -> None:
    await hold(client, tag_of(image), reason="as it is", by="carol")
    plan = await plan_rollback(client, tag_of(image))
    assert plan.planned.action == "promote"
    assert "it is held now: as it is (by carol" in plan.planned.reason
    await reject(client, await find_previous(client, tag_of(image)), reason="worse still", by="carol")
    plan = await plan_rollback(client, tag_of(image))
    assert plan.planned.action == "refused"
    assert "worse still (by carol" in plan.planned.reason


async def test_what_the_server_could_not_restore_is_a_conflict_before_anybody_is_asked(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, queries: str
) -> None:
    sandbox.push_image(f"docker-qa/{image}:1", content=f"changes {image} single")
    sandbox.push_image(f"docker-dev/{image}:1", content=f"changes {image} index", platforms=PLATFORMS)
    await promote(client, promotion(image, on_conflict="backup"))
    plan = await plan_rollback(client, tag_of(image))
    assert plan.planned.action == "conflict"
    assert "shows a multi-platform image" in plan.planned.reason


@pytest.mark.parametrize(
    ("tag", "version", "error", "said"),
    [
        ("9", None, TagNotFound, "9"),
        ("1", ABSENT, NothingToRestore, "there is no backup of it"),
        ("1", "1-previous-000000000000", TagNotFound, "1-previous-000000000000"),
        ("1", "2", InvalidPlan, "is neither"),
        ("1", "1-previous-" + "a" * 200, InvalidReference, "is not a tag"),
        ("1", "sha256:abc", InvalidReference, "is not a digest"),
        ("2", None, NothingToRestore, "There is nothing to go back to."),
    ],
)
async def test_what_there_is_no_going_back_to_is_told(
    client: ArtifactoryClient,
    sandbox: RunningSandbox,
    image: str,
    replaced: tuple[str, str],
    tag: str,
    version: str | None,
    error: type[Exception],
    said: str,
) -> None:
    sandbox.push_image(f"docker-qa/{image}:2", content=f"changes {image} pushed")
    with pytest.raises(error, match=said):
        await plan_rollback(client, ImageReference("docker-qa", image, tag), version=version)


async def test_nothing_that_a_record_says_becomes_markup(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, queries: str, replaced: tuple[str, str]
) -> None:
    hostile = "<img src=x onerror=alert(1)>`|**bold** [link](javascript:x)\n# heading " + "ü" * 5000
    for place in ("1", f"1-previous-{replaced[0][7:19]}"):
        sandbox.set_properties(f"docker-qa/{image}:{place}", {"promotion.source": hostile, "promotion.time": hostile})
    blocks = read_blocks(render_change(await plan_rollback(client, tag_of(image))))
    assert [block.kind for block in blocks] == ["paragraph", "table"]
    spans = [span for row in blocks[1].rows for cell in row for span in cell]
    told = [span for span in spans if "onerror" in span.text]
    assert len(told) == 4
    assert {(span.style, "bold" in span.text, "heading" in span.text) for span in told} == {("code", True, True)}
    assert sum(len(span.text) for span in spans) < 10_000


def test_a_change_that_is_not_there_yet_is_shown_too() -> None:
    planned = PlannedPromotion(
        source=ImageReference("docker-dev", "app", "1", ABSENT),
        target=ImageReference("docker-qa", "app", "1"),
        action="promote",
    )
    shown = render_change(ChangePlan(planned=planned, now=Arrival(), then=Arrival()))
    assert "| digest | `nothing` | `sha256:000000000000` |" in shown
    assert "| taken from | – | `docker-dev/app:1` |" in shown


async def test_a_tag_that_moves_while_it_is_planned_is_not_what_was_meant(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0.0", content=f"changes {image} 1")
    gateway.rule(
        "POST",
        "/api/search/aql$",
        before=lambda: sandbox.push_image(f"docker-dev/{image}:1.0.0", content=f"changes {image} 2"),
    )
    with pytest.raises(SourceMoved, match="somebody moves it"):
        await plan_one(client, "docker-dev", image, target_repository="docker-qa")


async def test_a_tag_that_was_deleted_is_not_one_that_an_earlier_try_has_renamed(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], image: str
) -> None:
    """Servers before 7.117.1 rename what is replaced: only where the backup stands is the work half done."""
    old_server = artifactory_sandbox_factory({"version": "7.111.4"})
    seen = old_server.push_image(f"docker-qa/{image}:1", content=f"{image} seen")
    old_server.push_image(f"docker-dev/{image}:1", content=f"{image} new")
    settings = ServerSettings(base_url=old_server.url, authentication=Basic("admin", old_server.password))
    tag, backup = tag_of(image), name_backup(tag_of(image), seen)
    old_server.push_image(str(backup.unpinned()), content=f"{image} seen")
    older = old_server.push_image(f"docker-qa/{image}:unnamed", content=f"{image} older")
    old_server.push_image(str(name_backup(tag, older).unpinned()), content=f"{image} older")
    async with ArtifactoryClient(settings) as client:
        await client.delete_item(tag_path(tag))

        async def plan_both(replaces: str) -> list[PlannedPromotion]:
            forward = await plan_one(
                client,
                "docker-dev",
                f"{image}:1",
                target_repository="docker-qa",
                on_conflict="backup",
                replaces=replaces,
            )
            back = await plan_rollback(client, tag, version=older, replaces=replaces)
            return [forward.planned, back.planned]

        for planned in await plan_both(seen):
            assert planned.action == "promote"
        for planned in await plan_both(ABSENT):
            assert (planned.action, f"shows nothing by now, and {ABSENT}" in planned.reason) == ("conflict", True)
        await client.delete_item(tag_path(backup))
        for planned in await plan_both(seen):
            assert (planned.action, f"shows nothing by now, and {seen}" in planned.reason) == ("conflict", True)
