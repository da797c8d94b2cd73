from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.tokens import Lifetime, lifetime_of


def token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"


@given(st.integers(0, 2**33), st.integers(0, 2**33))
def test_a_web_token_says_itself_how_long_it_is_good(start: int, end: int) -> None:
    assert lifetime_of(token({"iat": start, "exp": end, "sub": "ä"})) == Lifetime(start, end)


def test_a_web_token_that_does_not_say_since_when_is_renewed_ten_seconds_before_its_end() -> None:
    lifetime = lifetime_of(token({"exp": 1000}))
    assert lifetime is not None
    assert (lifetime.end, lifetime.renewal) == (1000, 990)


@pytest.mark.parametrize(
    "claims",
    [{}, {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": math.nan}, {"exp": math.inf}, {"exp": 10**400}, [], 7],
)
def test_a_web_token_without_a_readable_end_says_nothing(claims: Any) -> None:
    assert lifetime_of(token(claims)) is None


@pytest.mark.parametrize("text", ["", "..", "a.b.c", "a.b", "p4ss.w0rd.x", "a.W1tb.c", "a.ä.c", f"a.{'W1' * 60_000}.c"])
def test_what_is_no_web_token_says_nothing(text: str) -> None:
    assert lifetime_of(text) is None


@given(st.text())
def test_no_password_is_too_odd_to_be_looked_at(text: str) -> None:
    assert lifetime_of(text) is None or text.count(".") == 2


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_a_token_is_renewed_with_a_tenth_of_its_life_left_but_never_in_its_first_half(
    start: float, life: float
) -> None:
    lifetime = Lifetime(start, start + life)
    slack = 1e-5
    assert lifetime.renewal <= lifetime.end - 0.1 * life + slack
    assert lifetime.renewal >= start + life / 2 - slack
    assert life < 20 or lifetime.renewal <= lifetime.end - 10 + slack
