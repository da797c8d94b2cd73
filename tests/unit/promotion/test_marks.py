from __future__ import annotations

import pytest

from artifactory_provider.promotion.marks import Mark


@pytest.mark.parametrize(
    ("time", "read"),
    [
        ("2026-11-29T22:08:15+00:00", "2026-11-29 22:08 UTC"),
        ("2026-11-29T23:08:15.123+01:00", "2026-11-29 22:08 UTC"),
        ("2026-11-29T22:08:15", "2026-11-29T22:08:15"),
        ("last <b>night</b>", "last <b>night</b>"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ],
    ids=["in UTC", "elsewhere", "without a zone", "no moment", "before all time"],
)
def test_a_mark_says_who_has_set_it_and_when_in_utc(time: str, read: str) -> None:
    assert str(Mark("it crashes", "jane", time)) == f"it crashes (by jane at {read})"
    assert str(Mark("it crashes", "", time)) == f"it crashes (at {read})"
