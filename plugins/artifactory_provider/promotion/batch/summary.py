"""What all chunks of a run came to, as Markdown that a person reads in the Airflow UI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from artifactory_provider.promotion.batch.outcome import total

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from artifactory_provider.promotion.batch.outcome import Failure, Outcome

_MARKUP = re.compile(r"([!\"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~-])")
_MOST_CHUNKS = 50


def as_markdown(
    outcomes: Sequence[Outcome],
    *,
    counts: Mapping[str, int],
    lost: Sequence[str] = (),
    limit: int = 50,
) -> str:
    """Return the report of a run: headline, failures first, then the chunks.

    Names and reasons are escaped, so that none of them can be markup.

    :param outcomes: what became of each chunk.
    :param counts: how many promotions of each action the plan had.
    :param lost: the names of the chunks that have told nothing.
    :param limit: how many failures are listed at most.
    """
    made = total(outcomes)
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
        *_lost(lost),
        *_failures(outcomes, made["failed"], limit),
        *_chunks(outcomes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """Return a text in one line that Markdown shows as it is.

    :param text: any text.
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _lost(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield "### Chunks that have told nothing"
        yield ""
        yield from (f"- {plain(name)}: see its task's log, then clear it" for name in names[:_MOST_CHUNKS])
        if len(names) > _MOST_CHUNKS:
            yield f"- … and {len(names) - _MOST_CHUNKS:,} more"
        yield ""


def _failures(outcomes: Sequence[Outcome], failed: int, limit: int) -> Iterator[str]:
    failures = [failure for outcome in outcomes for failure in outcome.failures][:limit]
    if failures:
        yield "### Failed"
        yield ""
        yield "| Source | Target | Why |"
        yield "| --- | --- | --- |"
        yield from map(_failure, failures)
        yield ""
    if failed > len(failures):
        yield f"… and {failed - len(failures):,} more: the logs and the full reports of the chunks name them."
        yield ""


def _failure(failure: Failure) -> str:
    return f"| {plain(_unpinned(failure.source))} | {plain(failure.target)} | {plain(failure.reason)} |"


def _unpinned(reference: str) -> str:
    return reference.partition("@")[0]


def _chunks(outcomes: Sequence[Outcome]) -> Iterator[str]:
    if outcomes:
        yield "### Chunks"
        yield ""
        yield "| Chunk | Promoted | Unchanged | Failed |"
        yield "| --- | ---: | ---: | ---: |"
        for outcome in outcomes[:_MOST_CHUNKS]:
            numbers = (outcome.counts.get(count, 0) for count in ("promoted", "unchanged", "failed"))
            yield f"| {plain(outcome.name)} | {' | '.join(f'{number:,}' for number in numbers)} |"
        yield ""
    if len(outcomes) > _MOST_CHUNKS:
        yield f"… and {len(outcomes) - _MOST_CHUNKS:,} more chunks."
