from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion import NotVerified, NotVerifiedYet, Promotion, PromotionOptions
from artifactory_provider.promotion.tags import name_pending
from artifactory_provider.tasks import RETRY_POLICY
from artifactory_provider.verification import PropertyCheck
from artifactory_provider.verification.gate import promote_verified
from artifactory_provider.verification.outcomes import write_verdicts

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

CHECKS = [PropertyCheck()]


def promotions(image: str, tags: str) -> list[Promotion]:
    return [
        Promotion(
            source=ImageReference("docker-dev", image, tag),
            target=ImageReference("docker-qa", image, tag),
            options=PromotionOptions(confirmation_timeout=0),
        )
        for tag in tags
    ]


def push(sandbox: RunningSandbox, image: str, **verdicts: str) -> dict[str, str]:
    digests = {}
    for tag, verdict in verdicts.items():
        digests[tag] = sandbox.push_image(f"docker-dev/{image}:{tag}", content=tag)
        if verdict:
            sandbox.set_properties(f"docker-dev/{image}:{tag}", {"test.status": verdict})
    return digests


async def test_only_what_has_passed_is_promoted_and_the_others_say_why_not(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = push(sandbox, image, a="passed", b="failed", c="", d="passed")
    report = await promote_verified(client, promotions(image, "abcd"), CHECKS)
    assert [result.outcome for result in report.results] == ["promoted", "failed", "failed", "promoted"]
    assert sandbox.digest(f"docker-qa/{image}:a") == digests["a"]
    assert sandbox.digest(f"docker-qa/{image}:d") == digests["d"]
    errors = [result.error for result in report.failures]
    assert [type(error) for error in errors] == [NotVerified, NotVerifiedYet]
    assert "test.status is 'failed'." in str(errors[0])
    assert "test.status is not set." in str(errors[1])


async def test_what_moves_between_its_verdict_and_its_promotion_is_not_promoted(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    push(sandbox, image, a="passed", b="passed", c="passed")
    moved = lambda: sandbox.push_image(f"docker-dev/{image}:b", content="unverified")  # noqa: E731
    gateway.rule("POST", "/api/search/aql", times=1)
    gateway.rule("POST", "/api/search/aql", times=1, after=moved)
    report = await promote_verified(client, promotions(image, "abc"), CHECKS)
    assert [result.outcome for result in report.results] == ["promoted", "failed", "promoted"]


async def test_what_a_killed_try_has_moved_is_done_and_what_it_has_not_is_still_held_back(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digests = push(sandbox, image, a="passed", b="passed", c="passed", d="failed")
    moves = [
        replace(
            each, source=each.source.pinned(digests[str(each.source.tag)]), options=replace(each.options, copy=False)
        )
        for each in promotions(image, "abcd")
    ]
    await promote_verified(client, moves[:2], CHECKS)
    sandbox.push_image(f"docker-qa/{image}:b", content="another")
    sandbox.delete(f"docker-dev/{image}:c")
    report = await promote_verified(client, moves, CHECKS)
    assert [result.outcome for result in report.results] == ["unchanged", "failed", "failed", "failed"]
    assert sandbox.digest(f"docker-qa/{image}:a") == digests["a"]


async def test_what_waits_under_a_pending_tag_is_no_way_around_the_checks_and_is_not_dropped(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, image, a="failed")["a"]
    [move] = promotions(image, "a")
    move = replace(move, source=move.source.pinned(digest), options=replace(move.options, copy=False, run="run1"))
    pending = name_pending(move.target.pinned(digest), "run1")
    sandbox.push_image(str(pending.unpinned()), content="a")
    sandbox.delete(f"docker-dev/{image}:a")
    [result] = (await promote_verified(client, [move], CHECKS)).results
    assert isinstance(result.error, NotVerified)
    assert sandbox.tags("docker-qa", image) == [pending.tag]


async def test_without_checks_nothing_passes(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    push(sandbox, image, a="passed")
    report = await promote_verified(client, promotions(image, "a"), [])
    assert report.counts == {"promoted": 0, "unchanged": 0, "failed": 1}


async def test_the_verdicts_stand_in_the_record_on_the_target(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image, a="passed")
    report = await promote_verified(client, promotions(image, "a"), CHECKS)
    [record] = report.records
    assert record.as_dict()["verdicts"] == ["test.status: passed"]
    properties = await client.properties(f"docker-qa/{image}/a/manifest.json")
    assert properties["promotion.verdicts"] == ["test.status: passed"]


async def test_verdicts_that_outsiders_have_made_long_spoil_no_promotion(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, image, a="passed")
    sandbox.set_properties(f"docker-dev/{image}:a", {"by": "\U0001f600" * 500, "plain": "x" * 500})
    checks = [PropertyCheck(author=author) for author in ("plain", "plain", "by", "by", "by")]
    report = await promote_verified(client, promotions(image, "a"), checks)
    assert report.counts == {"promoted": 1, "unchanged": 0, "failed": 0}
    properties = await client.properties(f"docker-qa/{image}/a/manifest.json")
    [recorded] = properties["promotion.verdicts"]
    assert recorded.startswith("test.status: passed, by xxxx")
    assert recorded.endswith("; 3 more")


async def test_long_verdicts_can_be_written_to_the_manifest(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, image, a="passed")["a"]
    verdicts = [{"check": f"check {number}", "value": "\U0001f600" * 500} for number in range(20)]
    await write_verdicts(client, ImageReference("docker-dev", image, "a", digest), verdicts, prefix="verified")
    assert len([name for name in sandbox.properties(f"docker-dev/{image}:a") if name.startswith("verified.")]) == 20


async def test_a_gate_costs_two_queries_and_nothing_for_each_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    push(sandbox, image, a="failed", b="failed", c="failed")
    report = await promote_verified(client, promotions(image, "abc"), CHECKS)
    assert len(report.failures) == 3
    assert len(gateway.requests) == 2


@pytest.mark.parametrize(("error", "action"), [(NotVerified("x"), "fail"), (NotVerifiedYet("x"), "retry")])
def test_only_what_may_still_pass_is_worth_another_try(error: Exception, action: str) -> None:
    assert RETRY_POLICY.evaluate(error, 1, 3).action.value == action
