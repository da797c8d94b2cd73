"""A check of one's own: whether an image was built from a branch that may be released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.verification import Check, Evidence, State, Subject, Verdict, ask_each

if TYPE_CHECKING:
    from collections.abc import Sequence

LABEL = "docker.label.org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class BranchCheck(Check):
    """Whether the label ``org.opencontainers.image.ref.name`` names one of some branches.

    :param branches: the branches.
    """

    branches: tuple[str, ...] = ("main",)

    @property
    def name(self) -> str:
        """What it is called in records."""
        return "branch"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Read the label of each image; Artifactory keeps it as a property of the manifest."""

        async def ask(subject: Subject) -> Verdict:
            properties = await evidence.properties(subject)
            found = properties.get(LABEL, ())
            if len(found) == 1 and found[0] in self.branches:
                return Verdict(State.PASSED, f"It was built from {found[0]}.", value=found[0])
            named = ", ".join(found) or "no branch that it names"
            return Verdict(State.FAILED, f"It was built from {named}, and not from {' or '.join(self.branches)}.")

        return await ask_each(subjects, ask)
