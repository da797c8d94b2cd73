"""Two promotions at once to one target tag: one wins whole."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, TRANSIT, promotion
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
Transit = dict[str, Any]
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


def rivals(image: str, count: int, on_conflict: OnConflict, **changes: Any) -> list[Promotion]:
    return [
        promotion(
            image,
            source=ImageReference("docker-dev", image, f"from-{number}"),
            target=ImageReference("docker-qa", image, "1"),
            run=f"run{number}",
            on_conflict=on_conflict,
            confirmation_timeout=20,
            **changes,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [2, 4])
async def test_of_different_digests_exactly_one_takes_a_free_tag_and_the_others_fail(
    faulty: RunningSandbox,
    image: str,
    reach: Callable[..., ArtifactoryClient],
    queries: str,
    count: int,
    transit: Transit,
) -> None:
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        digests = [
            faulty.push_image(f"docker-dev/{name}:from-{number}", content=str(number), platforms=PLATFORMS)
            for number in range(count)
        ]
        history = History(faulty)
        jitter(faulty, seed)
        ended = await at_once(reach, *rivals(name, count, "fail", **transit))
        winners = [one for one in ended if isinstance(one, PromotionRecord)]
        assert [type(one) for one in ended if one not in winners] == [TargetConflict] * (count - 1), ended
        assert history.shown(f"docker-qa/{name}:1") == [winners[0].target.digest]
        assert winners[0].target.digest in digests
        assert Pusher(faulty, f"docker-qa/{name}").answers(str(winners[0].target.digest))
        assert (faulty.tags("docker-qa", name), faulty.tags(TRANSIT, name)) == (["1"], [])


@pytest.mark.parametrize("policy", ["overwrite", "backup"])
async def test_who_overwrites_overwrites_what_it_has_seen_and_nothing_else(
    faulty: RunningSandbox,
    image: str,
    reach: Callable[..., ArtifactoryClient],
    queries: str,
    policy: OnConflict,
    transit: Transit,
) -> None:
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        before = faulty.push_image(f"docker-qa/{name}:1", content="before")
        for number in range(2):
            faulty.push_image(f"docker-dev/{name}:from-{number}", content=str(number))
        history = History(faulty)
        jitter(faulty, seed)
        ended = await at_once(reach, *rivals(name, 2, policy, **transit))
        shown = [before, *history.shown(f"docker-qa/{name}:1")]
        replaced = {(one.replaced, one.target.digest) for one in ended if isinstance(one, PromotionRecord)}
        assert replaced == set(itertools.pairwise(shown)), ended
        assert len(replaced) >= 1
        assert all(isinstance(one, PromotionRecord | TargetConflict) for one in ended), ended
        kept = {f"1-previous-{digest.removeprefix('sha256:')[:12]}" for digest in shown[:-1]}
        assert set(faulty.tags("docker-qa", name)) == {"1", *(kept if policy == "backup" else ())}


async def test_of_one_digest_both_runs_end_well_or_say_why_and_the_tag_shows_it(
    faulty: RunningSandbox, image: str, reach: Callable[..., ArtifactoryClient], queries: str, transit: Transit
) -> None:
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        digest = faulty.push_image(f"docker-dev/{name}:1", platforms=PLATFORMS)
        history = History(faulty)
        jitter(faulty, seed)
        both = [promotion(name, run=run, confirmation_timeout=20, **transit) for run in ("run1", "run2")]
        ended = await at_once(reach, *both)
        assert [type(one) for one in ended] == [PromotionRecord] * 2, ended
        assert set(history.shown(f"docker-qa/{name}:1")) == {digest}
        assert Pusher(faulty, f"docker-qa/{name}").answers(digest)
        assert (faulty.tags("docker-qa", name), faulty.tags(TRANSIT, name)) == (["1"], [])


@pytest.mark.parametrize(
    ("claimed_in", "waits"), [(None, None), (TRANSIT, TRANSIT), (None, TRANSIT)], ids=["target", "transit", "mixed"]
)
async def test_a_claim_of_a_run_that_may_still_live_is_respected_and_one_of_a_dead_run_is_not(
    faulty: RunningSandbox,
    image: str,
    direct: ArtifactoryClient,
    queries: str,
    claimed_in: str | None,
    waits: str | None,
) -> None:
    """A run that names a transit repository sees the claims of those that name none, too."""
    digest = faulty.push_image(f"docker-dev/{image}:1")
    claim = name_pending(ImageReference("docker-qa", image, "1", f"sha256:{'0' * 64}"), "other", claimed_in)
    theirs = faulty.push_image(f"{claim.repository}/{image}:{claim.tag}", content="theirs")
    where = f"waits under {claim.tag} in '{claim.repository}'.*after 3600 s it no longer counts"
    with pytest.raises(TargetConflict, match=where):
        await promote(direct, promotion(image, pending_repository=waits))
    assert faulty.tags("docker-qa", image) + faulty.tags(TRANSIT, image) == [claim.tag]
    await promote(direct, promotion(image, pending_repository=waits, pending_timeout=0))
    assert faulty.digest(f"docker-qa/{image}:1") == digest != theirs
    assert faulty.tags("docker-qa", image) + faulty.tags(TRANSIT, image) == ["1"]


async def test_two_targets_whose_images_wait_in_one_transit_repository_do_not_take_each_other_for_rivals(
    faulty: RunningSandbox, image: str, reach: Callable[..., ArtifactoryClient], queries: str
) -> None:
    """Image and tag are the same, and so are digests and runs, of some."""
    for seed in range(ROUNDS):
        name = f"{image}/{seed}"
        digests = {
            tag: faulty.push_image(f"docker-dev/{name}:{tag}", content=content, platforms=PLATFORMS)
            for tag, content in (("one", "one"), ("other", "other" if seed % 2 else "one"))
        }
        targets = {"docker-qa": "one", "docker-prod": "other"}
        jitter(faulty, seed)
        ended = await at_once(
            reach,
            *(
                promotion(
                    name,
                    source=ImageReference("docker-dev", name, tag),
                    target=ImageReference(repository, name, "1"),
                    run="run1",
                    pending_repository=TRANSIT,
                    confirmation_timeout=20,
                )
                for repository, tag in targets.items()
            ),
        )
        assert [type(one) for one in ended] == [PromotionRecord] * 2, ended
        for repository, tag in targets.items():
            assert faulty.digest(f"{repository}/{name}:1") == digests[tag]
            assert Pusher(faulty, f"{repository}/{name}").answers(digests[tag])
            assert faulty.tags(repository, name) == ["1"]
        assert faulty.tags(TRANSIT, name) == []
