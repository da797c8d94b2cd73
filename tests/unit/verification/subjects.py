"""Digests to ask checks about that need no server, and checks that say what they are told to say."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.manifests import OCI_MANIFEST, Descriptor
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.artifactory.settings import ServerSettings
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import Check, Evidence, State, Subject, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
DIGEST = f"sha256:{'1' * 64}"


def make_evidence() -> Evidence:
    """Return evidence of a look on which no server is asked: there is none."""
    return Evidence(Ledger(ArtifactoryClient(ServerSettings(base_url="http://127.0.0.1:9"))), now=NOW)


def make_subject(
    properties: Mapping[str, Sequence[str]] | None = None, *, arrived: datetime.datetime | None = None, tag: str = "1"
) -> Subject:
    """Return a digest with the properties of its manifest."""
    reference = ImageReference("docker-dev", "team/app", tag, DIGEST)
    values = {name: tuple(values) for name, values in (properties or {}).items()}
    return Subject(reference, Descriptor(DIGEST, OCI_MANIFEST), arrived or NOW, values)


@dataclass(frozen=True)
class Says(Check):
    """A check that says the same of everything."""

    state: str
    reason: str = "So it is."
    name: str = "says"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        return [Verdict(State(self.state), self.reason)] * len(subjects)
