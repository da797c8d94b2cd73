"""The promotion that most of these tests make."""

from __future__ import annotations

from typing import Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.request import Promotion, PromotionOptions

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
