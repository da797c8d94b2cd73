"""What goes by the rules, and whatever needs a tag keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.dev_to_qa import PLATFORMS
from tests.integration.retention.stages import (
    DEV,
    PROD,
    QA,
    TRANSIT,
    bring,
    clean,
    grow_old,
    plan,
    push,
    rules_for,
    said,
)

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.decisions import hold, lift_hold, reject
from artifactory_provider.promotion.tags import name_backup, name_moved, name_pending
from artifactory_provider.retention import delete_planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

OLD = "older_than: 30d, keep_newest: 0"


async def test_what_the_last_stage_shows_goes_from_the_first_and_what_is_too_old(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:1.0", days=2)
    await bring(direct, f"{DEV}/{image}:1.0", f"{QA}/{image}:1.0")
    await bring(direct, f"{QA}/{image}:1.0", f"{PROD}/{image}:1.0")
    push(sandbox, f"{DEV}/{image}:0.9", days=40.5)
    push(sandbox, f"{DEV}/{image}:1.1", days=2)
    made = await plan(direct, rules_for(image))
    assert said(made) == {
        f"{DEV}/{image}:0.9": "delete: it came 40d ago",
        f"{DEV}/{image}:1.0": "delete: docker-prod shows its digest",
    }


async def test_that_another_image_of_the_same_bytes_has_reached_the_last_stage_says_nothing_of_this_one(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nightly-1", days=2, content=f"same {image}")
    push(sandbox, f"{PROD}/{image}-of-others:1", content=f"same {image}")
    assert said(await plan(direct, rules_for(image))) == {}


async def test_the_newest_those_with_a_name_and_the_young_stay(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(5):
        push(sandbox, f"{DEV}/{image}:build-{number}", days=50 - number)
    push(sandbox, f"{DEV}/{image}:base-1", days=90)
    rules = rules_for(image, tags="older_than: 30d, keep_newest: 2, keep: ['base-*'], keep_for: 48d12h")
    assert set(said(await plan(direct, rules))) == {f"{DEV}/{image}:build-{number}" for number in (0, 1)}


async def test_the_newest_release_stays_however_old_it_is(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:1.9.0", days=90)
    push(sandbox, f"{DEV}/{image}:1.8.1", days=40)
    made = said(await plan(direct, rules_for(image, tags=OLD)))
    assert made[f"{DEV}/{image}:1.9.0"] == "keep: it is the newest release of its image here, which runs choose"
    assert made[f"{DEV}/{image}:1.8.1"].startswith("delete")


@pytest.mark.parametrize("like", ["{}", "v{}", "{}-alpine", "release-{}", "{}-1"])
async def test_versions_go_from_the_lowest_up(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, like: str
) -> None:
    for version in ("2.0.0", "1.9.9", "1.9.8"):
        push(sandbox, f"{DEV}/{image}:{like.format(version)}", days=40)
    push(sandbox, f"{DEV}/{image}:3.0.0")
    middle, lowest = (f"{DEV}/{image}:{like.format(version)}" for version in ("1.9.9", "1.9.8"))
    await bring(direct, middle, f"{PROD}/{image}:{like.format('1.9.9')}")
    made = said(await plan(direct, rules_for(image, tags="reached: docker-prod, keep_newest: 0")))
    name = like.format("1.9.8")
    assert made == {middle: f"keep: {name} stays, which is lower: runs of a range would choose that instead"}
    rules = rules_for(image, tags=f"{OLD}, reached: docker-prod")
    made = said(await plan(direct, rules))
    assert [place for place, text in made.items() if text.startswith("delete")][:2] == [lowest, middle]


async def test_a_tag_that_moves_along_with_exact_versions_is_no_lower_one(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:1.9.8", days=40)
    push(sandbox, f"{DEV}/{image}:1.9.9")
    sandbox.tag(f"{DEV}/{image}:1.9.9", f"{DEV}/{image}:1.9")
    assert said(await plan(direct, rules_for(image, tags=OLD))) == {f"{DEV}/{image}:1.9.8": "delete: it came 40d ago"}


async def test_a_held_tag_stays_until_the_hold_is_lifted(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nightly-1", days=40)
    tag, rules = ImageReference(DEV, image, "nightly-1"), rules_for(image, tags=OLD)
    await hold(direct, tag, reason="an audit", by="jane")
    assert said(await plan(direct, rules))[f"{DEV}/{image}:nightly-1"].startswith("keep: it is held: an audit (by jane")
    await lift_hold(direct, tag, reason="it is over", by="jane")
    assert said(await plan(direct, rules))[f"{DEV}/{image}:nightly-1"].startswith("delete")


async def test_a_rejected_digest_stays_wherever_it_was_rejected_as_the_evidence(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nightly-1", days=40, content=f"bad {image}")
    push(sandbox, f"{PROD}/{image}:other", content=f"bad {image}")
    await reject(direct, ImageReference(PROD, image, "other"), reason="loses orders", by="jane")
    sandbox.tag(f"{DEV}/{image}:nightly-1", f"{DEV}/{image}:nightly-2")
    grow_old(sandbox, f"{DEV}/{image}:nightly-2", days=40)
    made = said(await plan(direct, rules_for(image, tags=OLD)))
    assert {text.partition(",")[0] for text in made.values()} == {"keep: its digest is rejected"}
    assert len(made) == 2


async def test_an_index_with_a_rejected_child_stays_and_the_evidence_with_it(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = push(sandbox, f"{DEV}/{image}:nightly-1", days=40, platforms=PLATFORMS)
    child = Pusher(sandbox, f"{DEV}/{image}").children(index)[0]
    sandbox.tag(f"{DEV}/{image}@{child}", f"{DEV}/{image}:amd64")
    await reject(direct, ImageReference(DEV, image, "amd64"), reason="loses orders", by="jane")
    sandbox.delete(f"{DEV}/{image}:amd64")
    [text] = said(await plan(direct, rules_for(image, tags=OLD))).values()
    assert text.startswith(f"keep: {child} is rejected, and may be a part of it: loses orders")


async def test_a_digest_that_waits_anywhere_under_a_pending_tag_stays(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:nightly-1", days=40, content=f"waits {image}")
    pending = name_pending(ImageReference(QA, f"{image}-renamed", "1", digest), "run1", TRANSIT)
    push(sandbox, str(pending.unpinned()), content=f"waits {image}")
    [text] = said(await plan(direct, rules_for(image, tags=OLD))).values()
    assert text == f"keep: {pending.unpinned()} waits with its digest: a promotion is under way, or was left behind"


async def test_a_digest_that_waits_in_a_repository_that_the_rules_do_not_name_stays(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:nightly-1", days=40, content=f"waits {image}")
    rules = replace(rules_for(image, tags=OLD), transit=())
    made = await plan(direct, rules)
    assert made.counts["delete"] == 1
    pending = name_pending(ImageReference(QA, f"{image}-renamed", "1", digest), "run1", TRANSIT)
    push(sandbox, str(pending.unpinned()), content=f"waits {image}")
    assert (await plan(direct, rules)).counts["delete"] == 0
    report = await delete_planned(direct, rules, made.to_delete())
    assert report.counts["left"] == 1


async def test_what_has_begun_to_climb_stays_until_it_has_arrived_or_is_gone_above(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nightly-1", days=40)
    await bring(direct, f"{DEV}/{image}:nightly-1", f"{QA}/{image}:nightly-1")
    rules = rules_for(image, tags=OLD)
    [text] = said(await plan(direct, rules)).values()
    assert text == "keep: docker-qa shows its digest, and docker-prod does not yet: it may climb"
    grow_old(sandbox, f"{QA}/{image}:nightly-1", days=40)
    assert await clean(direct, rules) == {f"{QA}/{image}:nightly-1": "deleted"}
    assert await clean(direct, rules) == {f"{DEV}/{image}:nightly-1": "deleted"}


async def test_an_image_of_the_same_bytes_that_has_arrived_does_not_end_the_climb_of_another(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nightly-1", days=40, content=f"same {image}")
    await bring(direct, f"{DEV}/{image}:nightly-1", f"{QA}/{image}-renamed:1")
    push(sandbox, f"{PROD}/{image}-of-others:1", content=f"same {image}")
    [text] = said(await plan(direct, rules_for(image, tags=OLD))).values()
    assert text == "keep: docker-qa shows its digest, and docker-prod does not yet: it may climb"
    await bring(direct, f"{QA}/{image}-renamed:1", f"{PROD}/{image}-renamed:1")
    [text] = said(await plan(direct, rules_for(image, tags=OLD))).values()
    assert text.startswith("delete")


async def test_a_backup_stays_while_a_rollback_would_go_back_to_it_or_as_many_as_the_rules_want(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = []
    for number in range(5):
        digests.append(push(sandbox, f"{QA}/{image}:1", content=f"{image} {number}"))
        await bring(direct, f"{QA}/{image}:1", f"{PROD}/{image}:1", on_conflict="backup")
    backups = [str(name_backup(ImageReference(PROD, image, "1"), digest).unpinned()) for digest in digests]
    for number, backup in enumerate(backups[:4]):
        # The one that a rollback needs has come first of all.
        grow_old(sandbox, backup, days=10 if number == 3 else 5 - number)
    made = said(await plan(direct, rules_for(image, backups=2)))
    assert made == {
        backups[0]: "delete: 2 newer backups of 1 stay",
        backups[3]: f"keep: a rollback of {PROD}/{image}:1@{digests[4]} goes back to it".replace(f"@{digests[4]}", ""),
    }


async def test_a_backup_of_what_its_tag_shows_still_stays(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{QA}/{image}:1", content=f"{image} 1")
    await bring(direct, f"{QA}/{image}:1", f"{PROD}/{image}:1")
    digest = str(sandbox.digest(f"{PROD}/{image}:1"))
    backup = str(name_backup(ImageReference(PROD, image, "1"), digest).unpinned())
    sandbox.tag(f"{PROD}/{image}:1", backup)
    made = said(await plan(direct, rules_for(image, backups=0)))
    assert made == {backup: "keep: 1 shows its digest still: a promotion that is to replace it may be under way"}


async def test_leftovers_of_dead_runs_go_when_another_tag_shows_their_digest(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    shown = push(sandbox, f"{DEV}/{image}:1", content=f"shown {image}")
    alone = push(sandbox, f"{DEV}/{image}:2", content=f"alone {image}")
    pending = str(name_pending(ImageReference(QA, image, "1", shown), "run1").unpinned())
    young = str(name_pending(ImageReference(QA, image, "1", shown), "run2").unpinned())
    moved = str(name_moved(ImageReference(DEV, image, "2", alone), "run1").unpinned())
    push(sandbox, pending, content=f"shown {image}", days=2)
    push(sandbox, young, content=f"shown {image}")
    sandbox.tag(f"{DEV}/{image}:2", moved)
    grow_old(sandbox, moved, days=2)
    sandbox.delete(f"{DEV}/{image}:2")
    made = said(await plan(direct, rules_for(image)))
    assert made[moved] == "keep: no other tag shows its digest"
    assert made[pending].startswith(f"keep: {young} waits with its digest")
    sandbox.delete(young)
    assert (
        said(await plan(direct, rules_for(image)))[pending]
        == "delete: a pending tag of a run that has ended: it came 2d ago"
    )


async def test_two_dead_pending_tags_of_a_digest_do_not_keep_each_other(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:1", content=f"shown {image}")
    dead = [str(name_pending(ImageReference(QA, image, "1", digest), run).unpinned()) for run in ("run1", "run2")]
    dead.append(str(name_pending(ImageReference(QA, image, "1", digest), "run3", TRANSIT).unpinned()))
    for pending in dead:
        push(sandbox, pending, content=f"shown {image}", days=2)
    assert await clean(direct, rules_for(image)) == dict.fromkeys(sorted(dead), "deleted")


async def test_a_leftover_stays_when_the_other_tags_with_its_digest_go(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:nightly-1", days=40)
    moved = str(name_moved(ImageReference(DEV, image, "nightly-1", digest), "run1").unpinned())
    sandbox.tag(f"{DEV}/{image}:nightly-1", moved)
    grow_old(sandbox, moved, days=2)
    assert said(await plan(direct, rules_for(image, tags=OLD))) == {
        f"{DEV}/{image}:nightly-1": "delete: it came 40d ago",
        moved: "keep: no other tag that stays shows its digest",
    }


async def test_what_nothing_explains_in_a_later_stage_stays(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{QA}/{image}:by-hand", days=40)
    push(sandbox, f"{PROD}/{image}:1-previous-{'0' * 12}", days=40)
    [text] = said(await plan(direct, rules_for(image, tags=OLD, backups=0))).values()
    assert text.startswith("keep: nothing explains it: No promotion explains it. It was pushed by admin")


async def test_what_belongs_to_a_digest_goes_with_its_last_tag_and_not_before(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:nightly-1", days=40)
    sandbox.tag(f"{DEV}/{image}:nightly-1", f"{DEV}/{image}:young")
    pusher = Pusher(sandbox, f"{DEV}/{image}")
    for suffix in (".sig", ".att"):
        pusher.sign(digest, f"{image} {suffix}", suffix=suffix)
        grow_old(sandbox, f"{DEV}/{image}:{cosign_tag(digest, suffix)}", days=40)
    rules = rules_for(image, tags=OLD)
    assert await clean(direct, rules) == {f"{DEV}/{image}:nightly-1": "deleted"}
    grow_old(sandbox, f"{DEV}/{image}:young", days=40)
    ended = await clean(direct, rules)
    assert set(ended.values()) == {"deleted"}
    assert next(iter(ended)) == f"{DEV}/{image}:young", "a tag is never without what belongs to it"
    assert sandbox.tags(DEV, image) == []


@pytest.mark.parametrize("repository", [DEV, QA, TRANSIT])
async def test_what_is_signed_in_another_image_stays_while_its_digest_stands_anywhere(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, repository: str
) -> None:
    index = push(sandbox, f"{repository}/{image}:1.0", platforms=PLATFORMS)
    child = Pusher(sandbox, f"{repository}/{image}").children(index)[0]
    pusher = Pusher(sandbox, f"{DEV}/{image}/signatures")
    signatures = [f"{DEV}/{image}/signatures:{cosign_tag(digest, '.sig')}" for digest in (index, child)]
    for digest, signature in zip((index, child), signatures, strict=True):
        pusher.sign(digest, signature)
        grow_old(sandbox, signature, days=40)
    rules = rules_for(image, tags=OLD)
    assert said(await plan(direct, rules)) == {}
    sandbox.delete(f"{repository}/{image}:1.0")
    with sandbox.service.database.writing() as tx:
        tx.execute("DELETE FROM items WHERE repository = ? AND path LIKE ?", (repository, f"{image}/sha256:%"))
    assert set(said(await plan(direct, rules))) == set(signatures)


async def test_what_a_later_stage_has_of_its_own_goes_from_the_first_with_its_digest(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:nightly-1", days=40)
    Pusher(sandbox, f"{DEV}/{image}").sign(digest, image)
    signature = f"{DEV}/{image}:{cosign_tag(digest, '.sig')}"
    grow_old(sandbox, signature, days=40)
    await bring(direct, f"{DEV}/{image}:nightly-1", f"{PROD}/{image}:1")
    rules = rules_for(image, tags="reached: docker-prod, keep_newest: 0")
    assert set((await clean(direct, rules)).values()) == {"deleted"}
    assert sandbox.tags(DEV, image) == []
    assert len(sandbox.tags(PROD, image)) == 2


async def test_a_child_that_stands_under_a_tag_alone_stays_while_an_index_refers_to_it(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = push(sandbox, f"{DEV}/{image}:young", platforms=PLATFORMS)
    children = Pusher(sandbox, f"{DEV}/{image}").children(index)
    for number, child in enumerate(children):
        sandbox.tag(f"{DEV}/{image}@{child}", f"{DEV}/{image}:platform-{number}")
        grow_old(sandbox, f"{DEV}/{image}:platform-{number}", days=40)
    with sandbox.service.database.writing() as tx:
        tx.execute("DELETE FROM items WHERE repository = ? AND path = ?", (DEV, f"{image}/{children[0]}"))
    rules = rules_for(image, tags=OLD)
    made = said(await plan(direct, rules))
    assert made[f"{DEV}/{image}:platform-0"].startswith(f"keep: {DEV}/{image}:young refers to it")
    assert made[f"{DEV}/{image}:platform-1"].startswith("delete"), "it stands by its digest, too"
    await clean(direct, rules)
    assert Pusher(sandbox, f"{DEV}/{image}").answers(index)


async def test_a_tag_whose_folder_holds_another_image_stays(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nested", days=40)
    push(sandbox, f"{DEV}/{image}/nested/deeper:1")
    rules = rules_for(image, tags=OLD)
    [text] = said(await plan(direct, rules)).values()
    assert text == "keep: another image lies in its folder, which goes as a whole"


@pytest.mark.parametrize("user", ["reader", "stranger"])
async def test_who_may_not_see_all_stages_deletes_nothing(
    settings: Callable[..., ServerSettings], sandbox: RunningSandbox, image: str, user: str
) -> None:
    push(sandbox, f"{DEV}/{image}:nightly-1", days=40)
    async with ArtifactoryClient(settings(username=user)) as client:
        with pytest.raises(ArtifactoryError):
            await plan(client, rules_for(image, tags=OLD))
