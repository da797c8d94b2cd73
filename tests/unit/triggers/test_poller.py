from __future__ import annotations

import pytest

from artifactory_provider.artifactory.errors import ServerFailed
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.triggers.poller import LONGEST_BACKOFF, Group, Wait, pause
from artifactory_provider.verification import State, Verification
from artifactory_provider.verification.verification import fail_to_look

DOWN = ServerFailed("It is down.")
IMAGE = ImageReference("docker-dev", "app", "1")


def group_of(*waits: Wait, interval: float) -> Group:
    group = Group(interval, "[]")
    group.waits.update(dict.fromkeys(waits))
    return group


def test_without_failures_all_look_at_the_same_intervals() -> None:
    assert pause(30, 0, 0) == 30


def test_it_looks_ever_more_rarely_after_failures_and_when_the_server_asks_for_it_but_not_for_ever() -> None:
    assert pause(10, 3, 0) >= 80
    assert pause(1, 1, 300) >= 300
    assert pause(10, 10_000, 0) <= LONGEST_BACKOFF * 1.2
    assert pause(10, 1, 1e9) <= LONGEST_BACKOFF * 1.2
    assert pause(3600, 9, 0) >= 3600


@pytest.mark.parametrize("failures", range(1, 20))
def test_after_failures_triggerers_are_not_in_step(failures: int) -> None:
    assert len({pause(10, failures, 0) for _ in range(10)}) > 1


async def test_after_an_outage_the_next_look_is_about_all_however_long_it_was() -> None:
    waits = [Wait(IMAGE, []), Wait(IMAGE, [])]
    group = group_of(*waits, interval=60)
    for _ in range(20):
        for wait in waits:
            wait.tell(fail_to_look(IMAGE, DOWN))
        group.pace(waits, [DOWN, DOWN])
        assert group.due() == waits
        assert group.pause() <= LONGEST_BACKOFF * 1.2


@pytest.mark.parametrize("interval", [0.5, 60, 3600])
async def test_what_alone_cannot_be_read_is_looked_at_ever_more_rarely_but_not_for_ever(interval: float) -> None:
    good, bad = Wait(IMAGE, []), Wait(IMAGE, [])
    group = group_of(good, bad, interval=interval)
    seconds, rested = [], 0.0
    for _ in range(5000):
        due = group.due()
        rested += group.pause()
        good.tell(Verification(IMAGE, State.PENDING, ("It waits.",)))
        if bad in due:
            bad.tell(fail_to_look(IMAGE, DOWN))
            seconds.append(rested)
            rested = 0.0
        group.pace(due, [DOWN if wait is bad else None for wait in due])
        assert group.pause() == interval
    assert seconds == sorted(seconds)
    assert (seconds[0] < seconds[-1]) is (interval < LONGEST_BACKOFF)
    assert seconds[-1] <= LONGEST_BACKOFF + interval
    assert len(seconds) > 2


async def test_one_that_joins_and_cannot_be_read_holds_up_no_other() -> None:
    good, joined = Wait(IMAGE, []), Wait(IMAGE, [])
    good.tell(Verification(IMAGE, State.PENDING, ("It waits.",)))
    group = group_of(good, joined, interval=60)
    assert group.new() == [joined]
    joined.tell(fail_to_look(IMAGE, DOWN))
    group.pace([joined], [DOWN], only_new=True)
    assert (group.new(), group.pause()) == ([], 60)
