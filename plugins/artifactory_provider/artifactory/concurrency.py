"""Asking about many things at a time, and leaving nothing behind when one of them fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

V = TypeVar("V")
R = TypeVar("R")


async def concurrently(function: Callable[[V], Awaitable[R]], values: Iterable[V], *, at_once: int = 8) -> list[R]:
    """Return the function's result for each value, in their order.

    The first error ends all: what still runs is cancelled and waited for, so that no request outlives its client.

    :param function: asynchronous, called once for each value.
    :param values: what to call it with.
    :param at_once: how many calls may be under way at a time.
    """
    values = list(values)
    if len(values) == 1:
        return [await function(values[0])]
    free = asyncio.Semaphore(at_once)

    async def one(value: V) -> R:
        async with free:
            return await function(value)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(value)) for value in values]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
