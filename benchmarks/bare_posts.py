"""The bare promotion request in a loop: the least that a promotion can cost a client, and none of it is safe."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference

    Promotions = Sequence[tuple[ImageReference, ImageReference]]

AT_ONCE = (4, 8, 16, 32, 64)


async def post_all(url: str, promotions: Promotions, at_once: int) -> float:
    """Send a request for each promotion and return how many a second there were.

    :param url: the sandbox's base URL.
    :param promotions: source and target of each.
    :param at_once: how many requests are under way at a time.
    """
    waiting = iter(promotions)
    begun = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=0)
    authentication = aiohttp.BasicAuth("admin", "password")
    async with aiohttp.ClientSession(connector=connector, auth=authentication) as session:

        async def post_some() -> None:
            for source, target in waiting:
                body = {
                    "targetRepo": target.repository,
                    "dockerRepository": source.image,
                    "targetDockerRepository": target.image,
                    "tag": source.tag,
                    "targetTag": target.tag,
                    "copy": True,
                }
                async with session.post(f"{url}/api/docker/{source.repository}/v2/promote", json=body) as answer:
                    answer.raise_for_status()
                    await answer.read()

        await asyncio.gather(*(post_some() for _ in range(at_once)))
    return len(promotions) / (time.perf_counter() - begun)
