"""What the ends of many promotions come to, for scripts."""

from __future__ import annotations

import pytest

from artifactory_provider.cli.running import DONE, FAILED, PENDING, REFUSED, USAGE, worst


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], DONE),
        ([DONE, DONE], DONE),
        ([DONE, PENDING], PENDING),
        ([PENDING, DONE, REFUSED], REFUSED),
        ([REFUSED, FAILED, PENDING], FAILED),
        ([USAGE, USAGE], USAGE),
        ([DONE, USAGE], FAILED),
        ([USAGE, REFUSED], FAILED),
    ],
)
def test_nothing_was_changed_is_never_said_where_something_was(codes: list[int], code: int) -> None:
    assert worst(codes) == code
