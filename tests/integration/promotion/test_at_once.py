"""Two promotions at once to one target tag: one wins whole."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, promotion
from tests.integration.promotion.history import History

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import TargetConflict
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.record import PromotionRecord
from artifactory_provider.promotion.tags import name_pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.request import OnConflict, Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

ROUNDS = 6
Ended = PromotionRecord | BaseException


async def at_once(reach: Callable[..., ArtifactoryClient], *promotions: Promotion) -> list[Ended]:
    """Run promotions side by side, each with a client of its own."""

    async def one(wanted: Promotion) -> PromotionRecord:
        async with reach() as client:
            return await promote(client, wanted)

    return list(await asyncio.gather(*map(one, promotions), return_exceptions=True))


def jitter(sandbox: RunningSandbox, seed: int) -> None:
    """Let requests take different times, so that each round is another order of them."""
    sandbox.add_fault("latency", seconds=0.015, probability=0.4, seed=seed)


def rivals(image: str, count: int, on_conflict: OnConflict) -> list[Promotion]:
    return [
        promotion(
            image,
            source=ImageReference("docker-dev", image, f"from-{number}"),
            target=ImageReference("docker-qa", image, "1"),
            run=f"run{number}",
            on_conflict=on_conflict,
            confirmation_timeout=20,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [2, 4])
async def test_of_different_digests_exactly_one_takes_a_free_tag_and_the_others_fail(
    faulty: RunningSandbox, image: str, reach: Callable[..., ArtifactoryClient], queries: str, count: int
) -> None:
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        digests = [
            faulty.push_image(f"docker-dev/{name}:from-{number}", content=str(number), platforms=PLATFORMS)
            for number in range(count)
        ]
        history = History(faulty)
        jitter(faulty, seed)
        ended = await at_once(reach, *rivals(name, count, "fail"))
        winners = [one for one in ended if isinstance(one, PromotionRecord)]
        assert [type(one) for one in ended if one not in winners] == [TargetConflict] * (count - 1), ended
        assert history.shown(f"docker-qa/{name}:1") == [winners[0].target.digest]
        assert winners[0].target.digest in digests
        assert Pusher(faulty, f"docker-qa/{name}").answers(str(winners[0].target.digest))
        assert faulty.tags("docker-qa", name) == ["1"]


@pytest.mark.parametrize("policy", ["overwrite", "backup"])
async def test_who_overwrites_overwrites_what_it_has_seen_and_nothing_else(
    faulty: RunningSandbox, image: str, reach: Callable[..., ArtifactoryClient], queries: str, policy: OnConflict
) -> None:
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        before = faulty.push_image(f"docker-qa/{name}:1", content="before")
        for number in range(2):
            faulty.push_image(f"docker-dev/{name}:from-{number}", content=str(number))
        history = History(faulty)
        jitter(faulty, seed)
        ended = await at_once(reach, *rivals(name, 2, policy))
        shown = [before, *history.shown(f"docker-qa/{name}:1")]
        replaced = {(one.replaced, one.target.digest) for one in ended if isinstance(one, PromotionRecord)}
        assert replaced == set(itertools.pairwise(shown)), ended
        assert len(replaced) >= 1
        assert all(isinstance(one, PromotionRecord | TargetConflict) for one in ended), ended
        kept = {f"1-previous-{digest.removeprefix('sha256:')[:12]}" for digest in shown[:-1]}
        assert set(faulty.tags("docker-qa", name)) == {"1", *(kept if policy == "backup" else ())}


async def test_of_one_digest_both_runs_end_well_or_say_why_and_the_tag_shows_it(
    faulty: RunningSandbox, image: str, reach: Callable[..., ArtifactoryClient], queries: str
) -> None:
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        digest = faulty.push_image(f"docker-dev/{name}:1", platforms=PLATFORMS)
        history = History(faulty)
        jitter(faulty, seed)
        both = [promotion(name, run=run, confirmation_timeout=20) for run in ("run1", "run2")]
        ended = await at_once(reach, *both)
        assert [type(one) for one in ended] == [PromotionRecord] * 2, ended
        assert set(history.shown(f"docker-qa/{name}:1")) == {digest}
        assert Pusher(faulty, f"docker-qa/{name}").answers(digest)
        assert faulty.tags("docker-qa", name) == ["1"]


async def test_a_claim_of_a_run_that_may_still_live_is_respected_and_one_of_a_dead_run_is_not(
    faulty: RunningSandbox, image: str, direct: ArtifactoryClient, queries: str
) -> None:
    digest = faulty.push_image(f"docker-dev/{image}:1")
    claim = name_pending(ImageReference("docker-qa", image, "1", f"sha256:{'0' * 64}"), "other")
    theirs = faulty.push_image(f"docker-qa/{image}:{claim.tag}", content="theirs")
    with pytest.raises(TargetConflict, match=f"waits under {claim.tag}.*after 3600 s it no longer counts"):
        await promote(direct, promotion(image))
    assert faulty.tags("docker-qa", image) == [claim.tag]
    await promote(direct, promotion(image, pending_timeout=0))
    assert faulty.digest(f"docker-qa/{image}:1") == digest != theirs
    assert faulty.tags("docker-qa", image) == ["1"]
