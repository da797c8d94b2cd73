"""What the tests of notifications share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.notifications.receivers import MailServer, Webhook, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    with serving(server):
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    with serving(server):
        yield server


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the connection ``people``."""

    def make(**fields: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_PEOPLE", json.dumps({"conn_type": "http", **fields}))

    return make
