"""What a plan says goes, while it still holds; what has changed since is left, and said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Gateway, Reply, html
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.contents import is_whole
from tests.integration.promotion.dev_to_qa import PLATFORMS, RefusesFrom
from tests.integration.retention.stages import DEV, PROD, QA, bring, clean, grow_old, plan, push, rules_for, said

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import ArtifactoryError, AuthenticationFailed
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.decisions import hold
from artifactory_provider.promotion.rules import Change, Refusal
from artifactory_provider.promotion.tags import name_pending
from artifactory_provider.retention import RetentionPlan, delete_planned, plan_retention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.artifactory.settings import ServerSettings
    from artifactory_sandbox.pytest_plugin import RunningSandbox

OLD = "older_than: 30d, keep_newest: 0"


class RefusesTag:
    """Rules that refuse one tag."""

    def __init__(self, tag: str) -> None:
        self.tag = tag

    async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
        return [Refusal("Not now.") if change.source.tag == self.tag else None for change in changes]


def nightly(number: int) -> str:
    return f"nightly-{number}"


async def change_since(plan: RetentionPlan, client: ArtifactoryClient, image: str) -> dict[str, str]:
    """Delete what was planned before something changed; return tag → outcome and reason."""
    report = await delete_planned(client, rules_for(image, tags=OLD), plan.to_delete())
    return {str(one.tag.tag): f"{one.outcome}: {one.reason}" for one in report.results}


async def test_what_has_changed_since_the_plan_is_left_and_said(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = [push(sandbox, f"{DEV}/{image}:{nightly(number)}", days=40) for number in range(5)]
    made = await plan(direct, rules_for(image, tags=OLD))
    assert made.counts["delete"] == 5
    other = push(sandbox, f"{DEV}/{image}:{nightly(0)}", content=f"another {image}")
    await hold(direct, ImageReference(DEV, image, nightly(1)), reason="an audit", by="jane")
    await bring(direct, f"{DEV}/{image}:{nightly(2)}", f"{QA}/{image}:1")
    pending = name_pending(ImageReference(QA, image, "2", digests[3]), "run1").unpinned()
    push(sandbox, str(pending), content=f"{DEV}/{image}:{nightly(3)}")
    ended = await change_since(made, direct, image)
    assert ended[nightly(0)] == f"left: it shows {other} now"
    assert ended[nightly(1)].startswith("left: it is held: an audit")
    assert ended[nightly(2)] == f"left: {QA} shows its digest, and {PROD} does not yet: it may climb"
    assert ended[nightly(3)].startswith(f"left: {pending} waits with its digest")
    assert ended[nightly(4)] == "deleted: it came 40d ago"
    assert sandbox.tags(DEV, image) == [nightly(number) for number in range(4)]


async def test_a_version_is_left_where_a_lower_one_is_kept_or_refused_since_the_plan(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for version in ("1.7", "1.8", "1.9", "2.0"):
        push(sandbox, f"{DEV}/{image}:{version}", days=40)
    rules = rules_for(image, tags=OLD)
    made = await plan(direct, rules)
    refused = await delete_planned(direct, rules, made.to_delete(), allowed=RefusesTag("1.8"))
    assert [one.outcome for one in refused.results] == ["deleted", "refused", "left"]
    await hold(direct, ImageReference(DEV, image, "1.8"), reason="an audit", by="jane")
    ended = await change_since(made, direct, image)
    assert ended["1.9"] == "left: 1.8 stays, which is lower: runs of a range would choose that instead"


async def test_a_tag_that_was_written_again_is_young_though_it_shows_the_same(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    made = await plan(direct, rules_for(image, tags=OLD))
    sandbox.delete(f"{DEV}/{image}:{nightly(0)}")
    push(sandbox, f"{DEV}/{image}:{nightly(0)}")
    assert await change_since(made, direct, image) == {
        nightly(0): "left: by what stands there now, its time has not come"
    }


async def test_run_again_it_finds_gone_what_the_first_run_has_deleted(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    made = await plan(direct, rules_for(image, tags=OLD))
    await change_since(made, direct, image)
    assert await change_since(made, direct, image) == {nightly(0): "gone: it was gone already"}


async def test_what_the_rules_of_promotions_forbid_is_refused(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    ended = await clean(direct, rules_for(image, tags=OLD), allowed=RefusesFrom(0))
    assert ended == {f"{DEV}/{image}:{nightly(0)}": "refused"}
    assert sandbox.tags(DEV, image) == [nightly(0)]


async def test_what_is_stopped_after_the_look_is_refused_in_its_own_turn(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(3):
        push(sandbox, f"{DEV}/{image}:{nightly(number)}", days=40)
    # The plan's look asks once, and each of the first two requests.
    ended = await clean(direct, rules_for(image, tags=OLD), allowed=RefusesFrom(3), at_once=1)
    assert list(ended.values()) == ["deleted", "deleted", "refused"]


async def test_a_deletion_with_an_unclear_end_is_not_sent_again_over_what_was_pushed_since(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    made = await plan(client, rules_for(image, tags=OLD))
    new: list[str] = []

    def push_anew(reply: Reply) -> Reply:
        new.append(sandbox.push_image(f"{DEV}/{image}:{nightly(0)}", content=f"new {image}"))
        return Reply(503, b"no")

    gateway.rule("DELETE", nightly(0), times=1, reply=push_anew)
    assert await change_since(made, client, image) == {nightly(0): f"left: it shows {new[0]} now"}
    assert sandbox.digest(f"{DEV}/{image}:{nightly(0)}") == new[0]


@pytest.mark.parametrize("reply", [Reply(403), Reply(500), Reply(200, b"{}"), html()])
async def test_where_the_server_does_not_tell_what_is_needed_nothing_goes(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str, reply: Reply
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    rules = rules_for(image, tags=OLD)
    made = await plan(client, rules)
    assert made.counts["delete"] == 1
    gateway.rule("POST", "search/aql", reply=reply)
    report = await delete_planned(client, rules, made.to_delete())
    assert report.counts["deleted"] == 0
    assert sandbox.tags(DEV, image) == [nightly(0)]
    with pytest.raises(ArtifactoryError):
        await plan(client, rules)


@pytest.mark.parametrize("user", ["reader", "stranger"])
async def test_where_a_stage_is_not_shown_any_more_since_the_plan_nothing_goes(
    direct: ArtifactoryClient,
    settings: Callable[..., ServerSettings],
    sandbox: RunningSandbox,
    image: str,
    user: str,
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    rules = rules_for(image, tags=OLD)
    made = await plan(direct, rules)
    async with ArtifactoryClient(settings(username=user)) as client:
        with pytest.raises(ArtifactoryError):
            await delete_planned(client, rules, made.to_delete())
    assert sandbox.tags(DEV, image) == [nightly(0)]


async def test_an_answer_that_leaves_something_out_deletes_nothing(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    rules = rules_for(image, tags=OLD)
    made = await plan(client, rules)

    def trim(reply: Reply) -> Reply:
        return Reply(reply.status, reply.body.replace(b'"range":{', b'"range":{"notification":"trimmed",'), {})

    gateway.rule("POST", "search/aql", reply=trim, fits=lambda seen: b"property" in seen.body)
    report = await delete_planned(client, rules, made.to_delete())
    assert report.counts["failed"] == 1
    assert sandbox.tags(DEV, image) == [nightly(0)]


async def test_one_that_fails_stops_no_other(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(3):
        push(sandbox, f"{DEV}/{image}:{nightly(number)}", days=40)
    gateway.rule("DELETE", nightly(1), does_work=False, reply=Reply(403, b"no"))
    ended = await clean(client, rules_for(image, tags=OLD))
    assert [ended[f"{DEV}/{image}:{nightly(number)}"] for number in range(3)] == ["deleted", "failed", "deleted"]


async def test_what_stands_still_though_its_deletion_was_answered_with_404_has_failed(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    gateway.rule("DELETE", nightly(0), does_work=False, reply=Reply(404, b"<html>no</html>"))
    assert await clean(client, rules_for(image, tags=OLD)) == {f"{DEV}/{image}:{nightly(0)}": "failed"}


async def test_credentials_that_are_accepted_no_more_end_it(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    gateway.rule("DELETE", nightly(0), does_work=False, reply=Reply(401, b"no"))
    with pytest.raises(AuthenticationFailed):
        await clean(client, rules_for(image, tags=OLD))


async def test_what_belongs_to_a_digest_stays_where_its_tag_could_not_be_deleted(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:{nightly(0)}", days=40)
    Pusher(sandbox, f"{DEV}/{image}").sign(digest, image)
    signature = cosign_tag(digest, ".sig")
    grow_old(sandbox, f"{DEV}/{image}:{signature}", days=40)
    refused = gateway.rule("DELETE", nightly(0), does_work=False, reply=Reply(403, b"no"))
    rules = rules_for(image, tags=OLD)
    ended = await clean(client, rules)
    assert ended == {f"{DEV}/{image}:{nightly(0)}": "failed", f"{DEV}/{image}:{signature}": "left"}
    refused()
    assert set((await clean(client, rules)).values()) == {"deleted"}


async def test_the_requests_are_one_a_tag_and_some_for_looks(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(200):
        push(sandbox, f"{DEV}/{image}:{nightly(number)}", days=40)
    rules = rules_for(image, tags=OLD)
    made = await plan(client, rules)
    planning = len(gateway.requests)
    await delete_planned(client, rules, made.to_delete())
    assert sandbox.tags(DEV, image) == []
    assert planning < 50, "listings of all that this server holds, and nothing for each tag"
    looks, repositories = 2 * 5, len(rules.repositories)
    assert len(gateway.requests) - planning <= 200 + looks + repositories


@pytest.mark.parametrize("odd", ["pending-", "a.b_c--d", "sha256-abc", "latest-previous-", "x" * 128, "-previous-0"])
async def test_tags_with_odd_names_are_what_they_are(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, odd: str
) -> None:
    tag = odd if odd[0] != "-" else f"a{odd}"
    push(sandbox, f"{DEV}/{image}:{tag}", days=40)
    made = await plan(direct, rules_for(image, tags=OLD))
    assert said(made) == {f"{DEV}/{image}:{tag}": "delete: it came 40d ago"}
    assert [one.kind for one in made.deletions] == ["tag"]


@pytest.fixture
def platform(sandbox: RunningSandbox, image: str) -> str:
    """Tag the one manifest of an old index, as clients do that push each platform under a tag; return the tag."""
    index = push(sandbox, f"{DEV}/{image}:{nightly(1)}", days=40, platforms=PLATFORMS)
    [child, *_] = Pusher(sandbox, f"{DEV}/{image}").children(index)
    sandbox.tag(f"{DEV}/{image}@{child}", f"{DEV}/{image}:amd64")
    grow_old(sandbox, f"{DEV}/{image}:amd64", days=40)
    with sandbox.service.database.writing() as tx:
        tx.execute("DELETE FROM items WHERE repository = ? AND path = ?", (DEV, f"{image}/{child}"))
    return f"{DEV}/{image}:amd64"


async def test_what_an_index_refers_to_goes_after_it(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str, platform: str
) -> None:
    ended = await clean(client, rules_for(image, tags=OLD))
    assert ended == {platform: "deleted", f"{DEV}/{image}:{nightly(1)}": "deleted"}
    sent = [seen.path for seen in gateway.requests if seen.method == "DELETE"]
    assert [path.rpartition("/")[2] for path in sent] == [nightly(1), "amd64"]


async def test_what_an_index_refers_to_stays_where_the_index_could_not_be_deleted(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str, platform: str
) -> None:
    gateway.rule("DELETE", nightly(1), does_work=False, reply=Reply(403, b"no"))
    ended = await clean(client, rules_for(image, tags=OLD))
    assert ended == {platform: "left", f"{DEV}/{image}:{nightly(1)}": "failed"}
    assert is_whole(sandbox, f"{DEV}/{image}", str(sandbox.digest(f"{DEV}/{image}:{nightly(1)}")))


async def test_the_plan_keeps_what_an_index_refers_to_whose_deletion_is_refused(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, platform: str
) -> None:
    made = said(await plan_retention(direct, rules_for(image, tags=OLD), allowed=RefusesTag(nightly(1))))
    assert made[f"{DEV}/{image}:{nightly(1)}"] == "refused: Not now."
    assert made[platform].startswith(f"keep: {DEV}/{image}:{nightly(1)} refers to it")
