"""The rules of this Airflow as its tasks ask them: the policy, the stops, approvals, and who has started the run."""

from __future__ import annotations

import datetime
import logging
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import get_current_context

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.policy import (
    ANYBODY,
    DEFAULT_POLICY_NAME,
    DEFAULT_STOP_NAME,
    Approval,
    Override,
    Policy,
    check_approval,
    check_override,
    fingerprint,
    merge_approvals,
    read_policy,
)
from artifactory_provider.policy.responses import InvalidResponse
from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.promotion.rules import Refusal
from artifactory_provider.tasks.stops import CurrentStops
from artifactory_provider.tasks.variables import read_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.policy import ApprovalRule, Origin, OverrideRule, Stop
    from artifactory_provider.policy.rules import Rule
    from artifactory_provider.promotion.request import Promotion
    from artifactory_provider.promotion.rules import Change
    from artifactory_provider.verification import Check

log = logging.getLogger(__name__)

T = TypeVar("T")

_ORIGINS: Mapping[str, Origin] = {
    "manual": "person",
    "scheduled": "schedule",
    "backfill": "backfill",
    "asset_triggered": "event",
    "asset_materialization": "event",
}
"""Airflow's type of a run → what has started it."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Who or what has started a run.

    :param origin: ``person``, ``schedule``, ``event`` or ``backfill``; ``rollback`` where it goes back.
    :param user: the user's name; None where no person has started it, or Airflow does not tell.
    :param dag_id: the DAG whose run it is; None outside of tasks.
    """

    origin: Origin
    user: str | None = None
    dag_id: str | None = None

    @classmethod
    def of(cls, context: Context) -> Starter:
        """Return who has started a task's run. What a DAG triggers counts as whoever has triggered that DAG.

        :param context: the task's context.
        """
        run: Any = context["dag_run"]
        user = run.triggering_user_name or None
        kind = str(getattr(run.run_type, "value", run.run_type))
        origin = _ORIGINS.get(kind, "person" if user else "event")
        return cls(origin, user, run.dag_id)

    @property
    def name(self) -> str:
        """Who it is, for what is written on images."""
        return self.user or (f"{self.origin} of the DAG {self.dag_id}" if self.dag_id else self.origin)


@dataclass(frozen=True, slots=True)
class Answers:
    """What people have answered before a promotion.

    :param approval: what an approval's task has returned; None where nobody was asked.
    :param override: what an override's task has returned; None where nobody was asked.
    :param is_rollback: whether a rollback is made, to which only rules apply that name rollbacks.
    """

    approval: object = None
    override: object = None
    is_rollback: bool = False

    @classmethod
    def read(cls, approval: object, override: object) -> Answers:
        """Return the answers that a task's rendered arguments stand for; what a template has left empty is none.

        :param approval: what an approval's task has returned.
        :param override: what an override's task has returned.
        """
        given = [None if value in (None, "", "None") else value for value in (approval, override)]
        return cls(approval=given[0], override=given[1])


def find_starter() -> Starter:
    """Return who has started the run of the task that runs now; outside of tasks, it is a person who runs this."""
    try:
        context = get_current_context()
    except RuntimeError:
        return Starter("person")
    return Starter.of(context)


