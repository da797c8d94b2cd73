from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import demo.home
import pytest
from demo.errors import DemoError
from demo.home import Home
from demo.instance import Instance
from demo.report import Progress

if TYPE_CHECKING:
    from pathlib import Path


def test_a_port_that_another_program_takes_while_the_sandbox_starts_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.home, "HOMES", tmp_path)
    monkeypatch.setitem(os.environ, "SANDBOX_PORT", "")
    instance = Instance(home := Home.create("run", fresh=True), Progress())
    try:
        with (
            socket.create_server(("127.0.0.1", home.ports.sandbox)),
            pytest.raises(
                DemoError, match=f"Another program has taken port {home.ports.sandbox} while sandbox started"
            ),
        ):
            instance.start()
    finally:
        instance.stop()
