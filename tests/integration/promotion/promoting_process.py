"""A process that promotes, so that it can be killed: run as a script with a JSON object on its stdin.

Each promotion is made by itself, or all as one batch whose sources have to pass ``CHECKS``.
"""

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
from artifactory_provider.verification import PropertyCheck
from artifactory_provider.verification.gate import promote_verified

CHECKS = (PropertyCheck(),)


def read_promotion(fields: dict[str, Any]) -> Promotion:
    """Make the promotion out of its JSON object."""
    source, target = (ImageReference.parse(fields.pop(name)) for name in ("source", "target"))
    return Promotion(source=source, target=target, options=PromotionOptions(**fields))


async def main() -> None:
    given = json.load(sys.stdin)
    settings = ServerSettings(base_url=given["url"], authentication=Basic("admin", given["password"]))
    promotions = [read_promotion(fields) for fields in given["promotions"]]
    async with ArtifactoryClient(settings) as client:
        if given["is_verified"]:
            await promote_verified(client, promotions, CHECKS)
            return
        for promotion in promotions:
            await promote(client, promotion)


if __name__ == "__main__":
    asyncio.run(main())
