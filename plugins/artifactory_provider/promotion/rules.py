"""What is asked at the one moment before a target tag changes: may this change be made now?

The protocol knows when to ask, and nothing of what the rules are: windows, stops and approvals stand in ``policy``,
which hands them in as ``Rules``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from artifactory_provider.promotion.errors import PromotionError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference


@dataclass(frozen=True, slots=True)
class Change:
    """A target tag that is to show another digest.

    :param source: repository, image and tag, with the digest that is promoted where it is known.
    :param target: repository, image and tag.
    """

    source: ImageReference
    target: ImageReference


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a change may not be made now.

    :param reason: a sentence, such as "docker-prod is frozen by the rule 'winter' (opens Monday 09:00, Europe/Berlin)."
    :param until: when it ends by itself; None where somebody has to end it, or it never ends.
    :param lifted_by: who can end it, and how: a sentence, or nothing where nobody can.
    """

    reason: str
    until: datetime.datetime | None = None
    lifted_by: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.reason, self.lifted_by)))


class Rules(Protocol):
    """What may refuse changes. It reads, and changes nothing."""

    async def find_refusals(self, changes: Sequence[Change]) -> Sequence[Refusal | None]:
        """Return for each change why it may not be made now, or None; one is a list of one.

        :param changes: the changes, in whatever number.
        """


class Refused(PromotionError):
    """A rule does not allow the promotion now; nothing was changed under the target tag.

    :param refusal: why, until when, and who can lift it.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
