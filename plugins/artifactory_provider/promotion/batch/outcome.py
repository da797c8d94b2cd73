"""What became of one chunk, small enough to hand to the next task, and what all chunks of a run come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.promotion.errors import PromotionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.promotion.batch.batch import BatchReport, BatchResult

_MOST_FAILURES = 20
_LONGEST_REASON = 300


class PromotionsFailed(PromotionError):
    """Some promotions of a batch failed; all others were made.

    :param name: what the batch is called.
    :param report: what became of it.
    :param lasting: how many of the failures no other try can mend.
    """

    _SHOWN = 10

    def __init__(self, name: str, report: BatchReport, *, lasting: int) -> None:
        failures, total = report.failures, len(report.results)
        shown = "\n".join(f"  {each.source} → {each.target}: {_reason(each)}" for each in failures[: self._SHOWN])
        more = f"\n  … and {len(failures) - self._SHOWN} more" if len(failures) > self._SHOWN else ""
        advice = "Another try promotes what is left."
        if lasting:
            advice = (
                f"Another try cannot mend {lasting} of these: see to their reasons, then clear the task, which "
                "promotes what is left."
            )
        super().__init__(
            f"{len(failures)} of {total} promotions of {name} failed, the other {total - len(failures)} are done. "
            f"{advice}\n{shown}{more}"
        )


class BatchInterrupted(PromotionError):
    """A batch was asked to stop before its end.

    :param done: how many promotions had ended, as far as was told.
    :param total: how many there are.
    """

    def __init__(self, done: int, total: int) -> None:
        super().__init__(
            f"The task was asked to stop after {done:,} of {total:,} promotions: what was under way was brought to its "
            "end, and another try promotes what is left."
        )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One promotion that failed.

    :param source: its source, as text.
    :param target: its target, as text.
    :param reason: why, shortened.
    """

    source: str
    target: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one chunk.

    :param key: the chunk's key, or the task's id where there is no plan.
    :param name: what a person reads.
    :param counts: how many were promoted, unchanged and failed.
    :param failures: the first 20 that failed; ``counts`` counts all of them.
    """

    key: str
    name: str
    counts: Mapping[str, int]
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, report: BatchReport, *, key: str, name: str) -> Outcome:
        """Return what a report comes to.

        :param report: what became of the chunk's promotions.
        :param key: the chunk's key.
        :param name: what a person reads.
        """
        failures = tuple(
            Failure(source=str(each.source), target=str(each.target), reason=_shortened(_reason(each)))
            for each in report.failures[:_MOST_FAILURES]
        )
        return cls(key=key, name=name, counts=report.counts, failures=failures)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        failures = [{"source": each.source, "target": each.target, "reason": each.reason} for each in self.failures]
        return {"key": self.key, "name": self.name, "counts": dict(self.counts), "failures": failures}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Outcome:
        """Read what ``as_dict`` has written."""
        failures = tuple(Failure(**each) for each in document["failures"])
        return cls(key=document["key"], name=document["name"], counts=document["counts"], failures=failures)


def total(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many were promoted, unchanged and failed in all.

    :param outcomes: of the chunks.
    """
    return {
        count: sum(outcome.counts.get(count, 0) for outcome in outcomes)
        for count in ("promoted", "unchanged", "failed")
    }


def _reason(result: BatchResult) -> str:
    return str(result.error) or type(result.error).__name__


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
