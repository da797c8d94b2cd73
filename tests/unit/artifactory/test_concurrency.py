from __future__ import annotations

import asyncio

import pytest

from artifactory_provider.artifactory.concurrency import concurrently


async def test_when_one_of_many_questions_fails_none_of_the_others_goes_on() -> None:
    started: list[int] = []
    ended: list[int] = []

    async def ask(number: int) -> int:
        started.append(number)
        if number == 3:
            raise ValueError("three")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    with pytest.raises(ValueError, match="three"):
        await asyncio.wait_for(concurrently(ask, range(5), at_once=4), 10)
    assert sorted([*ended, 3]) == sorted(started)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_many_questions_are_answered_in_their_order_and_never_more_at_once_than_allowed() -> None:
    under_way, most = 0, 0

    async def ask(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return number * 2

    assert await concurrently(ask, range(20), at_once=3) == [number * 2 for number in range(20)]
    assert most == 3
