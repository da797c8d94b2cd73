"""The pending tag, the conflict policies, moves, records and rollbacks, one promise a test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, TRANSIT, promotion
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.backup import find_previous
from artifactory_provider.promotion.errors import NothingToRestore, SourceMoved, TargetConflict
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.tags import name_moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_sandbox.pytest_plugin import RunningSandbox

PROMOTE = "*/promote"


@pytest.mark.usefixtures("queries")
async def test_the_image_waits_under_a_pending_tag_and_leaves_none(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    history = History(sandbox)
    await promote(direct, promotion(image, run="run1", **transit))
    shown = [event for event in history.events() if event.event == "shows" and "/sha256:" not in event.place]
    [pending, final] = shown
    where = transit.get("pending_repository", "docker-qa")
    assert re.fullmatch(rf"{where}/{image}/pending-{digest[7:19]}-[0-9a-f]{{8}}-run1-[0-9a-f]{{8}}", pending.place)
    assert (pending.digest, final.digest, final.place) == (digest, digest, f"docker-qa/{image}/1")
    assert own_tags(sandbox, image) == ["1"]


@pytest.mark.usefixtures("queries")
async def test_a_source_tag_that_is_moved_in_mid_promotion_never_reaches_the_target_tag(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    verified = faulty.push_image(f"docker-dev/{image}:1", content="verified")
    other = faulty.push_image(f"docker-dev/{image}:other", content="other")
    faulty.add_fault("move_tag", tag=f"docker-dev/{image}:1", to="other", path=PROMOTE, count=1)
    history = History(faulty)
    with pytest.raises(SourceMoved, match=f"moved from {verified} to {other} while it was promoted"):
        await promote(direct, promotion(image, **transit))
    assert history.shown(f"docker-qa/{image}:1") == []
    assert own_tags(faulty, image) == []


async def test_a_target_tag_that_somebody_writes_in_mid_promotion_is_left_alone(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    faulty.push_image(f"docker-dev/{image}:1")
    theirs = faulty.push_image(f"docker-qa/{image}:theirs")
    faulty.add_fault("move_tag", when="after", tag=f"docker-qa/{image}:1", to="theirs", path=PROMOTE, count=1)
    with pytest.raises(TargetConflict, match="somebody else writes this tag"):
        await promote(direct, promotion(image, on_conflict="overwrite", **transit))
    assert faulty.digest(f"docker-qa/{image}:1") == theirs
    assert own_tags(faulty, image) == ["1", "theirs"]


async def test_a_single_manifest_never_hides_behind_an_index(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1", content="single")
    index = sandbox.push_image(f"docker-qa/{image}:1", content="index", platforms=PLATFORMS)
    for policy in ("overwrite", "backup"):
        with pytest.raises(TargetConflict, match="pulls would still get the old one"):
            await promote(direct, promotion(image, on_conflict=policy))
    assert sandbox.digest(f"docker-qa/{image}:1") == index


@pytest.mark.usefixtures("queries")
async def test_pending_tags_of_dead_runs_are_dropped_and_those_of_live_ones_and_of_people_are_spared(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    where = transit.get("pending_repository", "docker-qa")
    sandbox.push_image(f"docker-dev/{image}:1")
    hexes = "0123456789ab"
    stale, live = f"pending-{hexes}-00000000-dead", f"pending-{hexes}-00000000-live"
    people = ["pending-review", "pending-0123456789ab", "pending-2.0"]
    nested = f"{where}/{image}/pending-review:1"
    for tag in (stale, live, *people):
        sandbox.push_image(f"{where}/{image}:{tag}")
    sandbox.push_image(nested)
    _age(sandbox, f"{where}/{image}", [stale, *people, "pending-review/1"])
    await promote(direct, promotion(image, **transit))
    assert own_tags(sandbox, image) == sorted(["1", live, *people])
    assert sandbox.digest(nested) is not None


async def test_what_an_earlier_try_has_left_is_gone_on_from_or_cleared_up(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    where = transit.get("pending_repository", "docker-qa")
    first = faulty.push_image(f"docker-dev/{image}:1", content="first")
    outage = faulty.add_fault("status", status=503, path="*/storage/*")
    with pytest.raises(Exception, match="503"):
        await promote(direct, promotion(image, run="run1", **transit))
    assert [tag.partition("-")[0] for tag in faulty.tags(where, image)] == ["pending"]
    faulty.service.faults.remove(outage)
    second = faulty.push_image(f"docker-dev/{image}:1", content="second")
    with pytest.raises(SourceMoved):
        await promote(direct, promotion(image, run="run1", digest=first, **transit))
    assert own_tags(faulty, image) == []
    await promote(direct, promotion(image, run="run1", **transit))
    assert faulty.digest(f"docker-qa/{image}:1") == second


async def test_backup_keeps_what_is_replaced_and_rolling_back_restores_it_back_and_forth(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old", platforms=PLATFORMS)
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new", platforms=PLATFORMS)
    record = await promote(direct, promotion(image, on_conflict="backup", **transit))
    assert record.replaced == old
    for expected in (old, new, old):
        record = await _roll_back(direct, image, **transit)
        assert record.target.digest == expected == sandbox.digest(f"docker-qa/{image}:1")
    kept = [f"1-previous-{digest.removeprefix('sha256:')[:12]}" for digest in (old, new)]
    assert own_tags(sandbox, image) == sorted(["1", *kept])


async def test_a_rollback_goes_to_the_digest_that_is_named(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = []
    for content in ("one", "two", "three"):
        digests.append(sandbox.push_image(f"docker-dev/{image}:1", content=content))
        await promote(direct, promotion(image, on_conflict="backup"))
    record = await _roll_back(direct, image, digest=digests[0])
    assert record.replaced == digests[2]
    assert sandbox.digest(f"docker-qa/{image}:1") == digests[0]
    assert (await _roll_back(direct, image, digest=digests[0])).outcome == "unchanged"


async def test_a_rollback_with_nothing_to_go_back_to_says_so_and_changes_nothing(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="first")
    with pytest.raises(Exception, match="no image"):
        await find_previous(direct, ImageReference("docker-qa", image, "1"))
    await promote(direct, promotion(image))
    with pytest.raises(NothingToRestore, match=r"replaced is none\)\. There is nothing to go back to\."):
        await find_previous(direct, ImageReference("docker-qa", image, "1"))
    sandbox.push_image(f"docker-dev/{image}:1", content="second")
    await promote(direct, promotion(image, on_conflict="overwrite"))
    with pytest.raises(NothingToRestore, match=f"showed {digest} before, but there is no backup of it"):
        await find_previous(direct, ImageReference("docker-qa", image, "1"))
    sandbox.push_image(f"docker-qa/{image}:1-previous-aaaaaaaaaaaa")
    with pytest.raises(NothingToRestore, match="Name the digest to go back to one of 1-previous-aaaaaaaaaaaa"):
        await find_previous(direct, ImageReference("docker-qa", image, "1"))


async def test_a_backup_of_another_digest_than_the_one_it_is_called_after_is_not_kept(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str
) -> None:
    faulty.push_image(f"docker-dev/{image}:1", content="new")
    faulty.push_image(f"docker-qa/{image}:1", content="old")
    faulty.push_image(f"docker-qa/{image}:theirs", content="theirs")
    fields = {"tag": f"docker-qa/{image}:1", "to": "theirs", "path": "*docker-qa/v2/promote"}
    faulty.add_fault("move_tag", count=1, **fields)
    with pytest.raises(TargetConflict, match="was moved while it was kept"):
        await promote(direct, promotion(image, on_conflict="backup"))
    assert faulty.tags("docker-qa", image) == ["1", "theirs"]


@pytest.mark.usefixtures("queries")
async def test_a_move_removes_the_source_tag_and_nothing_that_others_put_there(
    direct: ArtifactoryClient, faulty: RunningSandbox, image: str, transit: dict[str, Any]
) -> None:
    digest = faulty.push_image(f"docker-dev/{image}:1", content="moved", platforms=PLATFORMS)
    newer = faulty.push_image(f"docker-dev/{image}:newer", content="newer")
    rename = {"path": "*docker-dev/v2/promote", "skip": 1, "count": 1}
    faulty.add_fault("move_tag", tag=f"docker-dev/{image}:1", to="newer", **rename)
    history = History(faulty)
    await promote(direct, promotion(image, copy=False, **transit))
    assert faulty.digest(f"docker-qa/{image}:1") == digest
    assert faulty.digest(f"docker-dev/{image}:1") == newer
    assert faulty.tags("docker-dev", image) == ["1", "newer"]
    assert history.lost(digest) == history.lost(newer) == []


async def test_a_move_of_one_of_two_tags_of_a_digest_leaves_the_other(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    sandbox.tag(f"docker-dev/{image}:1", f"docker-dev/{image}:latest")
    await promote(direct, promotion(image, copy=False))
    assert sandbox.tags("docker-dev", image) == ["latest"]
    assert sandbox.digest(f"docker-dev/{image}:latest") == digest


async def test_a_half_done_removal_of_the_source_is_finished_by_the_next_try(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    moving = promotion(image, copy=False, digest=digest, run="run1")
    await promote(direct, promotion(image, digest=digest, run="run1"))
    moved = name_moved(ImageReference("docker-dev", image, "1", digest), "run1")
    sandbox.tag(f"docker-dev/{image}:1", f"docker-dev/{image}:{moved.tag}")
    sandbox.delete(f"docker-dev/{image}:1")
    assert (await promote(direct, moving)).outcome == "unchanged"
    assert sandbox.tags("docker-dev", image) == []


@pytest.mark.parametrize("way", [{"two_phase": True}, {"two_phase": False}, {"pending_repository": TRANSIT}])
async def test_the_record_stands_on_the_target_in_properties_of_ones_own_name(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, way: dict[str, Any]
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    sandbox.set_properties(f"docker-dev/{image}:1", {"test.status": "passed"})
    options: dict[str, Any] = {"property_prefix": "release", "properties": {"by": "jane; doe", "verdict": "a=b,c|d"}}
    await promote(direct, promotion(image, run="run1", **way, **options))
    properties = sandbox.properties(f"docker-qa/{image}:1")
    record = {name: value for name, [value] in properties.items() if name.startswith("release.")}
    assert record.pop("release.time").endswith("+00:00")
    assert record == {
        "release.digest": digest,
        "release.source": f"docker-dev/{image}:1",
        "release.target": f"docker-qa/{image}:1",
        "release.copy": "true",
        "release.run": "run1",
        "release.replaced": "none",
        "release.attachments": "0",
        "release.attachments.names": "none",
        "release.verdicts": "none",
        "release.approvals": "none",
        "release.override": "none",
        "release.children": " ".join(Pusher(sandbox, f"docker-dev/{image}").children(digest)),
        "release.by": "jane; doe",
        "release.verdict": "a=b,c|d",
    }
    assert properties["test.status"] == ["passed"]
    assert properties["docker.manifest"] == ["1"]


async def test_no_record_is_written_when_none_is_wanted(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    await promote(direct, promotion(image, property_prefix=None))
    assert not [name for name in sandbox.properties(f"docker-qa/{image}:1") if name.startswith("promotion.")]


async def test_an_image_that_is_not_there_is_named_and_nothing_is_made(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:other")
    with pytest.raises(TagNotFound, match="the image has 1 tags, among them other"):
        await promote(direct, promotion(image))
    assert sandbox.tags("docker-qa", image) == []


async def test_below_7_117_1_overwriting_is_refused_and_backup_renames_instead(
    artifactory_sandbox_factory: Callable[..., RunningSandbox], reach: Callable[..., ArtifactoryClient], image: str
) -> None:
    old_server = artifactory_sandbox_factory({"version": "7.111.4"})
    old = old_server.push_image(f"docker-qa/{image}:1", content="old", platforms=PLATFORMS)
    new = old_server.push_image(f"docker-dev/{image}:1", content="new", platforms=PLATFORMS)
    from artifactory_provider.artifactory.authentication import Basic

    async with reach(old_server.url, authentication=Basic("admin", old_server.password)) as client:
        with pytest.raises(TargetConflict, match=r"Artifactory 7\.111\.4 may delete layers .*set on_conflict='backup'"):
            await promote(client, promotion(image, on_conflict="overwrite"))
        history = History(old_server)
        for expected in (new, old, new):
            record = (
                await promote(client, promotion(image, on_conflict="backup"))
                if len(history.shown(f"docker-qa/{image}:1")) == 0
                else await _roll_back(client, image)
            )
            assert record.target.digest == expected == old_server.digest(f"docker-qa/{image}:1")
    assert history.lost(old) == history.lost(new) == []
    kept = [f"1-previous-{digest.removeprefix('sha256:')[:12]}" for digest in (old, new)]
    assert set(kept) <= set(old_server.tags("docker-qa", image))


async def _roll_back(
    client: ArtifactoryClient, image: str, *, digest: str | None = None, **changes: Any
) -> PromotionRecord:
    tag = ImageReference("docker-qa", image, "1")
    previous = await find_previous(client, tag.pinned(digest) if digest else tag)
    return await promote(client, promotion(image, source=previous, on_conflict="backup", **changes))


def own_tags(sandbox: RunningSandbox, image: str) -> list[str]:
    """Return all tags of an image in the target and in transit: where nothing waits, those of the target alone."""
    return sorted(sandbox.tags("docker-qa", image) + sandbox.tags(TRANSIT, image))


def _age(sandbox: RunningSandbox, image: str, folders: list[str]) -> None:
    repository, _, image = image.partition("/")
    with sandbox.service.database.writing() as tx:
        for folder in folders:
            path, _, name = f"{image}/{folder}".rpartition("/")
            tx.execute(
                "UPDATE items SET updated = '2020-01-01T00:00:00.000Z' WHERE repository = ? AND "
                "(path = ? OR (path = ? AND name = ?))",
                (repository, f"{image}/{folder}", path, name),
            )
