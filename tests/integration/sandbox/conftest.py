"""Clients of a sandbox, as tests of it use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture
def client(artifactory_sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """An administrator's HTTP client at the sandbox's base URL."""
    credentials = (artifactory_sandbox.username, artifactory_sandbox.password)
    with httpx.Client(base_url=artifactory_sandbox.url, auth=credentials) as client:
        yield client
