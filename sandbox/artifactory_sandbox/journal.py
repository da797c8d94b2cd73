"""What the sandbox remembers of the requests that it has answered: the last ones, and counts of all."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, defaultdict, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from artifactory_sandbox.fault_effects import DROP

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

_log = logging.getLogger(__name__)
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """One request and how it was answered; no header and no body, so no secret.

    :param path: decoded, as the client wrote it.
    :param query: not decoded.
    :param status: of the answer; 0 where the connection was dropped without one.
    :param route: the name of the route; empty where none was reached.
    :param user: who asked; empty where that was not found out.
    :param seconds: until the answer began.
    """

    method: str
    path: str
    query: str
    status: int
    route: str
    user: str
    seconds: float


class Journal:
    """The requests answered since the start; those to the sandbox's own admin API are counted only."""

    def __init__(self) -> None:
        self.requests: deque[Record] = deque(maxlen=_REMEMBERED)
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def watch(self, scope: Scope) -> Callable[[int], None]:
        """Return what is to be called with the status as a request is answered, before the client can see it."""
        begun, method, path = time.perf_counter(), scope["method"], scope["path"]
        extensions = scope.setdefault("extensions", {})
        drop = extensions.get(DROP, {}).get("drop")
        is_noted = False

        def note(status: int) -> None:
            nonlocal is_noted
            if is_noted:
                return
            is_noted = True
            endpoint, call = scope.get("endpoint"), scope.get("state", {}).get("call")
            route, user = getattr(endpoint, "__name__", ""), call.user.name if call else ""
            seconds = time.perf_counter() - begun
            self._counts[method, route, status] += 1
            self._seconds[route] += seconds
            if path.removeprefix("/artifactory").startswith("/sandbox/"):
                return
            record = Record(
                method, path, scope["query_string"].decode("ascii", "replace"), status, route, user, seconds
            )
            self.requests.append(record)
            if _log.isEnabledFor(logging.INFO):
                _log.info("%s", json.dumps({"time": time.time(), **asdict(record)}))

        def drop_noted(*, is_reset: bool) -> None:
            note(0)
            if drop is not None:
                drop(is_reset=is_reset)

        extensions[DROP] = {"drop": drop_noted}
        return note
