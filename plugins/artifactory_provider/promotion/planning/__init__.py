"""Which promotions a run would make: chosen by patterns, compared with what both sides show, before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.promotion.planning.criteria import TagCriteria
    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
    from artifactory_provider.promotion.planning.planner import make_plan
    from artifactory_provider.promotion.planning.rendering import as_csv, as_json, as_table, from_json, render_plan
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "criteria": ("TagCriteria",),
            "patterns": ("Patterns",),
            "plan": ("Plan", "PlannedPromotion"),
            "planner": ("make_plan",),
            "rendering": ("as_csv", "as_json", "as_table", "from_json", "render_plan"),
        },
    )

__all__ = [
    "Patterns",
    "Plan",
    "PlannedPromotion",
    "TagCriteria",
    "as_csv",
    "as_json",
    "as_table",
    "from_json",
    "make_plan",
    "render_plan",
]
