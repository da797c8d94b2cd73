"""The promotion that most of these tests make, and rules that begin to refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.promotion.rules import Change, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS = ("linux/amd64", "linux/arm64")
ABSENT = "sha256:" + "0" * 64
PROMOTE = "/promote$"
TRANSIT = "docker-transit"
REPOSITORIES = ("docker-dev", "docker-qa", TRANSIT)


def promotion(image: str, *, tag: str = "1", digest: str | None = None, **changes: Any) -> Promotion:
    """Make dev → qa of one image; patience is short, as nothing in the sandbox needs time."""
    source = changes.pop("source", ImageReference("docker-dev", image, tag, digest))
    target = changes.pop("target", ImageReference("docker-qa", image, tag))
    options = PromotionOptions(**{"confirmation_timeout": 0, **changes})
    return Promotion(source=source, target=target, options=options)


class RefusesFrom:
    """Rules that refuse from some question on."""

    def __init__(self, number: int) -> None:
        self.left = number

    async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
        self.left -= 1
        return [Refusal("The line is stopped.") if self.left < 0 else None for _ in changes]
