"""The change of one tag, planned: how the tag came to show what it shows, and both sides as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.promotion.planning.rendering import inline_code, shorten_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.promotion.listing import Shown
    from artifactory_provider.promotion.planning.plan import Action, PlannedPromotion

_TITLES: Mapping[Action, str] = {
    "promote": "To change",
    "unchanged": "Unchanged",
    "conflict": "In conflict",
    "refused": "Refused now",
    "missing": "Missing",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a tag came to show what it shows, as far as that is known.

    :param source: what was promoted there, as its record says; nothing where no record says so.
    :param time: when, as text.
    """

    source: str = ""
    time: str = ""

    @classmethod
    def read(cls, shown: Shown | None, *, property_prefix: str = "promotion") -> Arrival:
        """Return what the record on a tag's manifest says; without one, when the tag was written.

        :param shown: what the tag shows, with its properties.
        :param property_prefix: the first part of the names of the properties that record promotions.
        """
        properties = (shown.properties if shown else None) or {}
        source, time = (
            readable(" ".join(properties.get(f"{property_prefix}.{name}", ()))) or "" for name in ("source", "time")
        )
        written = shown.updated.isoformat(timespec="seconds") if shown and shown.updated else ""
        return cls(source, time or written)


@dataclass(frozen=True, kw_only=True)
class ChangePlan:
    """A change that somebody may make, as far as the images tell.

    :param planned: the promotion that makes it.
    :param now: how the target tag came to show what it shows now.
    :param then: how the other image came to where it is taken from.
    """

    planned: PlannedPromotion
    now: Arrival
    then: Arrival


def render_change(plan: ChangePlan) -> str:
    """Return what a tag shows now and what it would show, as Markdown; nothing in a name can be markup.

    :param plan: the change.
    """
    planned, now, then = plan.planned, plan.now, plan.then
    current, digest = (shorten_digest(one) if one else "" for one in (planned.current, planned.source.digest))
    source = str(planned.source.unpinned())
    rows: Sequence[tuple[str, str, str]] = (
        ("digest", current or "nothing", digest),
        ("taken from", "", source),
        ("promoted from", now.source, "" if then.source == source else then.source),
        ("since", now.time, then.time),
    )
    lines = [f"| {name} | {_cell(before)} | {_cell(after)} |" for name, before, after in rows if before or after]
    parts = [
        f"**{_TITLES[planned.action]}: {inline_code(str(planned.target))}**",
        "\n".join(["| | it shows now | it would show |", "|---|---|---|", *lines]),
        *([inline_code(planned.reason)] if planned.reason else []),
    ]
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return inline_code(text) if text else "–"
