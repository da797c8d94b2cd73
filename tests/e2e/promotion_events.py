"""Who hears of every promotion that the sandbox makes: one event for each, told in their order."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.e2e.conftest import until

from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

LAST = ImageReference("docker-staging", "last/image", "1")
"""A tag of which one more promotion can be made."""
_SUBSCRIPTIONS = "/event/api/v1/subscriptions"


class Receiver(ThreadingHTTPServer):
    """Counts the promotions into a repository, by repository, image and tag of their target.

    :param sandbox: a client of the sandbox.
    :param target: the repository.
    """

    daemon_threads = True

    def __init__(self, sandbox: httpx.Client, target: str) -> None:
        self.promoted: Counter[tuple[str, str, str]] = Counter()
        self._sandbox, self._target = sandbox, target
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def final(self) -> dict[tuple[str, str, str], int]:
        """How often each tag was promoted to; those that wait for their verification are left out."""
        return {key: count for key, count in self.promoted.items() if not key[2].startswith("pending-")}

    def wait_until_all_are_told(self) -> None:
        """Wait for the event of one more promotion, of ``LAST``, which has to be there: it is told after all others."""
        last = (self._target, LAST.image, str(LAST.tag))
        body = {"targetRepo": self._target, "dockerRepository": LAST.image, "tag": LAST.tag, "copy": True}
        path = f"/artifactory/api/docker/{LAST.repository}/v2/promote"
        self._sandbox.post(path, json=body).raise_for_status()
        until(lambda: self.promoted[last] == 1, seconds=120)
        del self.promoted[last]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        assert isinstance(self.server, Receiver)
        self.server.promoted[data["repo_key"], data["image_name"], data["tag"]] += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def receiving(sandbox: httpx.Client, target: str) -> Iterator[Receiver]:
    """Hear of every promotion into a repository.

    :param sandbox: a client of the sandbox.
    :param target: the repository.
    """
    with Receiver(sandbox, target) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        subscription = {
            "key": "promotion-events",
            "enabled": True,
            "event_filter": {"domain": "docker", "event_types": ["promoted"], "criteria": {"repoKeys": [target]}},
            "handlers": [{"handler_type": "webhook", "url": f"http://127.0.0.1:{receiver.server_port}/"}],
        }
        sandbox.post(_SUBSCRIPTIONS, json=subscription).raise_for_status()
        yield receiver
        sandbox.delete(f"{_SUBSCRIPTIONS}/promotion-events")
        receiver.shutdown()
