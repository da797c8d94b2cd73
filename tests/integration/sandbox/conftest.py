"""Clients of a sandbox, as tests of it use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from tests.integration.sandbox.receiving import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sandbox.receiving import Receiver

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture
def client(artifactory_sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """An administrator's HTTP client at the sandbox's base URL."""
    credentials = (artifactory_sandbox.username, artifactory_sandbox.password)
    with httpx.Client(base_url=artifactory_sandbox.url, auth=credentials) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks that takes all of them."""
    with receiving() as receiver:
        yield receiver
