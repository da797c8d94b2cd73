"""A process that promotes one image, so that it can be killed: run as a script with a JSON object on its stdin."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.request import Promotion, PromotionOptions


def read_promotion(fields: dict[str, Any]) -> Promotion:
    """Make the promotion out of its JSON object."""
    source, target = (ImageReference.parse(fields.pop(name)) for name in ("source", "target"))
    return Promotion(source=source, target=target, options=PromotionOptions(**fields))


async def main() -> None:
    given = json.load(sys.stdin)
    settings = ServerSettings(base_url=given["url"], authentication=Basic("admin", given["password"]))
    async with ArtifactoryClient(settings) as client:
        await promote(client, read_promotion(given["promotion"]))


if __name__ == "__main__":
    asyncio.run(main())
