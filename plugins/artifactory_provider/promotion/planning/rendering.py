"""A plan as people and programs read it: table, CSV, JSON, Markdown."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import get_args

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.plan import Action, Plan, PlannedPromotion

COLUMNS = ("action", "source", "target", "digest", "current", "reason")
_ACTIONS: tuple[Action, ...] = get_args(Action)
_PROBLEMS: tuple[Action, ...] = ("conflict", "refused", "missing")
_HEADINGS = {
    "conflict": "Conflicts: the target tag shows another digest",
    "refused": "Refused: a hold, a rejection or a rule forbids it now",
    "missing": "Missing: the source tag does not exist",
    "promote": "To promote",
    "unchanged": "Unchanged",
}
_LONGEST_CELL = 300
_HARMLESS = str.maketrans({"`": "'", "<": "(", ">": ")", "|": "¦", "&": "+", "\\": "/", "[": "(", "]": ")"})


def as_table(plan: Plan, limit: int | None = None) -> str:
    """Return the plan as a text table with one line a promotion.

    :param plan: the plan.
    :param limit: how many lines there are at most; None for all.
    """
    shown = plan.promotions[:limit]
    rows = [("ACTION", "SOURCE", "TARGET", "NOW", "REASON"), *(_row(promotion) for promotion in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *_more(len(plan.promotions) - len(shown)), headline(plan)])


def as_csv(plan: Plan) -> str:
    """Return the plan as CSV with a header; no cell is taken for a formula by a spreadsheet.

    :param plan: the plan.
    """
    return write_csv(
        COLUMNS,
        (
            (one.action, one.source.unpinned(), one.target, one.source.digest, one.current, one.reason)
            for one in plan.promotions
        ),
    )


def as_json(plan: Plan) -> str:
    """Return the plan as a JSON document.

    :param plan: the plan.
    """
    return json.dumps({"counts": plan.counts, "promotions": [promotion.as_dict() for promotion in plan.promotions]})


def from_json(text: str) -> Plan:
    """Read what ``as_json`` has written.

    :param text: a JSON document.
    :raises InvalidPlan: when it is no plan.
    """
    try:
        promotions = tuple(PlannedPromotion.from_dict(promotion) for promotion in json.loads(text)["promotions"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidReference) as error:
        raise InvalidPlan(
            f"That is no plan: {type(error).__name__}: {error}. A plan is what as_json() writes."
        ) from error
    if unknown := {str(promotion.action) for promotion in promotions} - set(_ACTIONS):
        raise InvalidPlan(f"That is no plan: {', '.join(sorted(unknown))!r:.120} is none of {', '.join(_ACTIONS)}.")
    if len({promotion.target for promotion in promotions}) < len(promotions):
        raise InvalidPlan("That is no plan: two promotions have one target.")
    return Plan(promotions)


def render_plan(plan: Plan, limit: int = 50) -> str:
    """Return a summary of the plan that a person reads: counts, images, problems first, then examples.

    No name and no reason can be taken for Markdown or HTML.

    :param plan: the plan.
    :param limit: how many images, problems and examples are shown at most, each.
    """
    parts = [f"**{headline(plan)}**", _images_table(plan, limit)]
    for action in (*_PROBLEMS, "promote", "unchanged"):
        chosen = [promotion for promotion in plan.promotions if promotion.action == action]
        # What is left as it is needs fewer examples.
        most = limit if action != "unchanged" else min(limit, 5)
        if chosen:
            lines = [_line(promotion) for promotion in chosen[:most]]
            parts.append("\n".join([f"### {_HEADINGS[action]}", "", *lines, *_more(len(chosen) - len(lines), "- ")]))
    return "\n\n".join(parts)


def headline(plan: Plan) -> str:
    """Return how many promotions there are of each action, in one line.

    :param plan: the plan.
    """
    counts = ", ".join(f"{count:,} {action}" for action, count in plan.counts.items())
    number = len(plan.promotions)
    return f"{number:,} promotion{'' if number == 1 else 's'}: {counts}"


def _images_table(plan: Plan, limit: int) -> str:
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for promotion in plan.promotions:
        source, target = (f"{one.repository}/{one.image}" for one in (promotion.source, promotion.target))
        counts[source, target][promotion.action] += 1
    # Images with problems come first, then those with most to do.
    ordered = sorted(counts.items(), key=lambda entry: [-entry[1][action] for action in (*_PROBLEMS, "promote")])
    rows = [
        f"| {inline_code(source)} | {inline_code(target)} | {' | '.join(str(found[action]) for action in _ACTIONS)} |"
        for (source, target), found in ordered[:limit]
    ]
    header = [f"| image | becomes | {' | '.join(_ACTIONS)} |", f"|---|---|{'---:|' * len(_ACTIONS)}"]
    more = [f"\n… and {len(counts) - limit:,} more images"] if len(counts) > limit else []
    return "\n".join([*header, *rows, *more])


def _line(promotion: PlannedPromotion) -> str:
    source, target = promotion.source.unpinned(), promotion.target
    digest, current = promotion.source.digest, promotion.current
    shown = f" {inline_code(shorten_digest(digest))}" if digest else ""
    now = f", which shows {inline_code(shorten_digest(current))}" if current and current != digest else ""
    reason = f": {inline_code(promotion.reason)}" if promotion.reason else ""
    return f"- {inline_code(str(source))}{shown} → {inline_code(str(target))}{now}{reason}"


def _row(promotion: PlannedPromotion) -> tuple[str, ...]:
    source, current = promotion.source, promotion.current
    digest = f"@{shorten_digest(source.digest)}" if source.digest else ""
    cells = (
        promotion.action,
        f"{source.unpinned()}{digest}",
        str(promotion.target),
        shorten_digest(current) if current and current != source.digest else "",
        promotion.reason,
    )
    return tuple(" ".join(cell.split())[:_LONGEST_CELL] for cell in cells)


def shorten_digest(digest: str | None) -> str:
    """Return a digest as people compare it: 12 of its 64 digits.

    :param digest: the digest; None is shown as such.
    """
    return str(digest)[:19]


def inline_code(text: str) -> str:
    """Return text as inline code that nothing in it can end.

    :param text: anything that outsiders wrote.
    """
    return f"`{' '.join(text.split()).translate(_HARMLESS)[:_LONGEST_CELL] or ' '}`"


def _more(number: int, bullet: str = "") -> list[str]:
    return [f"{bullet}… and {number:,} more"] if number > 0 else []
