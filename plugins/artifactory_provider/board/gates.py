"""Why not: what checks and rules say of what would be promoted next, asked of all images at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.board.states import GateState
from artifactory_provider.policy import ContradictoryRules
from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.promotion.rules import Change, Refusal
from artifactory_provider.verification.asking import ask
from artifactory_provider.verification.combinations import Combination
from artifactory_provider.verification.evidence import Evidence
from artifactory_provider.verification.properties import PropertyCheck
from artifactory_provider.verification.soak import SoakCheck
from artifactory_provider.verification.verdicts import State, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.board.findings import GateFinding, RowFinding
    from artifactory_provider.pipelines.model import Pipeline, Stage
    from artifactory_provider.policy import ApprovalRule
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.verification.check import Check
    from artifactory_provider.verification.evidence import Subject

_FAILING = frozenset({State.FAILED, State.UNREADABLE})


class GateRules(Protocol):
    """What may refuse a promotion beside what stands on its image."""

    async def find_refusals(self, changes: Sequence[Change]) -> Sequence[Refusal | None]:
        """Return for each change why it may not be made now, or None."""

    def required_checks(self, target: ImageReference) -> Sequence[Check]:
        """Return the checks that whatever is promoted to a target must have passed."""

    def find_approvals(self, targets: Sequence[ImageReference]) -> ApprovalRule | None:
        """Return which approvals promotions to some targets need together, or None."""


async def judge_gates(
    rows: Sequence[RowFinding], pipeline: Pipeline, ledger: Ledger, rules: GateRules
) -> list[RowFinding]:
    """Return rows whose gates say what checks and rules say, as far as one look at the registry tells it.

    Checks that need a request for each image are left to the tasks that ask them.

    :param rows: rows of one ladder.
    :param pipeline: the ladder.
    :param ledger: what the registry shows, over an open client.
    :param rules: what holds for the ladder's promotions.
    """
    gates = [list(row.gates) for row in rows]
    evidence = Evidence(ledger)
    for level, stage in enumerate(pipeline.stages[:-1]):
        open_ones = [at for at, row in enumerate(gates) if row[level].state is GateState.READY]
        judge = _Judge(stage, pipeline.stages[level + 1], evidence, rules)
        judged = await judge.judge([(rows[at].subject(level), gates[at][level]) for at in open_ones])
        for at, gate in zip(open_ones, judged, strict=True):
            gates[at][level] = gate
    return [replace(row, gates=tuple(found)) for row, found in zip(rows, gates, strict=True)]


def leave_unjudged(rows: Sequence[RowFinding], reason: str) -> list[RowFinding]:
    """Return rows whose gates are not open, as nobody can tell what the rules say.

    :param rows: rows of one ladder.
    :param reason: why.
    """
    return [
        replace(
            row,
            gates=tuple(
                replace(gate, state=GateState.UNKNOWN, reason=reason) if gate.state is GateState.READY else gate
                for gate in row.gates
            ),
        )
        for row in rows
    ]


class _Judge:
    """Says what stands between two stages.

    :param lower: the stage before.
    :param upper: the stage after.
    :param evidence: what checks may read.
    :param rules: what may refuse.
    """

    def __init__(self, lower: Stage, upper: Stage, evidence: Evidence, rules: GateRules) -> None:
        self._lower, self._upper, self._evidence, self._rules = lower, upper, evidence, rules

    async def judge(self, asked: Sequence[tuple[Subject, GateFinding]]) -> list[GateFinding]:
        verdicts = await self._ask_checks(asked)
        refusals = await self._ask_rules([gate for _, gate in asked])
        return [
            self._decide(gate, subject, *told, refusal)
            async for (subject, gate), told, refusal in in_turns(zip(asked, verdicts, refusals, strict=True))
        ]

    async def _ask_checks(self, asked: Sequence[tuple[Subject, GateFinding]]) -> list[tuple[State, str, list[str]]]:
        """Return for each what the checks come to, why, and the names of those that are left to tasks."""
        by_checks: dict[tuple[Check, ...], list[int]] = {}
        for at, (_, gate) in enumerate(asked):
            by_checks.setdefault(self._checks_of(gate), []).append(at)
        found: dict[int, tuple[State, str, list[str]]] = {}
        for checks, some in by_checks.items():
            told = {
                check: await ask(check, self._evidence, [asked[at][0] for at in some])
                for check in checks
                if is_told(check)
            }
            left = [check.name for check in checks if check not in told]
            for place, at in enumerate(some):
                verdicts = [verdicts[place] for verdicts in told.values()]
                state = worst(verdict.state for verdict in verdicts) if verdicts else State.PASSED
                why = (
                    " ".join(one.reason for one in verdicts if one.state is state) if state is not State.PASSED else ""
                )
                found[at] = (state, why, left)
        return [found[at] for at in range(len(asked))]

    def _checks_of(self, gate: GateFinding) -> tuple[Check, ...]:
        target = gate.target
        further = self._rules.required_checks(target) if target is not None else ()
        return (*self._lower.checks, *(check for check in further if check not in self._lower.checks))

    async def _ask_rules(self, gates: Sequence[GateFinding]) -> list[Refusal | None]:
        """Return for each gate the first refusal of what would be made of it."""
        asked = [_targets_of(gate) for gate in gates]
        changes = [Change(gate.source, one) for gate, of in zip(gates, asked, strict=True) for one in of if gate.source]
        try:
            told = iter(await self._rules.find_refusals(changes) if changes else ())
        except RulesUnreadable as error:
            return [Refusal(str(error))] * len(gates)
        return [next(filter(None, [next(told) for _ in of]), None) for of in asked]

    def _decide(
        self,
        gate: GateFinding,
        subject: Subject,
        state: State,
        why: str,
        left: list[str],
        refusal: Refusal | None,
    ) -> GateFinding:
        if state in _FAILING:
            return replace(gate, state=GateState.FAILED, reason=why)
        if refusal is not None:
            return replace(
                gate, state=GateState.REFUSED, reason=" ".join(filter(None, (str(refusal), why))), until=refusal.until
            )
        if state is not State.PASSED:
            since = subject.arrived
            until = since + self._lower.timeout if since else None
            return replace(gate, state=GateState.VERIFYING, reason=why, since=since, until=until)
        return replace(gate, reason=" ".join(self._say_what_comes(gate, left)))

    def _say_what_comes(self, gate: GateFinding, left: list[str]) -> list[str]:
        """Return what the run that takes it will ask still."""
        told = [f"Its run asks {', '.join(left)}."] if left else []
        if self._upper.asks_approval and gate.target is not None:
            try:
                rule = self._rules.find_approvals(_targets_of(gate))
            except ContradictoryRules as error:
                return [*told, str(error)]
            if rule is not None:
                who = ", ".join((*rule.users, *rule.roles)) or "anybody who may answer"
                told.append(f"Then {rule.count} {'has' if rule.count == 1 else 'have'} to approve: {who}.")
        return told


def _targets_of(gate: GateFinding) -> tuple[ImageReference, ...]:
    return (gate.target, *gate.further) if gate.target is not None and gate.source is not None else ()


def is_told(check: Check) -> bool:
    """Tell whether the look has brought all that a check reads.

    :param check: the check.
    """
    if isinstance(check, Combination):
        return all(map(is_told, check.checks))
    return isinstance(check, PropertyCheck) or (isinstance(check, SoakCheck) and check.stage is None)
