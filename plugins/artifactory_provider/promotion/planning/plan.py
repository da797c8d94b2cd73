"""A plan: the promotions that a run would make, each with what is to be done about it. Plans are values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Mapping

Action = Literal["promote", "unchanged", "conflict", "refused", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPromotion:
    """One promotion, and what is to be done about it.

    :param source: repository, image and tag, with the digest that the tag showed; without one where it is missing.
    :param target: repository, image and tag.
    :param action: ``promote``; ``unchanged`` where the target shows the digest already; ``conflict`` where it shows
        another one and may not be overwritten; ``refused`` where a hold, a rejection or a rule forbids it now;
        ``missing`` where the source tag does not exist.
    :param current: the digest that the target tag shows, if it shows one.
    :param reason: why, in a few words, where the action alone does not say it.
    """

    source: ImageReference
    target: ImageReference
    action: Action
    current: str | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "action": self.action,
            "current": self.current,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> PlannedPromotion:
        """Read what ``as_dict`` has written.

        :raises InvalidReference: when source or target is no image reference.
        :raises KeyError: when a field is missing.
        """
        return cls(
            source=ImageReference.parse(document["source"]),
            target=ImageReference.parse(document["target"]),
            action=document["action"],
            current=document.get("current"),
            reason=document.get("reason") or "",
        )


@dataclass(frozen=True)
class Plan:
    """The promotions of one run, ordered by target.

    :param promotions: the promotions; no two have the same target.
    """

    promotions: tuple[PlannedPromotion, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many promotions there are of each action, all actions named."""
        found = Counter(promotion.action for promotion in self.promotions)
        return {action: found[action] for action in get_args(Action)}

    def to_promote(self) -> tuple[PlannedPromotion, ...]:
        """Return the promotions that are left to make."""
        return tuple(promotion for promotion in self.promotions if promotion.action == "promote")
