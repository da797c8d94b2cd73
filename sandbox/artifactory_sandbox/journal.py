"""What the sandbox remembers of the requests that it has answered, and tells of them: the last ones, counts of all."""

from __future__ import annotations

import json
import logging
import resource
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.calls import require_admin
from artifactory_sandbox.faults import DROP

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
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
        begun, path = time.perf_counter(), scope["path"]
        extensions = scope.setdefault("extensions", {})
        drop = extensions.get(DROP, {}).get("drop")
        is_noted = False

        def note(status: int) -> None:
            nonlocal is_noted
            if not is_noted:
                is_noted = True
                self._note(scope, path, status, time.perf_counter() - begun)

        def drop_noted(*, is_reset: bool) -> None:
            note(0)
            if drop is not None:
                drop(is_reset=is_reset)

        extensions[DROP] = {"drop": drop_noted}
        return note

    def _note(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        method, route = scope["method"], getattr(scope.get("endpoint"), "__name__", "")
        self._counts[method, route, status] += 1
        self._seconds[route] += seconds
        if path.removeprefix("/artifactory").startswith("/sandbox/"):
            return
        call = scope.get("state", {}).get("call")
        user, query = call.user.name if call else "", scope["query_string"].decode("ascii", "replace")
        fields = {"method": method, "path": path, "status": status, "route": route, "user": user, "seconds": seconds}
        self.requests.append(Record(query=query, **fields))
        # The query is left out: nothing that someone puts there by mistake must come to light.
        _log.info("request", extra={"fields": fields})

    def metrics(self) -> str:
        """Return the counts in Prometheus' text format."""
        lines = ["# TYPE artifactory_sandbox_requests_total counter"]
        for (method, route, status), count in sorted(self._counts.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            lines.append(f"artifactory_sandbox_requests_total{{{labels}}} {count}")
        lines.append("# TYPE artifactory_sandbox_request_seconds_total counter")
        for route, seconds in sorted(self._seconds.items()):
            lines.append(f'artifactory_sandbox_request_seconds_total{{route="{route}"}} {seconds:.6f}')
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        lines += ["# TYPE process_resident_memory_bytes gauge", f"process_resident_memory_bytes {memory}", ""]
        return "\n".join(lines)


async def metrics(request: Request) -> Response:
    """Tell how many requests were answered how, in Prometheus' text format."""
    return PlainTextResponse(require_admin(request).journal.metrics(), media_type="text/plain; version=0.0.4")


class _JsonLines(logging.Formatter):
    """Log records as lines of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"time": record.created, "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields | getattr(record, "fields", {}))


def log_to_stderr(*, has_requests: bool) -> None:
    """Write what goes wrong to stderr, as lines of JSON.

    :param has_requests: whether each request has a line, too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _log.setLevel(logging.INFO if has_requests else logging.WARNING)


ROUTES = [Route("/sandbox/metrics", metrics)]
