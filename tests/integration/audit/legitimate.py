"""Promotions of every kind that this project makes, to a repository in which nothing is left unexplained."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import PLATFORMS, TRANSIT

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion import Promotion, PromotionOptions, find_previous, promote_image
from artifactory_provider.promotion.backup import make_rollback
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import make_promotions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"copy": False},
    {"two_phase": False},
    {"pending_repository": TRANSIT},
    {"attachments": "tags"},
    {"attachments": "none"},
    {"property_prefix": "release"},
    {"hold": "kept for the audit", "held_by": "jane"},
)
"""The options that a promotion may have."""
_CONTENTS = itertools.count()


def push(sandbox: RunningSandbox, place: str, *, signed: bool = False, platforms: Sequence[str] = PLATFORMS[:1]) -> str:
    """Push an image whose digest no other has, with a signature, an SBOM of a child and a referrer where wanted."""
    digest = sandbox.push_image(place, content=f"{place} {next(_CONTENTS)}", platforms=platforms)
    if signed:
        pusher = Pusher(sandbox, place.rpartition(":")[0])
        pusher.sign(digest, f"signature of {digest}")
        pusher.refer(digest, f"referrer of {digest}")
        for child in pusher.children(digest) if len(platforms) > 1 else ():
            pusher.sign(child, f"sbom of {child}", suffix=".sbom")
    return digest


async def promote_every_way(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    """Promote dev → qa → prod in every way, with backups, rollbacks, further tags and whole images."""
    for number, options in enumerate(KINDS):
        tag = f"1.{number}"
        push(sandbox, f"docker-dev/{image}:{tag}", signed=number % 2 == 0, platforms=PLATFORMS[: 1 + number % 2])
        await _promote(client, f"docker-dev/{image}:{tag}", f"docker-qa/{image}:{tag}", **options)
        await _promote(client, f"docker-qa/{image}:{tag}", f"docker-prod/{image}:{tag}", **(options | {"hold": None}))
    await _promote(client, f"docker-prod/{image}:1.0", f"docker-prod/{image}:latest")  # a further target tag
    await _replace_and_roll_back(client, sandbox, image)
    await _promote_whole(client, sandbox, f"{image}-whole")
    pairs = [
        (ImageReference.parse(f"docker-dev/{image}:many-{number}"), ImageReference("docker-qa", image, f"m-{number}"))
        for number in range(5)
    ]
    for source, _ in pairs:
        push(sandbox, str(source))
    report = await promote_many(client, make_promotions(pairs, PromotionOptions()))
    assert not report.failures, report.failures[0].reason


async def _replace_and_roll_back(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    stable = ImageReference("docker-prod", image, "stable")
    for options in ({}, {"two_phase": False}, {"pending_repository": TRANSIT}):
        push(sandbox, f"docker-qa/{image}-candidate:1", signed=True)
        await _promote(client, f"docker-qa/{image}-candidate:1", f"{stable}", on_conflict="backup", **options)
    previous = await find_previous(client, stable)
    await promote(client, make_rollback(previous, stable, by="jane", reason="it was worse"))
    sandbox.delete(f"docker-qa/{image}-candidate:1")


async def _promote_whole(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> None:
    for number in range(3):
        push(sandbox, f"docker-dev/{image}:{number}", signed=True)
    places = [ImageReference(key, image) for key in ("docker-dev", "docker-qa", "docker-prod")]
    await promote_image(client, Promotion(source=places[0], target=places[1]))
    for number in range(2):
        push(sandbox, f"docker-dev/{image}:new")
        options = PromotionOptions(on_conflict="backup")
        source, target = (ImageReference(place.repository, image, "new") for place in places[:2])
        await promote(client, Promotion(source=source, target=target, options=options))
        assert number < 2
    await promote_image(client, Promotion(source=places[1], target=places[2]), one_request=True)


async def _promote(client: ArtifactoryClient, source: str, target: str, **options: Any) -> None:
    await promote(
        client,
        Promotion(
            source=ImageReference.parse(source),
            target=ImageReference.parse(target),
            options=PromotionOptions(**{"confirmation_timeout": 0, **options}),
        ),
    )
