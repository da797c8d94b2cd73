"""The change of one tag, before it is made: what the rules say of it, and what people have to be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from artifactory_provider.policy import ANYBODY, rule_as_dict
from artifactory_provider.policy.overrides import override_rule_as_dict
from artifactory_provider.promotion.planning.change import render_change
from artifactory_provider.promotion.planning.plan import Plan
from artifactory_provider.promotion.request import NOTHING
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import push_plan
from artifactory_provider.verification.outcomes import list_verdicts
from artifactory_provider.verification.verdicts import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.policy import ApprovalRule, OverrideRule
    from artifactory_provider.promotion.planning.change import ChangePlan
    from artifactory_provider.promotion.planning.plan import PlannedPromotion
    from artifactory_provider.promotion.rules import Refusal
    from artifactory_provider.tasks.rules import VariableRules
    from artifactory_provider.verification import Check
    from artifactory_provider.verification.verification import Verification

    class AskChecks(Protocol):
        """Who asks checks about an image: a run asks all that there is, a page what is known already."""

        async def __call__(self, source: ImageReference, checks: Sequence[Check], /) -> Verification:
            """Return what the checks say of an image.

            :param source: repository, image and tag, pinned.
            :param checks: the checks.
            """


@dataclass(frozen=True, kw_only=True)
class PlannedChange:
    """A change, as the rules let it be made now.

    :param plan: the change; its promotion is ``refused`` where the rules forbid it now.
    :param approvals: who has to approve it; None where nobody has to.
    :param override: who may set aside what refuses it; None where nothing does, or nobody may.
    :param verdicts: those of the checks that the rules require, as sensors hand them on.
    :param refusal: the rule that refuses it; None where none does, as where it has not passed its checks.
    """

    plan: ChangePlan
    approvals: ApprovalRule | None = None
    override: OverrideRule | None = None
    verdicts: Sequence[Mapping[str, Any]] = ()
    refusal: Refusal | None = None

    @property
    def planned(self) -> PlannedPromotion:
        """The promotion that makes it."""
        return self.plan.planned

    @property
    def may_be_made(self) -> bool:
        """Whether it is made now, or once somebody has set aside what refuses it."""
        return self.planned.action == "promote" or self.override is not None


async def ask_rules(plan: ChangePlan, rules: VariableRules, *, verify: AskChecks) -> PlannedChange:
    """Return what the rules say of a change now; nothing is asked of one that is not to be made.

    :param plan: the change.
    :param rules: the rules, before people were asked.
    :param verify: asks the checks that the rules require.
    :raises ContradictoryRules: when nobody could approve it.
    """
    planned = plan.planned
    if planned.action != "promote":
        return PlannedChange(plan=plan)
    change = Change(planned.source, planned.target)
    [refusal] = await rules.find_refusals([change])
    override = await rules.find_override(change) if refusal else None
    if refusal is not None:
        plan = _refuse(plan, str(refusal))
    if refusal is not None and override is None:
        return PlannedChange(plan=plan, refusal=refusal)
    verdicts: Sequence[Mapping[str, Any]] = ()
    if checks := rules.required_checks(planned.target):
        found = await verify(planned.source, checks)
        verdicts = list_verdicts(found)
        if found.state is not State.PASSED:
            return PlannedChange(
                plan=_refuse(plan, f"It has not passed its checks: {found.summary}"), verdicts=verdicts
            )
    approvals = rules.find_approvals([planned.target])
    return PlannedChange(plan=plan, approvals=approvals, override=override, verdicts=verdicts, refusal=refusal)


def push_change(ti: RuntimeTaskInstanceProtocol, made: PlannedChange, *, ask: bool, words: str = "") -> None:
    """Hand on a change, for the tasks that ask people and for the one that makes it.

    These are its XComs, beside those of every plan:

    - ``promotions``: what people are asked about; empty where nothing is to be made;
    - ``refused``: what they are asked to override, empty where nothing refuses it; ``override``, the rule for who may;
      ``refusal``, what refuses it;
    - ``verdicts``;
    - ``tag``, ``digest``, ``target_tag``: what is promoted, and under which tag;
    - ``replaces``: the digest that the target tag shows, or ``none``.

    :param ti: the task instance that has planned it.
    :param made: the change.
    :param ask: whether people are asked, too, where the policy asks for no approval.
    :param words: what people are shown beside the change, as Markdown.
    """
    planned = made.planned
    rule = made.approvals or (ANYBODY if ask and made.may_be_made else None)
    push_plan(
        ti,
        Plan((planned,)),
        summary="\n\n".join(filter(None, (render_change(made.plan), words))),
        chunks=[],
        approvals=rule_as_dict(rule) if rule else {},
    )
    promotion = {"source": str(planned.source), "target": str(planned.target)}
    handed_on = {
        "promotions": [promotion] if made.may_be_made else [],
        "override": override_rule_as_dict(made.override) if made.override else {},
        "refused": [promotion] if made.override else [],
        "refusal": planned.reason if made.override else "",
        "verdicts": list(made.verdicts),
        "tag": planned.source.tag,
        "digest": planned.source.digest,
        "target_tag": planned.target.tag,
        "replaces": planned.current or NOTHING,
    }
    for key, value in handed_on.items():
        ti.xcom_push(key=key, value=value)


def _refuse(plan: ChangePlan, reason: str) -> ChangePlan:
    return replace(plan, planned=replace(plan.planned, action="refused", reason=reason))
