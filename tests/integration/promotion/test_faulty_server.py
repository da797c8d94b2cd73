"""A server of which one request in twenty goes wrong, in all the usual ways: the batch is complete all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.attaching import Pusher, cosign_tag
from tests.integration.promotion.dev_to_qa import PLATFORMS

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import TRANSIENT
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.request import PromotionOptions, make_promotions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.promotion.reports import PromotionReport, PromotionResult
    from artifactory_provider.promotion.request import Promotion
    from artifactory_sandbox.pytest_plugin import RunningSandbox

IMAGES = 4
SIGNED = "v0"
MOST_RUNS = 3


@dataclass(frozen=True)
class Way:
    """One way to promote.

    :param tags: how many tags each image has.
    :param overhead: how many times the requests of a server without faults are borne.
    """

    options: Mapping[str, Any]
    tags: int
    overhead: float


WAYS = {
    "defaults": Way({}, tags=40, overhead=1.3),
    "fast": Way({"two_phase": False, "attachments": "tags"}, tags=40, overhead=1.3),
    # A move that is run again looks closely at what has been moved: each run may cost what the first did.
    "move": Way({"copy": False}, tags=10, overhead=MOST_RUNS + 1),
}


@pytest.mark.parametrize("name", WAYS)
async def test_a_batch_is_complete_though_one_request_in_twenty_goes_wrong(
    artifactory_sandbox: RunningSandbox, name: str
) -> None:
    sandbox, way = artifactory_sandbox, WAYS[name]
    smooth, rough = (_push(sandbox, kind, way.tags) for kind in ("smooth", "rough"))

    sandbox.add_fault("random", probability=0)
    await _run(sandbox, _batch(smooth, way.options))
    without, _ = _seen_and_hit(sandbox)
    sandbox.add_fault("random", probability=0.05, seed=1)
    failures: list[PromotionResult] = []
    report = await _run(sandbox, _batch(rough, way.options))
    for _ in range(MOST_RUNS - 1):
        failures += report.failures
        if not report.failures:
            break
        report = await _run(sandbox, _batch(rough, way.options))
    counted, hits = _seen_and_hit(sandbox)

    print(
        f"{name}: {hits} of {counted} requests went wrong; "
        f"{counted / without:.3f} times the requests of a server without faults; failed in between: {len(failures)}"
    )
    assert 0.02 < hits / counted < 0.1
    assert counted / without < way.overhead
    assert not report.failures
    assert [str(error) for failure in failures if (error := failure.error) and not _may_pass(error)] == []
    _check(sandbox, rough, is_move=name == "move")


def _may_pass(error: Exception) -> bool:
    """Tell whether another try may mend it: also where it kept an attachment from being brought."""
    return isinstance(error, TRANSIENT) or isinstance(error.__cause__, TRANSIENT)


def _push(sandbox: RunningSandbox, folder: str, count: int) -> dict[ImageReference, str]:
    """Push tags of some images, one signed tag among those of each; return their digests."""
    tags = [ImageReference("docker-dev", f"{folder}/app-{i}", f"v{t}") for i in range(IMAGES) for t in range(count)]
    pushed = {tag: sandbox.push_image(str(tag), platforms=PLATFORMS) for tag in tags}
    for tag, digest in pushed.items():
        if tag.tag == SIGNED:
            Pusher(sandbox, f"{tag.repository}/{tag.image}").sign(digest, f"signature of {tag}")
    return pushed


def _batch(pushed: Mapping[ImageReference, str], options: Mapping[str, Any]) -> tuple[Promotion, ...]:
    pairs = tuple(
        (tag.pinned(digest), ImageReference("docker-qa", tag.image, tag.tag)) for tag, digest in pushed.items()
    )
    # Tries of one run, as a task's are: each goes on with the pending tags of the one before.
    return make_promotions(pairs, PromotionOptions(run="run1", property_prefix=None, **options))


async def _run(sandbox: RunningSandbox, batch: Sequence[Promotion]) -> PromotionReport:
    settings = ServerSettings(base_url=sandbox.url, authentication=Basic(sandbox.username, sandbox.password))
    async with ArtifactoryClient(settings) as client:
        return await promote_many(client, batch)


def _seen_and_hit(sandbox: RunningSandbox) -> tuple[int, int]:
    """Take the fault back, and return how many requests it has seen, and how many met it."""
    (fault,) = sandbox.service.faults.describe()
    sandbox.clear_faults()
    return int(str(fault["seen"])), int(str(fault["hits"]))


def _check(sandbox: RunningSandbox, pushed: Mapping[ImageReference, str], *, is_move: bool) -> None:
    """Make sure that every target shows its digest, whole, and that nothing was left behind."""
    by_image: dict[str, dict[str, str]] = {}
    for tag, digest in pushed.items():
        by_image.setdefault(tag.image, {})[str(tag.tag)] = digest
    for image, tags in by_image.items():
        signature = cosign_tag(tags[SIGNED], ".sig")
        assert set(sandbox.tags("docker-qa", image)) == {*tags, signature}
        for name, digest in tags.items():
            assert sandbox.digest(f"docker-qa/{image}:{name}") == digest
        assert Pusher(sandbox, f"docker-qa/{image}").answers(tags[SIGNED])
        left = set(sandbox.tags("docker-dev", image)) - {signature}
        assert left == (set() if is_move else set(tags))
