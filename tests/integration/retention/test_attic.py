"""What goes lies in the attic for a time, and can be brought back; nothing that is pushed meanwhile goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.contents import is_whole
from tests.integration.promotion.dev_to_qa import PLATFORMS
from tests.integration.retention.stages import DEV, RULES, clean, grow_old, plan, push, said

from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.retention import RetentionRules, delete_planned, read_retention, restore

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

ATTIC = "docker-transit"


@pytest.fixture
def rules(image: str) -> RetentionRules:
    text = RULES.format(image=image, tags="older_than: 30d, keep_newest: 0", backups=1)
    text = text.replace("transit: [docker-transit]", f"attic: {{repository: {ATTIC}, keep_for: 7d}}")
    return read_retention(text.replace(", docker-transit]", "]"))


async def test_what_goes_can_be_brought_back_whole_with_what_belongs_to_it(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, rules: RetentionRules
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:build-1", days=40, platforms=PLATFORMS)
    Pusher(sandbox, f"{DEV}/{image}").sign(digest, image)
    signature = cosign_tag(digest, ".sig")
    grow_old(sandbox, f"{DEV}/{image}:{signature}", days=40)
    sandbox.set_properties(f"{DEV}/{image}:build-1", {"team": "payments"})
    assert set((await clean(direct, rules)).values()) == {"moved"}
    assert sandbox.tags(DEV, image) == []
    assert sandbox.digest(f"{ATTIC}/{DEV}/{image}:build-1") == digest
    report = await restore(direct, ATTIC, images=Patterns((image,)))
    assert [str(one.tag.tag) for one in report.results] == [signature, "build-1"], "a tag is never without it"
    assert report.counts["restored"] == 2
    assert sandbox.properties(f"{DEV}/{image}:build-1")["team"] == ["payments"]
    assert is_whole(sandbox, f"{DEV}/{image}", digest)
    assert sandbox.tags(ATTIC, f"{DEV}/{image}") == []


async def test_after_its_time_it_goes_for_good_and_not_before(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, rules: RetentionRules
) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    await clean(direct, rules)
    place = f"{ATTIC}/{DEV}/{image}:build-1"
    assert place not in said(await plan(direct, rules))
    grow_old(sandbox, place, days=8)
    assert said(await plan(direct, rules))[place] == "delete: it lies in the attic: it came 8d ago"
    assert (await clean(direct, rules))[place] == "deleted"
    assert sandbox.tags(ATTIC, f"{DEV}/{image}") == []


async def test_what_was_pushed_while_its_tag_went_is_put_back(
    client: ArtifactoryClient, gateway: Gateway, sandbox: RunningSandbox, image: str, rules: RetentionRules
) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    gateway.rule(
        "POST",
        "/promote$",
        times=1,
        before=lambda: sandbox.push_image(f"{DEV}/{image}:build-1", content=f"{image} in between"),
    )
    made = await plan(client, rules)
    report = await delete_planned(client, rules, made.to_delete())
    mine = [one for one in report.results if one.tag.image == image]
    digest = sandbox.digest(f"{DEV}/{image}:build-1")
    assert [(one.outcome, one.reason) for one in mine] == [
        ("left", f"it was pushed anew while it went, and shows {digest}: it was put back")
    ]
    assert sandbox.tags(ATTIC, f"{DEV}/{image}") == []


async def test_what_stands_where_it_was_is_not_overwritten(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, rules: RetentionRules
) -> None:
    push(sandbox, f"{DEV}/{image}:build-1", days=40)
    await clean(direct, rules)
    new = push(sandbox, f"{DEV}/{image}:build-1", content=f"new {image}")
    report = await restore(direct, ATTIC, images=Patterns((image,)))
    assert [(one.outcome, one.reason) for one in report.results] == [("left", f"it shows {new} now")]
    assert sandbox.digest(f"{DEV}/{image}:build-1") == new


async def test_a_pending_tag_in_the_attic_keeps_nothing(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, rules: RetentionRules
) -> None:
    digest = push(sandbox, f"{DEV}/{image}:build-1", days=40)
    push(sandbox, f"{ATTIC}/{DEV}/{image}:pending-{digest[7:19]}-00000000-run1", content=f"{DEV}/{image}:build-1")
    assert said(await plan(direct, rules))[f"{DEV}/{image}:build-1"].startswith("delete")
