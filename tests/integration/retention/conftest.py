"""A sandbox of their own, and a client that asks it without a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.conftest import SANDBOX

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox without what other tests have left: retention looks at whole repositories."""
    return artifactory_sandbox_factory(SANDBOX)


@pytest.fixture
async def direct(sandbox: RunningSandbox) -> AsyncIterator[ArtifactoryClient]:
    """An administrator's client that asks the sandbox itself."""
    settings = ServerSettings(
        base_url=sandbox.url, authentication=Basic("admin", sandbox.password), longest_pause=0.01, verify=False
    )
    async with ArtifactoryClient(settings) as client:
        yield client
