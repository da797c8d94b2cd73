"""What these tests share besides the provider's own fixtures: a client without a gateway, for faults of the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.dev_to_qa import TRANSIT

from artifactory_provider.artifactory.authentication import Basic
from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture
def faulty(sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The sandbox, for a test that sets faults: they are taken back at its end."""
    yield sandbox
    sandbox.clear_faults()


@pytest.fixture
def reach(sandbox: RunningSandbox) -> Callable[..., ArtifactoryClient]:
    """Make a client that asks the sandbox itself; it has to be opened."""

    def make(url: str = "", **changes: Any) -> ArtifactoryClient:
        fields: dict[str, Any] = {
            "base_url": url or sandbox.url,
            "authentication": Basic("admin", sandbox.password),
            "attempts": 2,
            "longest_pause": 0.01,
            "verify": False,
        }
        return ArtifactoryClient(ServerSettings(**{**fields, **changes}))

    return make


@pytest.fixture
async def direct(reach: Callable[..., ArtifactoryClient]) -> AsyncIterator[ArtifactoryClient]:
    """An administrator's client that asks the sandbox itself."""
    async with reach() as client:
        yield client


@pytest.fixture(params=["queries answered", "queries refused"])
def queries(request: pytest.FixtureRequest, faulty: RunningSandbox) -> str:
    """Both ways of looking: with AQL, and where the server refuses it."""
    mode: str = request.param
    if mode == "queries refused":
        faulty.add_fault("status", path="*/api/search/aql", status=403)
    return mode


@pytest.fixture(params=["pending in the target", "pending in transit"])
def transit(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Both places where images wait, as options: the target's repository, and one of its own."""
    return {"pending_repository": TRANSIT} if "transit" in request.param else {}