class VariableRules:
    """What the Variables of this Airflow say: ``Rules`` for promotions, and what they need beforehand.

    The policy is read once. The stops are read anew for each question, by one read for all who ask meanwhile, and never
    by one that has begun before they did: so whatever is asked after a stop was set is refused.

    :param policy: the policy; None where there is none.
    :param stop_variable: the Variable of the stops.
    :param starter: who has started the run.
    :param key: returns the key that seals what people have answered.
    :param read: returns a Variable's text, or None where there is no such one.
    :param now: returns the current moment.
    """

    def __init__(
        self,
        policy: Policy | None,
        *,
        stop_variable: str = DEFAULT_STOP_NAME,
        starter: Starter,
        key: Callable[[], bytes],
        read: Callable[[str], str | None] = read_variable,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        # Thousands of promotions ask for it, and each time it would take 50 milliseconds of the event loop.
        self.policy, self.starter, self._key = policy, starter, cache(key)
        self._stops = CurrentStops(stop_variable, read)
        self._now = now
        self._given: _Given | None = None

    @classmethod
    def read(
        cls,
        *,
        policy_variable: str | None,
        stop_variable: str | None,
        starter: Starter,
        key: Callable[[], bytes],
        read: Callable[[str], str | None] = read_variable,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> VariableRules:
        """Read the policy, so that what is wrong with it is told before anything is done.

        :param policy_variable: the Variable that a connection names, which has to be there; None for the usual one,
            which need not be.
        :param stop_variable: the Variable of the stops; None for the usual one.
        :param starter: who has started the run.
        :param key: returns the key that seals what people have answered.
        :param read: returns a Variable's text, or None where there is no such one.
        :param now: returns the current moment.
        :raises InvalidPolicy: when it is none.
        :raises RulesUnreadable: when one that is named is not there, or nobody can tell now.
        """
        name = policy_variable or DEFAULT_POLICY_NAME
        text = read(name)
        if text is None and policy_variable is not None:
            raise RulesUnreadable(
                f"The connection names the policy {name!r}, and there is no such Variable: nothing is promoted. Set "
                "it, or take the name out of the connection."
            )
        policy = None if text is None else read_policy(text, name=name)
        return cls(
            policy, stop_variable=stop_variable or DEFAULT_STOP_NAME, starter=starter, key=key, read=read, now=now
        )

    def with_rules(self, rules: Sequence[Rule]) -> VariableRules:
        """Return what holds where further rules do beside those of the policy, as those of a pipeline's stages.

        :param rules: the further rules.
        """
        if not rules:
            return self
        joined = copy(self)
        name = self.policy.name if self.policy else DEFAULT_POLICY_NAME
        joined.policy = Policy((*(self.policy.rules if self.policy else ()), *rules), name=name)
        return joined

    def with_answers(self, changes: Sequence[Change], answers: Answers | None) -> VariableRules:
        """Return the rules for changes that are made now, of which people may have been asked.

        Without this, as for a plan, nobody needs to have been asked yet.

        :param changes: all changes of the task, with digests, which what people have answered is bound to.
        :param answers: what people have answered, if they were asked.
        """
        answers = answers or Answers()
        rules = copy(self.for_rollback() if answers.is_rollback else self)
        rules._given = _Given(tuple(changes), answers.approval, answers.override)
        return rules

    def started_by(self, starter: Starter) -> VariableRules:
        """Return the rules for what somebody or something else would start.

        :param starter: who or what.
        """
        rules = copy(self)
        rules.starter = starter
        return rules

    async def read_stops(self) -> Stop | Refusal:
        """Return what is stopped now, or the refusal of everything where nobody can tell.

        :raises RulesUnreadable: when it cannot be read now.
        """
        return await self._stops.read()

    def for_rollback(self) -> VariableRules:
        """Return the rules for a rollback, of which those hold that name rollbacks."""
        return self.started_by(replace(self.starter, origin="rollback"))

    def record_answers(self, promotions: Sequence[Promotion]) -> tuple[Promotion, ...]:
        """Return promotions whose records say who has approved them, and who has set a refusal aside.

        What is no approval or override of these tasks' own, or is of something else, is left out.

        :param promotions: the promotions.
        """
        given = self._given or _Given()
        approvals = self._describe(given.read_approval, given.approval, given)
        override = self._describe(given.read_override, given.override, given)
        return tuple(
            replace(each, options=replace(each.options, approvals=approvals, override=override)) for each in promotions
        )

    def _describe(self, read: Callable[[object, bytes], Approval | Override], document: object, given: _Given) -> str:
        if document is None:
            return ""
        try:
            answer = read(document, self._key())
        except InvalidResponse as error:
            log.warning("What people have answered does not count: %s", error)
            return ""
        if given.fingerprint in answer.of:
            return answer.as_line()
        log.warning("What people have answered is about something else than what is to be promoted now.")
        return ""

    async def find_refusals(self, changes: Sequence[Change]) -> list[Refusal | None]:
        """Return for each change why it may not be made now, or None.

        :param changes: the changes.
        """
        stop = await self._stops.read()
        if isinstance(stop, Refusal):
            return [stop] * len(changes)
        at = self._now()
        return [self._refuse(change, stop, at) async for change in in_turns(changes)]

    def required_checks(self, target: ImageReference) -> tuple[Check, ...]:
        """Return the checks that whatever is promoted to a target must have passed.

        :param target: repository, image and tag.
        """
        return self.policy.required_checks(target, origin=self.starter.origin) if self.policy else ()

    def find_approvals(self, targets: Iterable[ImageReference]) -> ApprovalRule | None:
        """Return which approvals promotions to some targets need together: the strictest, or None.

        :param targets: repository, image and tag of each.
        :raises ContradictoryRules: when nobody could satisfy all of them.
        """
        if self.policy is None:
            return None
        found = {self.policy.approvals(target, origin=self.starter.origin): target for target in targets}
        return merge_approvals([(str(target), rule) for rule, target in found.items() if rule])

    async def find_override(self, change: Change) -> OverrideRule | None:
        """Return who may set aside the windows that refuse a change now; None where nobody may, or it is stopped, too.

        :param change: the change.
        """
        stop, at = await self._stops.read(), self._now()
        origin = self.starter.origin
        if self.policy is None or isinstance(stop, Refusal) or stop.refuse(change, origin=origin, at=at) is not None:
            return None
        return self.policy.overrides(change.target, origin=origin, at=at)

    def _refuse(self, change: Change, stop: Stop, at: datetime.datetime) -> Refusal | None:
        origin = self.starter.origin
        refusal = stop.refuse(change, origin=origin, at=at)
        if refusal is None and self.policy is not None:
            refusal = self.policy.refuse(change, origin=origin, at=at)
            if refusal is not None and self._is_overridden(change, at):
                refusal = None
        return refusal or self._find_missing_approval(change, at)

    def _is_overridden(self, change: Change, at: datetime.datetime) -> bool:
        if self.policy is None or self._given is None or self._given.override is None:
            return False
        refusal = check_override(
            self.policy.overrides(change.target, origin=self.starter.origin, at=at),
            self._given.override,
            changes_fingerprint=self._given.fingerprint_of(change),
            at=at,
            key=self._key(),
            read=self._given.read_override,
        )
        if refusal is not None:
            log.warning("The override does not count: %s", refusal)
        return refusal is None

    def _find_missing_approval(self, change: Change, at: datetime.datetime) -> Refusal | None:
        if self._given is None:
            return None  # Nobody has to have been asked before there is a plan.
        rule = self.policy.approvals(change.target, origin=self.starter.origin) if self.policy else None
        if rule is None and self._given.approval is None:
            return None
        # Where nobody had to be asked, and somebody was, what they have seen holds all the same.
        rule = rule or ANYBODY
        refusal = check_approval(
            rule,
            self._given.approval,
            changes_fingerprint=self._given.fingerprint_of(change),
            triggered_by=self.starter.user,
            at=at,
            # Where nobody was asked, that is the reason, and not a connection that could seal nothing.
            key=self._key() if self._given.approval is not None else b"",
            origin=self.starter.origin,
            read=self._given.read_approval,
        )
        # Nobody is asked any more by the time a task promotes.
        return replace(refusal, may_pass=False) if refusal else None


def _read_once(read: Callable[[object, bytes], T]) -> Callable[[object, bytes], T]:
    """Return what reads one document once: that takes milliseconds, and thousands of promotions ask with the same."""
    found: list[T | InvalidResponse] = []

    def read_or_remember(document: object, key: bytes) -> T:
        if not found:
            try:
                found.append(read(document, key))
            except InvalidResponse as error:
                found.append(error)
        if isinstance(found[0], InvalidResponse):
            raise InvalidResponse(*found[0].args)
        return found[0]

    return read_or_remember


@dataclass(frozen=True)
class _Given:
    """What people have answered about all changes of a task."""

    changes: Sequence[Change] = ()
    approval: object = None
    override: object = None
    read_approval: Callable[[object, bytes], Approval] = field(default_factory=lambda: _read_once(Approval.from_dict))
    read_override: Callable[[object, bytes], Override] = field(default_factory=lambda: _read_once(Override.from_dict))

    def fingerprint_of(self, change: Change) -> str:
        """Return what answers about a change are bound to; nothing where it is none of those that people were asked."""
        return self.fingerprint if change in self._known else ""

    @cached_property
    def _known(self) -> frozenset[Change]:
        return frozenset(self.changes)

    @cached_property
    def fingerprint(self) -> str:
        """What answers are bound to; nothing where digests are not known, which no answer is bound to."""
        try:
            return fingerprint(self.changes)
        except InvalidResponse as error:
            log.info("No answer of people counts: %s", error)
            return ""
