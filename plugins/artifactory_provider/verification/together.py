"""Asking about many things in one request, so that one bad thing among them spoils no other's answer."""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    ConnectionFailed,
    InvalidSettings,
    RateLimited,
    TlsFailed,
    TooMuchAsked,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

T = TypeVar("T")
R = TypeVar("R")

_NOBODYS_FAULT = (AuthenticationFailed, ConnectionFailed, InvalidSettings, RateLimited, TlsFailed)
_OVERLOADED = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


_LEVELS_WITHOUT_AN_ANSWER = 2
_MOST_DIVISIONS = 100


async def ask_together(
    values: Iterable[T], ask: Callable[[Sequence[T]], Awaitable[R]], *, at_most: int, at_once: int = 4
) -> dict[T, R | ArtifactoryError]:
    """Ask about many values by few requests.

    What is refused is asked for again in halves, as few of the values may be the reason, and so on, until those are
    alone. Where quarters are refused, too, and nothing at all has been answered, the reason is another, and no more is
    asked; nor where there is no end of what is refused. What is too much is divided in any case.

    :param values: what is asked about, hashable.
    :param ask: asks about some of them; what it returns is the answer to each.
    :param at_most: how many one request asks about.
    :param at_once: how many requests are under way at a time.
    :return: value → the answer to the request that it was asked about in, or what came instead.
    """
    all_values = list(dict.fromkeys(values))
    chunks = [all_values[start : start + at_most] for start in range(0, len(all_values), at_most)]
    asking = _Asking(ask)
    answers = await concurrently(asking.ask, chunks, at_once=at_once)
    return {value: answer for told in (*answers, await asking.ask_again()) for value, answer in told.items()}


class _Asking(Generic[T, R]):
    """What is known of a server while it is asked about many values."""

    def __init__(self, ask: Callable[[Sequence[T]], Awaitable[R]]) -> None:
        self._ask = ask
        self._has_answered = False
        self._is_hopeless = False
        self._given_up: list[tuple[Sequence[T], ArtifactoryError]] = []
        self._divisions = 0
        self._dividing = asyncio.Lock()

    async def ask(self, chunk: Sequence[T]) -> dict[T, R | ArtifactoryError]:
        answer = await self._answer(chunk)
        if not isinstance(answer, ArtifactoryError):
            return dict.fromkeys(chunk, answer)
        # One at a time, so that what is hopeless is found out once.
        async with self._dividing:
            return await self._divide(chunk, answer)

    async def ask_again(self) -> dict[T, R | ArtifactoryError]:
        """Ask again about what was given up before the server had answered anything, if it has meanwhile."""
        told: dict[T, R | ArtifactoryError] = {}
        for part, refusal in self._given_up if self._has_answered else ():
            told.update(await self._divide(part, refusal))
        return told

    async def _divide(self, chunk: Sequence[T], refusal: ArtifactoryError) -> dict[T, R | ArtifactoryError]:
        told: dict[T, R | ArtifactoryError] = dict.fromkeys(chunk, refusal)
        refused = deque([(chunk, refusal, 0)])
        while refused:
            part, refusal, level = refused.popleft()
            if not _may_be_divided(part, refusal) or not self._goes_on(part, refusal, level):
                continue
            middle = len(part) // 2
            for half in (part[:middle], part[middle:]):
                answer = await self._answer(half)
                told.update(dict.fromkeys(half, answer))
                if isinstance(answer, ArtifactoryError):
                    refused.append((half, answer, level + 1))
        return told

    def _goes_on(self, part: Sequence[T], refusal: ArtifactoryError, level: int) -> bool:
        """Return whether a part is asked about in halves; what is given up for want of any answer is remembered."""
        if isinstance(refusal, TooMuchAsked):
            return True
        self._is_hopeless = not self._has_answered and (self._is_hopeless or level >= _LEVELS_WITHOUT_AN_ANSWER)
        if self._is_hopeless:
            self._given_up.append((part, refusal))
            return False
        self._divisions += 1
        return self._divisions <= _MOST_DIVISIONS

    async def _answer(self, chunk: Sequence[T]) -> R | ArtifactoryError:
        try:
            answer = await self._ask(chunk)
        except ArtifactoryError as error:
            return error
        self._has_answered = True
        return answer


def _may_be_divided(chunk: Sequence[T], refusal: ArtifactoryError) -> bool:
    return len(chunk) > 1 and not isinstance(refusal, _NOBODYS_FAULT) and refusal.status not in _OVERLOADED
