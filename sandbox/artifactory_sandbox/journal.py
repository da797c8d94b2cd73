"""What the sandbox remembers of the requests that it has answered, and tells of them: the last ones, counts of all."""

from __future__ import annotations

import json
import logging
import resource
from collections import Counter, defaultdict, deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path

_log = logging.getLogger(__name__)
_REMEMBERED = 10_000
_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Record:
    """One request and how it was answered; no header and no body, so no secret.

    The texts that clients choose are cut, so that remembering many requests takes a bounded memory.

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

    def add(self, record: Record) -> None:
        """Remember a request as it is answered."""
        cut = {name: getattr(record, name)[:_LONGEST_TEXT] for name in ("path", "query", "user")}
        record = replace(record, **cut)
        self._counts[record.method, record.route, record.status] += 1
        self._seconds[record.route] += record.seconds
        if record.path.removeprefix("/artifactory").startswith("/sandbox/"):
            return
        self.requests.append(record)
        # The query is left out: nothing that someone puts there by mistake must come to light.
        fields = {name: value for name, value in asdict(record).items() if name != "query"}
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
