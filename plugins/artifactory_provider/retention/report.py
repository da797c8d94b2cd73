"""What became of the tags that were to go, as people and programs read it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.retention.rules import Kind

Outcome = Literal["deleted", "moved", "restored", "gone", "left", "refused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionResult:
    """What became of one tag.

    :param tag: repository, image and tag, with the digest that was planned.
    :param kind: what kind of tag it is.
    :param outcome: ``deleted``; ``moved`` to the attic; ``restored`` from it; ``gone`` where it was not there any more;
        ``left`` where something had come to need it, or it showed another digest; ``refused`` where a stop, a policy or
        an approval did not allow it; ``failed``.
    :param reason: why, in words, where the outcome alone does not say it.
    :param error: why it failed.
    """

    tag: ImageReference
    kind: Kind
    outcome: Outcome
    reason: str = ""
    error: Exception | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"tag": str(self.tag), "kind": self.kind, "outcome": self.outcome, "reason": self.reason}


@dataclass(frozen=True)
class RetentionReport:
    """What became of many tags.

    :param results: one for each tag, in the order of the plan.
    """

    results: tuple[DeletionResult, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each outcome, all outcomes named."""
        found = Counter(result.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in get_args(Outcome)}

    @property
    def failures(self) -> tuple[DeletionResult, ...]:
        """Those that failed."""
        return tuple(result for result in self.results if result.outcome == "failed")
