from __future__ import annotations

import pytest

from artifactory_provider.triggers.poller import LONGEST_BACKOFF, pause


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
