"""What has changed from one plan to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion


@dataclass(frozen=True)
class PlanDifferences:
    """What differs between two plans, each in the order of the targets.

    :param added: the promotions to targets that only the new plan has.
    :param removed: the promotions to targets that only the old plan has.
    :param changed: the old and the new promotion to one target, where source, digest, action or what stands there
        differs.
    """

    added: tuple[PlannedPromotion, ...]
    removed: tuple[PlannedPromotion, ...]
    changed: tuple[tuple[PlannedPromotion, PlannedPromotion], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def as_text(self) -> str:
        """Return one line for each: ``+`` added, ``-`` removed, ``~`` changed."""
        lines = [f"+ {_described(promotion)}" for promotion in self.added]
        lines += [f"- {_described(promotion)}" for promotion in self.removed]
        lines += [f"~ {old.target}: {_state(old)} is now {_state(new)}" for old, new in self.changed]
        return "\n".join(lines) or "The plans are the same."


def differences(old: Plan, new: Plan) -> PlanDifferences:
    """Compare two plans, target by target.

    :param old: the plan that was made first.
    :param new: the plan that was made later.
    """
    before, after = ({one.target: one for one in plan.promotions} for plan in (old, new))
    return PlanDifferences(
        added=tuple(one for target, one in after.items() if target not in before),
        removed=tuple(one for target, one in before.items() if target not in after),
        changed=tuple((before[target], one) for target, one in after.items() if before.get(target, one) != one),
    )


def _described(promotion: PlannedPromotion) -> str:
    return f"{promotion.target}: {_state(promotion)}"


def _state(promotion: PlannedPromotion) -> str:
    now = f", {promotion.current[:19]} there" if promotion.current else ""
    reason = f", {promotion.reason}" if promotion.reason else ""
    digest = f"@{promotion.source.digest[:19]}" if promotion.source.digest else ""
    return f"{promotion.action} {promotion.source.unpinned()}{digest}{now}{reason}"
