from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from demo.errors import DemoError
from demo.home import Home
from demo.instance import Instance
from demo.report import Progress

if TYPE_CHECKING:
    from pathlib import Path


class Stranger(BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_port_that_a_stranger_has_taken_since_it_was_chosen_is_not_taken_for_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.home.HOMES", tmp_path)
    home = Home.create("up", fresh=True)
    instance = Instance(home, Progress())
    with ThreadingHTTPServer(("127.0.0.1", home.ports.sandbox), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        try:
            with pytest.raises(DemoError, match=f"Another program has taken port {home.ports.sandbox}"):
                instance.start()
        finally:
            instance.stop()
            stranger.shutdown()
