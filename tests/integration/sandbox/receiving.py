"""A receiver of webhooks over real HTTP, and subscriptions to send it some."""

from __future__ import annotations

import json
import queue
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SUBSCRIPTIONS = "/event/api/v1/subscriptions"
SOON = 20


class Delivery(NamedTuple):
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


class Receiver(ThreadingHTTPServer):
    """Takes deliveries; answers with the given statuses first, and 200 from then on."""

    daemon_threads = True

    def __init__(self, port: int = 0, statuses: tuple[int, ...] = ()) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.statuses = list(statuses)
        self.is_endless = False
        self.deliveries: queue.Queue[Delivery] = queue.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def next(self) -> Delivery:
        return self.deliveries.get(timeout=SOON)

    def tags(self, count: int) -> list[str]:
        return [self.next().event["data"]["tag"] for _ in range(count)]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", str(2**40 if self.server.is_endless else 0))
        self.end_headers()
        self.server.deliveries.put(Delivery({key.lower(): value for key, value in self.headers.items()}, body))
        with suppress(OSError):
            while self.server.is_endless:
                self.wfile.write(b"x" * 65_536)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def receiving(port: int = 0, statuses: tuple[int, ...] = ()) -> Iterator[Receiver]:
    with Receiver(port, statuses) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def subscription(url: str, *, key: str = "mine", criteria: Any = None, handler: Any = None, **changes: Any) -> Any:
    return {
        "key": key,
        "description": "a test's",
        "enabled": True,
        "event_filter": {
            "domain": "docker",
            "event_types": ["pushed", "deleted", "promoted"],
            "criteria": criteria or {"anyLocal": True},
        },
        "handlers": [{"handler_type": "webhook", "url": url, **(handler or {})}],
    } | changes


def subscribe(client: httpx.Client, *arguments: Any, **keywords: Any) -> None:
    response = client.post(SUBSCRIPTIONS, json=subscription(*arguments, **keywords))
    assert response.status_code == 201, response.text
