"""What promotions on demand would do with an image, as one look has found it; rules and people are asked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.board.findings import make_subject
from artifactory_provider.board.gates import is_told
from artifactory_provider.board.rows import find_obstacle
from artifactory_provider.board.states import GateState
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.change import Arrival, ChangePlan
from artifactory_provider.promotion.planning.plan import PlannedPromotion
from artifactory_provider.promotion.request import policy_for
from artifactory_provider.verification.asking import ask
from artifactory_provider.verification.verdicts import State, worst
from artifactory_provider.verification.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.board.stock import Stock
    from artifactory_provider.pipelines.model import Stage
    from artifactory_provider.promotion.planning.plan import Action
    from artifactory_provider.promotion.request import OnConflict
    from artifactory_provider.verification.check import Check
    from artifactory_provider.verification.evidence import Evidence
    from artifactory_provider.verification.verdicts import Verdict

_ACTIONS: Mapping[GateState, Action] = {
    GateState.NOTHING: "unchanged",
    GateState.READY: "promote",
    GateState.CONFLICT: "conflict",
    GateState.HELD: "refused",
    GateState.REJECTED: "refused",
}


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a run would do with one image and one target tag, before rules are asked.

    :param state: what stands in its way; ``ready`` where nothing that is known of the images does.
    :param reason: why, in a sentence.
    :param source: what would be promoted; None where it is not there.
    :param plan: the change; None where there is none.
    :param on_conflict: what it means to the run where the target tag shows another digest.
    """

    state: GateState
    reason: str = ""
    source: StandingTag | None = None
    plan: ChangePlan | None = None
    on_conflict: OnConflict = "fail"


def find_demands(
    stock: Stock, lower: Stage, upper: Stage, source: StandingTag | None, *, on_conflict: OnConflict | None
) -> list[Demand]:
    """Return what promotions of what stands in a stage to another one would do: one for each of its target tags.

    Where there is nothing to promote, or no target tag can be made of it, that is the only one.

    :param stock: what their repositories hold.
    :param lower: the stage that is promoted from.
    :param upper: the stage that is promoted to.
    :param source: what would be promoted; None where it is not there.
    :param on_conflict: what a target tag that shows another digest means; None for what the stage says of each.
    """
    for stage in (lower, upper):
        if not stock.knows(stage.repository):
            reason = f"{stage.repository} could not be looked at."
            return [Demand(state=GateState.UNKNOWN, reason=reason, source=source)]
    if source is None:
        return [Demand(state=GateState.NOTHING, reason=f"It does not stand in {lower.repository}.")]
    try:
        policies = upper.find_policies(source.place, created=source.created)
    except (InvalidPromotion, InvalidReference) as error:
        return [Demand(state=GateState.FAILED, reason=str(error), source=source)]
    return [
        _find_demand(stock, source, target, policy_for(on_conflict, target) if on_conflict else policy)
        for target, policy in policies.items()
    ]


def _find_demand(stock: Stock, source: StandingTag, target: ImageReference, on_conflict: OnConflict) -> Demand:
    state, reason = find_obstacle(stock, source.place, target, on_conflict, copy=True)
    plan = _plan(stock, source, target, state, reason)
    return Demand(state=state, reason=reason, source=source, plan=plan, on_conflict=on_conflict)


def _plan(stock: Stock, source: StandingTag, target: ImageReference, state: GateState, reason: str) -> ChangePlan:
    before = stock.shows(target)
    planned = PlannedPromotion(
        source=source.place,
        target=target,
        action=_ACTIONS[state],
        current=before.digest if before else None,
        reason=reason,
    )
    now, then = (Arrival.read(stock.shows(one)) for one in (target, source.place))
    return ChangePlan(planned=planned, now=now, then=then)


class ToldChecks:
    """Asks checks about an image as far as the look has brought what they read; the others are left to the run.

    :param source: the image.
    :param evidence: what may be read.
    """

    def __init__(self, source: StandingTag, evidence: Evidence) -> None:
        self._subject, self._evidence = make_subject(source), evidence
        self.left: list[str] = []
        """The names of the checks that are left to the run."""
        self.state = State.PASSED
        """What those that were asked come to."""

    async def __call__(self, source: ImageReference, checks: Sequence[Check], /) -> Verification:
        """Return what the checks say that can be asked.

        :param source: the image, pinned.
        :param checks: the checks.
        """
        told = [check for check in checks if is_told(check) and self._subject.arrived is not None]
        self.left = [check.name for check in checks if check not in told]
        verdicts: list[tuple[str, Verdict]] = []
        for check in told:
            [verdict] = await ask(check, self._evidence, [self._subject])
            verdicts.append((check.name, verdict))
        self.state = worst(verdict.state for _, verdict in verdicts) if verdicts else State.PASSED
        return Verification(source, self.state, tuple(one.reason for _, one in verdicts), tuple(verdicts))
