"""Asking about many in one request: few requests, and nobody's answer is spoilt by another."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    AuthenticationFailed,
    ConnectionFailed,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TooMuchAsked,
    UnexpectedAnswer,
)
from artifactory_provider.verification.together import ask_together

if TYPE_CHECKING:
    from collections.abc import Sequence


class Server:
    """A server that refuses to answer about some numbers, and whoever is asked about with them.

    :param bad: those numbers.
    :param largest: about how many it answers at most.
    :param error: what it answers then.
    """

    def __init__(self, bad: set[int], *, largest: int = 1000, error: ArtifactoryError | None = None) -> None:
        self.requests: list[tuple[int, ...]] = []
        self._bad = bad
        self._largest = largest
        self._error = error or RequestRefused("refused", status=400)

    async def ask(self, chunk: Sequence[int]) -> tuple[int, ...]:
        self.requests.append(tuple(chunk))
        await asyncio.sleep(0)
        if len(chunk) > self._largest:
            raise TooMuchAsked("too much")
        if self._bad & set(chunk):
            raise self._error
        return tuple(chunk)


@example({0, 1, 7}, 14, 3)
@example({0, 2, 4, 6}, 8, 1000)
@given(st.sets(st.integers(0, 199), max_size=6), st.integers(1, 60), st.sampled_from([1, 3, 1000]))
async def test_few_bad_values_have_no_answer_and_all_others_have_theirs(
    bad: set[int], at_most: int, largest: int
) -> None:
    server = Server(bad, largest=largest)
    answers = await ask_together(range(200), server.ask, at_most=at_most)
    assert set(answers) == set(range(200))
    for value, answer in answers.items():
        if value in bad:
            assert isinstance(answer, RequestRefused)
        else:
            assert isinstance(answer, tuple)
            assert value in answer
    if largest == 1000:
        assert len(server.requests) <= math.ceil(200 / at_most) + 2 * math.ceil(math.log2(at_most + 1)) * len(bad)


async def test_each_value_is_asked_about_once() -> None:
    server = Server(set())
    answers = await ask_together([1, 2, 1, 3, 2], server.ask, at_most=2)
    assert sorted(server.requests) == [(1, 2), (3,)]
    assert answers == {1: (1, 2), 2: (1, 2), 3: (3,)}
    assert await ask_together([], server.ask, at_most=2) == {}


@pytest.mark.parametrize("error", [RequestRefused("", status=400), ServerFailed("", status=500), UnexpectedAnswer("")])
async def test_what_is_refused_for_all_is_not_asked_about_each(error: ArtifactoryError) -> None:
    server = Server(set(range(500)), error=error)
    answers = await ask_together(range(500), server.ask, at_most=50)
    assert all(isinstance(answer, type(error)) for answer in answers.values())
    assert len(server.requests) == 10 + 2 + 4


async def test_of_what_is_refused_without_end_no_more_is_asked() -> None:
    server = Server(set(range(50, 10_000)))
    answers = await ask_together(range(10_000), server.ask, at_most=50)
    assert isinstance(answers[0], tuple)
    assert len(server.requests) <= 200 + 2 * 100


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("", status=401),
        ConnectionFailed(""),
        RateLimited("", status=429),
        ServerFailed("", status=502),
        ServerFailed("", status=503),
        ServerFailed("", status=504),
    ],
)
async def test_what_is_nobodys_fault_is_asked_once(error: ArtifactoryError) -> None:
    server = Server({7}, error=error)
    answers = await ask_together(range(50), server.ask, at_most=50)
    assert all(answer is error for answer in answers.values())
    assert len(server.requests) == 1


async def test_what_is_no_error_of_the_server_is_not_hidden() -> None:
    async def ask(_: Sequence[int]) -> None:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        await ask_together(range(3), ask, at_most=2)
