"""How long a token is good: what it says of itself, and when it is time for another one."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

_PART_LEFT = 0.1
_SECONDS_LEFT = 10.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From when until when a token is good.

    :param start: its first second, since the epoch.
    :param end: the second since the epoch from which it is good no more.
    """

    start: float
    end: float

    @property
    def renewal(self) -> float:
        """When to ask for another one: with a tenth of the life left, or ten seconds, but never in its first half."""
        if math.isinf(self.end):
            return self.end
        life = max(0.0, self.end - self.start)
        return self.end - max(life * _PART_LEFT, min(_SECONDS_LEFT, life / 2))


def lifetime_of(token: str) -> Lifetime | None:
    """Return how long a JSON Web Token says that it is good, or None where it says nothing or is none.

    The signature is not verified: only the server can, and it decides. (RFC 7519, section 4.1: ``exp``, ``iat``.)

    :param token: any token, password or key.
    """
    claims = _claims(token)
    end = _seconds(claims.get("exp"))
    if end is None:
        return None
    start = _seconds(claims.get("iat"))
    return Lifetime(end - _SECONDS_LEFT / _PART_LEFT if start is None else start, end)


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _seconds(claim: Any) -> float | None:
    try:
        seconds = float(claim) if isinstance(claim, int | float) and not isinstance(claim, bool) else math.nan
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None
