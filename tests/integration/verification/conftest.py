"""One image in the sandbox, something attached to it, and a check that is asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.integration.promotion.attaching import Pusher

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import verify_many

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.verification import Check, Verdict
    from artifactory_sandbox.pytest_plugin import RunningSandbox


@dataclass(frozen=True)
class Pushed:
    """An image under the tag `1` in `docker-dev`."""

    client: ArtifactoryClient
    reference: ImageReference
    digest: str
    pusher: Pusher

    async def ask(self, check: Check) -> Verdict:
        """Return the check's verdict on it."""
        async with Ledger(self.client) as ledger:
            [found] = await verify_many(ledger, [self.reference], [check])
        [(name, verdict)] = found.verdicts
        assert name == check.name
        assert verdict.state is found.state
        assert verdict.reason.isprintable()
        assert len(verdict.reason) <= 600
        return verdict


@pytest.fixture
def pushed(client: ArtifactoryClient, sandbox: RunningSandbox, image: str) -> Pushed:
    """An image that nothing is attached to."""
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    return Pushed(client, ImageReference("docker-dev", image, "1"), digest, Pusher(sandbox, f"docker-dev/{image}"))
