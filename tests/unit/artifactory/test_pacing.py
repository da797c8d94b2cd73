from __future__ import annotations

import asyncio

import pytest

from artifactory_provider.artifactory.pacing import Pace, pace_of


class Server:
    """Counts who is being served; everybody stays until let go."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.served: list[int] = []
        self.now = 0
        self.most = 0
        self.open = asyncio.Event()

    async def visit(self, number: int) -> None:
        async with self.pace.turn() as began:
            self.served.append(number)
            self.now += 1
            self.most = max(self.most, self.now)
            await self.open.wait()
            await asyncio.sleep(0)
            self.now -= 1
            self.pace.record_answer(began, kind="GET")


async def visits(server: Server, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(server.visit(number)) for number in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_no_more_than_the_limit_are_under_way_and_all_are_served_in_order() -> None:
    server = Server(Pace(first=3, most=3))
    tasks = await visits(server, 10)
    assert server.now == 3
    server.open.set()
    await asyncio.gather(*tasks)
    assert server.most == 3
    assert server.served == list(range(10))


async def test_answers_in_time_raise_the_limit_as_far_as_it_may_go() -> None:
    server = Server(Pace(first=2, most=5))
    server.open.set()
    await asyncio.gather(*await visits(server, 200))
    assert server.pace.limit == 5


async def test_the_limit_grows_by_one_an_answer_until_the_server_has_shown_its_own() -> None:
    pace = Pace(first=16)
    server = Server(pace)
    tasks = await visits(server, 200)
    assert server.now == 16
    server.open.set()
    await asyncio.gather(*tasks)
    assert (pace.limit, server.most) == (64, 64)


async def test_after_an_overload_the_limit_grows_by_one_a_round() -> None:
    server = Server(Pace(first=16))
    async with server.pace.turn() as began:
        server.pace.record_overload(began)
    tasks = await visits(server, 8 + 9)
    assert server.now == 8
    server.open.set()
    await asyncio.gather(*tasks)
    assert server.pace.limit == 9


async def test_an_idle_server_proves_nothing() -> None:
    server = Server(Pace(first=2, most=5))
    server.open.set()
    for number in range(50):
        await server.visit(number)
    assert server.pace.limit == 2


async def test_one_overload_halves_the_limit_once_for_all_that_were_under_way() -> None:
    pace = Pace(first=16)
    async with pace.turn() as first, pace.turn() as second:
        await asyncio.sleep(0.001)
        pace.record_overload(first)
        pace.record_overload(second)
        assert pace.limit == 8
    async with pace.turn() as later:
        pace.record_overload(later)
    assert pace.limit == 4


async def test_the_limit_never_falls_below_one() -> None:
    pace = Pace(first=2)
    for _ in range(5):
        async with pace.turn() as began:
            pace.record_overload(began)
    assert pace.limit == 1
    async with asyncio.timeout(1), pace.turn():
        pass


async def test_nobody_is_served_while_the_server_wants_a_pause() -> None:
    pace = Pace()
    async with pace.turn() as began:
        pace.record_overload(began, pause=0.1)
    async with pace.turn() as later:
        assert later - began >= 0.1


@pytest.mark.parametrize("is_served", [True, False])
async def test_who_gives_up_waiting_leaves_the_turn_to_the_next(is_served: bool) -> None:
    pace = Pace(first=1, most=1)
    server = Server(pace)
    tasks = await visits(server, 3)
    tasks[0 if is_served else 1].cancel()
    server.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(1), pace.turn():
        assert server.served[-1] == 2


async def test_who_is_cancelled_just_as_the_turn_comes_gives_it_back() -> None:
    pace = Pace(first=1, most=1)
    held = pace.turn()
    await held.__aenter__()
    waiting = asyncio.create_task(pace.turn().__aenter__())
    await asyncio.sleep(0)
    await held.__aexit__(None, None, None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(1), pace.turn():
        pass


async def test_answers_that_become_much_slower_lower_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(first=16)
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    pace.record_answer(now - 0.5, kind="POST promote")
    pace.record_answer(now - 3.0, kind="POST aql")
    assert pace.limit == 16
    pace.record_answer(now - 2.5, kind="POST promote")
    assert pace.limit == 8


async def test_a_server_has_one_pace_in_one_event_loop() -> None:
    assert pace_of("https://one") is pace_of("https://one")
    assert pace_of("https://one") is not pace_of("https://two")
    elsewhere = await asyncio.to_thread(lambda: asyncio.run(_pace()))
    assert elsewhere is not pace_of("https://one")


async def _pace() -> Pace:
    return pace_of("https://one")
