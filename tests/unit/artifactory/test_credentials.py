from __future__ import annotations

import asyncio
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from artifactory_provider.artifactory.authentication import Basic, Bearer, IdentityExchange, RefreshableToken
from artifactory_provider.artifactory.credentials import FixedCredentials, IssuedToken, RenewedCredentials
from artifactory_provider.artifactory.errors import AuthenticationFailed, ServerFailed

if TYPE_CHECKING:
    from artifactory_provider.artifactory.authentication import Authentication, Renewable

EXCHANGE = IdentityExchange(provider="ci", token_file="token")


class Issuer:
    """Gives numbered tokens of a hundred seconds, at a time that a test sets."""

    def __init__(self, *, seconds: float | None = 100) -> None:
        self.now = 1_000_000.0
        self.asked: list[Renewable] = []
        self.error: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.credentials = RenewedCredentials(EXCHANGE, self.ask, clock=lambda: self.now)
        self._seconds = seconds
        self._numbers = itertools.count(1)

    def current(self, refused: Authentication | None = None) -> Authentication:
        return asyncio.run(self.credentials.get(refused))

    def ask(self, renewable: Renewable) -> IssuedToken:
        self.asked.append(renewable)
        assert self.may_answer.wait(30)
        if self.error:
            raise self.error
        number = next(self._numbers)
        return IssuedToken(Bearer(f"token-{number}"), renewable, self._seconds)


def test_a_token_is_kept_until_a_tenth_of_its_life_is_left() -> None:
    issuer = Issuer()
    first = issuer.current()
    issuer.now += 89
    assert issuer.current() is first
    issuer.now += 1.1
    assert issuer.current() == Bearer("token-2")
    assert len(issuer.asked) == 2


def test_a_token_that_tells_no_end_is_kept_until_it_is_refused() -> None:
    issuer = Issuer(seconds=None)
    first = issuer.current()
    issuer.now += 1e9
    assert issuer.current() is first
    second = issuer.current(first)
    assert second == Bearer("token-2")
    assert issuer.current(first) is second


@pytest.mark.parametrize("error", [ServerFailed("503"), AuthenticationFailed("401")])
def test_while_the_token_in_use_is_good_a_failed_renewal_fails_nothing_and_is_not_tried_at_each_request(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer()
    first = issuer.current()
    issuer.now, issuer.error = issuer.now + 92, error
    assert [issuer.current() for _ in range(10)] == [first] * 10
    assert len(issuer.asked) == 2
    assert "The token in use is good for 8 s still." in caplog.text
    issuer.now += 2.1
    assert issuer.current() is first
    assert len(issuer.asked) == 3
    issuer.now += 10
    with pytest.raises(type(error)):
        issuer.current()
    issuer.error = None
    assert issuer.current() == Bearer("token-2")


def test_a_failed_renewal_of_a_refused_token_is_an_error_and_the_next_request_tries_anew() -> None:
    issuer = Issuer()
    first = issuer.current()
    issuer.error = ServerFailed("503")
    with pytest.raises(ServerFailed):
        issuer.current(first)
    issuer.error = None
    assert issuer.current() == Bearer("token-2")


def test_all_threads_share_one_renewal() -> None:
    issuer = Issuer()
    issuer.may_answer.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(issuer.current) for _ in range(8)]
        issuer.may_answer.set()
        assert {one.result(30) for one in waiting} == {Bearer("token-1")}
    assert len(issuer.asked) == 1


async def test_who_is_cancelled_while_it_waits_leaves_the_others_their_token() -> None:
    issuer = Issuer()
    issuer.may_answer.clear()
    waiting = [asyncio.create_task(issuer.credentials.get()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    issuer.may_answer.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting[1:]), 30) == [Bearer("token-1")] * 2
    assert len(issuer.asked) == 1


def test_a_refusal_of_a_token_that_is_no_longer_used_asks_for_no_other() -> None:
    issuer = Issuer()
    first = issuer.current()
    second = issuer.current(first)
    assert issuer.current(first) is second
    assert len(issuer.asked) == 2


def test_a_process_that_was_forked_in_the_middle_of_a_renewal_does_not_wait_for_it() -> None:
    issuer = Issuer()
    issuer.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(issuer.current)
        while not issuer.asked:
            os.sched_yield()
        issuer.credentials.forget_renewal()
        issuer.may_answer.set()
        assert isinstance(issuer.current(), Bearer)
        assert isinstance(waiting.result(30), Bearer)


def test_a_refreshable_token_is_used_as_it_is_first_and_asked_for_where_it_is_missing() -> None:
    given = RenewedCredentials(RefreshableToken(access_token="a", refresh_token="r"), Issuer().ask)
    assert asyncio.run(given.get()) == Bearer("a")
    missing = RenewedCredentials(RefreshableToken(refresh_token="r"), Issuer().ask)
    assert asyncio.run(missing.get()) == Bearer("token-1")


def test_no_credentials_show_in_a_repr() -> None:
    given = RenewedCredentials(RefreshableToken(access_token="s3cret-a", refresh_token="s3cret-r"), Issuer().ask)
    for shown in (given, FixedCredentials(Basic("u", "s3cret")), IssuedToken(Bearer("s3cret"), EXCHANGE, 1)):
        assert "s3cret" not in repr(shown)
    assert "s3cret" not in repr(RefreshableToken(access_token="s3cret-a", refresh_token="s3cret-r"))
