"""A plan of what goes and what became of it, as people and programs read it: Markdown and CSV."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.promotion.planning.rendering import inline_code, shorten_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.retention.plan import Action, RetentionPlan
    from artifactory_provider.retention.report import Outcome, RetentionReport

_COLUMNS = ("action", "tag", "digest", "kind", "reason")
_HEADINGS: dict[Action, str] = {
    "delete": "To delete",
    "refused": "Refused: a stop or the policy forbids it now",
    "keep": "Kept, though their time has come",
}
_OUTCOMES: dict[Outcome, str] = {
    "failed": "Failed",
    "refused": "Refused: a stop, the policy or a missing approval forbids it now",
    "left": "Left, as something has come to need them since the plan",
    "gone": "Gone already",
    "moved": "Moved to the attic",
    "restored": "Brought back",
    "deleted": "Deleted",
}


def plan_headline(plan: RetentionPlan) -> str:
    """Return what a plan comes to, in one line.

    :param plan: the plan.
    """
    counts = plan.counts
    kept = f"{counts['keep']:,} kept though their time has come"
    refused = f", {counts['refused']:,} refused" if counts["refused"] else ""
    return f"{counts['delete']:,} of {plan.seen:,} tags to delete, {kept}{refused}"


def report_headline(report: RetentionReport) -> str:
    """Return what became of all tags, in one line.

    :param report: what became of them.
    """
    return ", ".join(f"{number:,} {outcome}" for outcome, number in report.counts.items() if number) or "nothing done"


def render_retention(plan: RetentionPlan, limit: int = 50) -> str:
    """Return a summary of a plan as Markdown: counts, repositories, examples. No name can be taken for Markdown.

    :param plan: the plan.
    :param limit: how many tags are shown of each action.
    """
    parts = [f"**{plan_headline(plan)}**"]
    if table := _render_counts(plan):
        parts.append(table)
    for action, heading in _HEADINGS.items():
        rows = [row for row in plan.deletions if row.action == action]
        parts += _render_list(heading, [(row.tag, row.reason) for row in rows], limit)
    return "\n\n".join(parts)


def render_deletions(report: RetentionReport, limit: int = 50) -> str:
    """Return what became of all tags as Markdown, what did not go first.

    :param report: what became of them.
    :param limit: how many tags are shown of each outcome.
    """
    parts = [f"**{report_headline(report)}.**"]
    for outcome, heading in _OUTCOMES.items():
        results = [one for one in report.results if one.outcome == outcome]
        parts += _render_list(heading, [(one.tag, one.reason) for one in results], limit)
    return "\n\n".join(parts) + "\n"


def plan_as_csv(plan: RetentionPlan) -> str:
    """Return a plan as CSV with a header; no cell is taken for a formula by a spreadsheet.

    :param plan: the plan.
    """
    return _as_csv([(row.action, row.tag, row.kind, row.reason) for row in plan.deletions])


def report_as_csv(report: RetentionReport) -> str:
    """Return what became of all tags as CSV with a header; no cell is taken for a formula by a spreadsheet.

    :param report: what became of them.
    """
    return _as_csv([(one.outcome, one.tag, one.kind, one.reason) for one in report.results])


def _as_csv(rows: Sequence[tuple[str, ImageReference, str, str]]) -> str:
    return write_csv(
        _COLUMNS, ((action, tag.unpinned(), tag.digest, kind, reason) for action, tag, kind, reason in rows)
    )


def _render_counts(plan: RetentionPlan) -> str:
    counts = Counter((row.tag.repository, row.kind, row.action) for row in plan.deletions)
    kinds = sorted({(repository, kind) for repository, kind, _ in counts})
    if not kinds:
        return ""
    rows = [
        f"| {inline_code(repository)} | {kind} | {counts[repository, kind, 'delete']:,} "
        f"| {counts[repository, kind, 'keep'] + counts[repository, kind, 'refused']:,} |"
        for repository, kind in kinds
    ]
    return "\n".join(["| Repository | Kind | To delete | Kept or refused |", "| --- | --- | ---: | ---: |", *rows])


def _render_list(heading: str, rows: Sequence[tuple[ImageReference, str]], limit: int) -> list[str]:
    if not rows:
        return []
    lines = [
        f"- {inline_code(str(tag.unpinned()))} {inline_code(shorten_digest(tag.digest))}: {inline_code(reason)}"
        for tag, reason in rows[:limit]
    ]
    more = [f"- … and {len(rows) - limit:,} more"] if len(rows) > limit else []
    return ["\n".join([f"### {heading}", "", *lines, *more])]
