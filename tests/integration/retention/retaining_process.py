"""A process that deletes what may go of an image, to be killed: what to do comes as JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.retention import delete_planned, plan_retention, read_retention


async def retain(given: dict[str, Any]) -> None:
    """Plan, and delete what the plan says."""
    settings = ServerSettings(base_url=given["url"], authentication=Basic("admin", given["password"]), verify=False)
    rules = read_retention(given["rules"])
    async with ArtifactoryClient(settings) as client:
        plan = await plan_retention(client, rules)
        await delete_planned(client, rules, plan.to_delete(), at_once=1)


if __name__ == "__main__":
    asyncio.run(retain(json.load(sys.stdin)))
