"""A plan of what goes: each tag whose time has come, with what is to be done about it, and why. Plans are values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.rules import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_provider.retention.rules import Kind

Action = Literal["delete", "keep", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDeletion:
    """One tag whose time has come by the rules.

    :param tag: repository, image and tag, with the digest that it showed.
    :param kind: what kind of tag it is.
    :param action: ``delete``; ``keep`` where something needs it still; ``refused`` where a stop or the policy forbids
        it now.
    :param reason: why, in words.
    """

    tag: ImageReference
    kind: Kind
    action: Action
    reason: str

    @property
    def change(self) -> Change:
        """The change of the tag that its deletion is, for those who may refuse it."""
        return Change(self.tag, self.tag.unpinned())

    def as_dict(self) -> dict[str, str]:
        """Return it as a JSON object: the change that people may be asked about, and why."""
        change = self.change
        ends = {"source": str(change.source), "target": str(change.target)}
        return {**ends, "kind": self.kind, "action": self.action, "reason": self.reason}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> PlannedDeletion:
        """Read what ``as_dict`` has written.

        :raises InvalidReference: when the tag is no image reference.
        :raises KeyError: when a field is missing.
        """
        tag = ImageReference.parse(document["source"])
        return cls(tag=tag, kind=document["kind"], action=document["action"], reason=document["reason"])


@dataclass(frozen=True)
class RetentionPlan:
    """What a run would delete: tags before what belongs to them, and earlier stages before later ones.

    :param deletions: the tags whose time has come.
    :param seen: how many tags were looked at.
    """

    deletions: tuple[PlannedDeletion, ...]
    seen: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each action, all actions named."""
        found = Counter(one.action for one in self.deletions)
        return {action: found[action] for action in get_args(Action)}

    def to_delete(self) -> tuple[PlannedDeletion, ...]:
        """Return those that are to go."""
        return tuple(one for one in self.deletions if one.action == "delete")
