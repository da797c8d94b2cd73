"""Another image may lie in a tag's folder: ``team/api:web`` and ``team/api/web``. Whatever is removed, that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.dev_to_qa import TRANSIT, promotion

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion import promote_many
from artifactory_provider.promotion.errors import FolderShared
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.tags import name_backup, name_moved, name_pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

OLD_SERVER = "7.111.4"
"""Overwriting a tag may delete shared layers there, so that a tag that is kept is renamed."""


def push_into(sandbox: RunningSandbox, tag: ImageReference) -> tuple[str, str]:
    """Push an image whose name goes on in the folder of a tag; return where it is and its digest."""
    place = f"{tag.repository}/{tag.image}/{tag.tag}:1.0"
    return place, sandbox.push_image(place, content=place)


@pytest.mark.parametrize("two_phase", [True, False])
@pytest.mark.parametrize("shared", [False, True], ids=["one", "many"])
async def test_a_tag_with_another_image_in_its_folder_is_not_moved_and_nothing_is_changed(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, two_phase: bool, shared: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:web", content=image)
    sandbox.push_image(f"docker-dev/{image}:alone", content=image)
    inner, there = push_into(sandbox, ImageReference("docker-dev", image, "web"))
    wanted = promotion(image, tag="web", copy=False, two_phase=two_phase)
    if shared:
        other = promotion(image, tag="alone", copy=False, two_phase=two_phase)
        report = await promote_many(client, [wanted, other])
        assert [result.outcome for result in report.results] == ["failed", "promoted"]
        assert isinstance(report.results[0].error, FolderShared)
    else:
        with pytest.raises(FolderShared, match=r"'1.0' lies in its folder .*Copy the tag instead"):
            await promote(client, wanted)
    assert sandbox.digest(f"docker-dev/{image}:web") == digest
    assert sandbox.digest(inner) == there
    assert "web" not in sandbox.tags("docker-qa", image)
    assert (await promote(client, promotion(image, tag="web"))).outcome == "promoted"


async def test_a_move_whose_target_is_there_already_leaves_a_source_with_another_image_in_its_folder(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:web", content=image)
    inner, there = push_into(sandbox, ImageReference("docker-dev", image, "web"))
    await promote(client, promotion(image, tag="web"))
    with pytest.raises(FolderShared):
        await promote(client, promotion(image, tag="web", copy=False))
    assert (sandbox.digest(f"docker-dev/{image}:web"), sandbox.digest(inner)) == (digest, there)


async def test_a_move_that_was_made_already_is_unchanged_beside_another_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:web", content=image)
    wanted = promotion(image, tag="web", copy=False, digest=digest)
    await promote(client, wanted)
    inner, there = push_into(sandbox, ImageReference("docker-dev", image, "web"))
    assert (await promote(client, wanted)).outcome == "unchanged"
    assert sandbox.digest(inner) == there


@pytest.mark.parametrize("shared", [False, True], ids=["one", "many"])
async def test_what_lies_in_the_folder_of_a_renamed_source_is_not_deleted_with_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, shared: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content=image)
    wanted = promotion(image, copy=False, run="run1")
    inner, there = push_into(sandbox, name_moved(wanted.source.pinned(digest), "run1"))
    if shared:
        error = (await promote_many(client, [wanted])).results[0].error
        assert isinstance(error, FolderShared)
    else:
        with pytest.raises(FolderShared, match="the tag was put back, and nothing was deleted"):
            await promote(client, wanted)
    assert (sandbox.digest(f"docker-dev/{image}:1"), sandbox.digest(f"docker-qa/{image}:1")) == (digest, digest)
    assert sandbox.digest(inner) == there
    assert sandbox.tags("docker-dev", image) == ["1"]


@pytest.mark.parametrize("repository", ["docker-qa", TRANSIT])
async def test_a_pending_tag_is_dropped_without_another_image_in_its_folder(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, repository: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content=image)
    pending = name_pending(ImageReference("docker-qa", image, "1", digest), "run1", repository)
    sandbox.push_image(str(pending.unpinned()), content=image)
    inner, there = push_into(sandbox, pending)
    async with Ledger(client) as ledger:
        await ledger.drop(pending)
    assert sandbox.tags(repository, image) == []
    assert sandbox.digest(inner) == there


@pytest.mark.parametrize("status", [403, 404])
async def test_who_may_not_see_the_folder_of_a_pending_tag_drops_the_tag_alone(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, status: int
) -> None:
    pending = ImageReference("docker-qa", image, "pending-1")
    faulty.push_image(str(pending), content=image)
    inner, there = push_into(faulty, pending)
    faulty.add_fault("status", path=f"*/api/storage/docker-qa/{image}/*", status=status)
    async with Ledger(direct) as ledger:
        await ledger.drop(pending)
    assert faulty.tags("docker-qa", image) == []
    assert faulty.digest(inner) == there


async def test_what_cannot_be_told_is_not_dropped(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str
) -> None:
    pending = ImageReference("docker-qa", image, "pending-1")
    faulty.push_image(str(pending), content=image)
    faulty.add_fault("status", path=f"*/api/storage/docker-qa/{image}/*", status=400)
    async with Ledger(direct) as ledger:
        await ledger.drop(pending)
    assert faulty.tags("docker-qa", image) == ["pending-1"]


async def test_a_backup_goes_without_another_image_in_its_folder(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], image: str
) -> None:
    server = artifactory_sandbox_factory({"version": OLD_SERVER})
    old = server.push_image(f"docker-qa/{image}:1", content=f"{image} old")
    new = server.push_image(f"docker-dev/{image}:1", content=f"{image} new")
    backup = name_backup(ImageReference("docker-qa", image, "1"), old)
    server.push_image(str(backup.unpinned()), content=f"{image} old")
    inner, there = push_into(server, backup)
    async with _open(server) as client:
        assert (await promote(client, promotion(image, on_conflict="backup"))).outcome == "promoted"
    assert server.digest(f"docker-qa/{image}:1") == new
    assert server.digest(inner) == there


@pytest.mark.parametrize("two_phase", [True, False])
async def test_where_a_backup_is_a_rename_a_target_with_another_image_in_its_folder_is_left(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], image: str, two_phase: bool
) -> None:
    server = artifactory_sandbox_factory({"version": OLD_SERVER})
    old = server.push_image(f"docker-qa/{image}:web", content=f"{image} old")
    server.push_image(f"docker-dev/{image}:web", content=f"{image} new")
    inner, there = push_into(server, ImageReference("docker-qa", image, "web"))
    changes: dict[str, Any] = {"on_conflict": "backup", "two_phase": two_phase}
    async with _open(server) as client:
        with pytest.raises(FolderShared):
            await promote(client, promotion(image, tag="web", **changes))
    assert (server.digest(f"docker-qa/{image}:web"), server.digest(inner)) == (old, there)
    assert server.tags("docker-qa", image) == ["web"]


def _open(server: RunningSandbox) -> ArtifactoryClient:
    return ArtifactoryClient(ServerSettings(base_url=server.url, authentication=Basic("admin", server.password)))
