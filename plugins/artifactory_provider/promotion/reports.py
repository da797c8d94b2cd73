"""What became of many promotions: of a batch, and of all chunks of a run, as people and programs read it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from artifactory_provider.promotion.csv_text import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.record import PromotionRecord

_COLUMNS = ("source", "target", "digest", "outcome", "replaced", "attachments", "error")
Outcome = Literal["promoted", "unchanged", "failed"]

_COUNTS: tuple[Outcome, ...] = get_args(Outcome)
_FAILURES_KEPT = 20
_LONGEST_REASON = 300
_CHUNKS_SHOWN = 50
_MARKUP = re.compile(r"([!\"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionResult:
    """What became of one promotion among many.

    :param source: its source, with the digest where that is known.
    :param target: its target.
    :param record: its record, where it ended well.
    :param error: why it failed.
    """

    source: ImageReference
    target: ImageReference
    record: PromotionRecord | None = None
    error: Exception | None = None

    @property
    def outcome(self) -> Outcome:
        """``promoted``, ``unchanged`` or ``failed``."""
        return self.record.outcome if self.record else "failed"

    @property
    def replaced(self) -> str | None:
        """The digest that the target tag showed before and no longer shows, if there was one."""
        return self.record.replaced if self.record else None

    @property
    def attachments(self) -> int:
        """How many attachments were found to belong to it."""
        return len(self.record.attachments) if self.record else 0

    @property
    def reason(self) -> str:
        """Why it failed, in words."""
        return str(self.error) or type(self.error).__name__

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "digest": self.source.digest,
            "outcome": self.outcome,
            "replaced": self.replaced,
            "attachments": self.attachments,
            "error": str(self.error) if self.error else None,
        }


@dataclass(frozen=True)
class PromotionReport:
    """What became of many promotions.

    :param results: one for each promotion, in their order.
    """

    results: tuple[PromotionResult, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many were promoted, unchanged and failed, all three named."""
        found = Counter(result.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in _COUNTS}

    @property
    def failures(self) -> tuple[PromotionResult, ...]:
        """Those that failed."""
        return tuple(result for result in self.results if result.outcome == "failed")

    @property
    def records(self) -> tuple[PromotionRecord, ...]:
        """The records of those that ended well."""
        return tuple(result.record for result in self.results if result.record is not None)

    def as_dict(self) -> dict[str, Any]:
        """Return the records as a JSON object, with what they come to."""
        is_promoted = any(record.outcome == "promoted" for record in self.records)
        return {
            "outcome": "promoted" if is_promoted else "unchanged",
            "promotions": [record.as_dict() for record in self.records],
        }

    def write_csv(self, file: TextIO) -> None:
        """Write all results as CSV, with a header; no cell is taken for a formula by a spreadsheet.

        :param file: an open text file.
        """
        rows = (result.as_dict() for result in self.results)
        file.write(write_csv(_COLUMNS, ([row[name] for name in _COLUMNS] for row in rows)))


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
class ChunkOutcome:
    """What became of one chunk, small enough to hand to the next task.

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
    def of(cls, report: PromotionReport, *, key: str, name: str) -> ChunkOutcome:
        """Return what a report comes to.

        :param report: what became of the chunk's promotions.
        :param key: the chunk's key.
        :param name: what a person reads.
        """
        failures = tuple(
            Failure(source=str(each.source), target=str(each.target), reason=_shorten(each.reason))
            for each in report.failures[:_FAILURES_KEPT]
        )
        return cls(key=key, name=name, counts=report.counts, failures=failures)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        failures = [{"source": each.source, "target": each.target, "reason": each.reason} for each in self.failures]
        return {"key": self.key, "name": self.name, "counts": dict(self.counts), "failures": failures}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ChunkOutcome:
        """Read what ``as_dict`` has written."""
        failures = tuple(Failure(**each) for each in document["failures"])
        return cls(key=document["key"], name=document["name"], counts=document["counts"], failures=failures)


def sum_counts(outcomes: Sequence[ChunkOutcome]) -> dict[str, int]:
    """Return how many were promoted, unchanged and failed in all.

    :param outcomes: of the chunks.
    """
    return {count: sum(outcome.counts.get(count, 0) for outcome in outcomes) for count in _COUNTS}


def render_report(
    outcomes: Sequence[ChunkOutcome],
    *,
    counts: Mapping[str, int],
    lost: Sequence[str] = (),
    limit: int = 50,
) -> str:
    """Return the report of a run as Markdown: headline, failures first, then the chunks.

    Names and reasons are escaped, so that none of them can be markup.

    :param outcomes: what became of each chunk.
    :param counts: how many promotions of each action the plan had.
    :param lost: the names of the chunks that have told nothing.
    :param limit: how many failures are listed at most.
    """
    made = sum_counts(outcomes)
    headline = (
        f"**{made['promoted']:,} promoted, {made['unchanged']:,} found unchanged, {made['failed']:,} failed** "
        f"in {len(outcomes):,} of {len(outcomes) + len(lost):,} chunks."
    )
    planned = (
        f"The plan had {counts['promote']:,} to promote, {counts['unchanged']:,} unchanged, "
        f"{counts['conflict']:,} in conflict and {counts['missing']:,} missing."
    )
    lines = [
        headline,
        "",
        planned,
        "",
        *_render_lost(lost),
        *_render_failures(outcomes, made["failed"], limit),
        *_render_chunks(outcomes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def escape_markdown(text: str) -> str:
    """Return a text in one line that Markdown shows as it is.

    :param text: any text.
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _render_lost(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield "### Chunks that have told nothing"
        yield ""
        yield from (f"- {escape_markdown(name)}: see its task's log, then clear it" for name in names[:_CHUNKS_SHOWN])
        if len(names) > _CHUNKS_SHOWN:
            yield f"- … and {len(names) - _CHUNKS_SHOWN:,} more"
        yield ""


def _render_failures(outcomes: Sequence[ChunkOutcome], failed: int, limit: int) -> Iterator[str]:
    failures = [failure for outcome in outcomes for failure in outcome.failures][:limit]
    if failures:
        yield "### Failed"
        yield ""
        yield "| Source | Target | Why |"
        yield "| --- | --- | --- |"
        yield from map(_render_failure, failures)
        yield ""
    if failed > len(failures):
        yield f"… and {failed - len(failures):,} more: the logs and the full reports of the chunks name them."
        yield ""


def _render_failure(failure: Failure) -> str:
    source = failure.source.partition("@")[0]
    return f"| {' | '.join(map(escape_markdown, (source, failure.target, failure.reason)))} |"


def _render_chunks(outcomes: Sequence[ChunkOutcome]) -> Iterator[str]:
    if outcomes:
        yield "### Chunks"
        yield ""
        yield "| Chunk | Promoted | Unchanged | Failed |"
        yield "| --- | ---: | ---: | ---: |"
        for outcome in outcomes[:_CHUNKS_SHOWN]:
            numbers = (outcome.counts.get(count, 0) for count in _COUNTS)
            yield f"| {escape_markdown(outcome.name)} | {' | '.join(f'{number:,}' for number in numbers)} |"
        yield ""
    if len(outcomes) > _CHUNKS_SHOWN:
        yield f"… and {len(outcomes) - _CHUNKS_SHOWN:,} more chunks."


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
