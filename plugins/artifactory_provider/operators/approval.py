"""The operator that asks as many people as a rule wants to approve promotions."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Param

from artifactory_provider.operators.question import (
    ArtifactoryQuestionOperator,
    QuestionEnded,
    name_place,
    read_answer,
)
from artifactory_provider.policy.approvals import Approval, describe_rule, explain_unanswerable, read_rule
from artifactory_provider.policy.requirements import ApprovalRule
from artifactory_provider.policy.responses import (
    LONGEST_COMMENT,
    InvalidResponse,
    as_person,
    describe_span,
    explain_not_counted,
    tally,
)
from artifactory_provider.tasks.arguments import NOT_GIVEN
from artifactory_provider.tasks.asked import Asked, Notes
from artifactory_provider.tasks.prompts import as_code
from artifactory_provider.tasks.rules import Starter
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from artifactory_provider.tasks.prompts import Prompt


class ArtifactoryApprovalOperator(ArtifactoryQuestionOperator):
    """Ask people to approve promotions, until as many distinct ones have as a rule wants, all in one task.

    It returns the approval, which holds for the digests that were shown, and for nothing else: hand it to the tasks
    that promote. Whoever started the run does not count, nor does a second answer of one person; an answer that does
    not count is told in the log and in the XCom ``answers``, and the question stays open. A no of somebody who may
    approve, or of who started the run, ends it. Where ``rule`` is nothing, or there is nothing to promote, it returns
    None at once.

    :param rule: what is asked for, as the policy hands it on: ``count``, ``users``, ``not_the_trigger``, ``valid_for``
        in seconds; nothing where the policy asks for no approval. (templated)
    :param count: without a rule, how many people have to approve.
    :param users: without a rule, the names of the users who may; none for anybody who may answer.
    :param roles: of no use: Airflow does not tell tasks which roles a user has, so only those count who are named.
    :param not_the_trigger: without a rule, whether the answer of who started the run does not count.
    :param valid_for: without a rule, how long an approval holds; None for as long as what was shown stays the same.
    :param kwargs: what ``ArtifactoryQuestionOperator`` takes, such as ``promotions`` or ``chunks``.
    :raises ValueError: when an argument makes no sense.
    """

    yes, no = "Approve", "Reject"

    def __init__(
        self,
        *,
        rule: Mapping[str, Any] | str | None = NOT_GIVEN,
        count: int | None = None,
        users: Sequence[str] = (),
        roles: Sequence[str] = (),
        not_the_trigger: bool = True,
        valid_for: datetime.timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rule=rule, **kwargs)
        if rule is not NOT_GIVEN and (count is not None or users or roles or valid_for or not not_the_trigger):
            raise ValueError("Give a rule, or count, users and so on: the rule would have them, too.")
        self._own_rule = ApprovalRule(
            count=1 if count is None else count,
            users=cast("tuple[str, ...]", users),
            roles=cast("tuple[str, ...]", roles),
            not_the_trigger=not_the_trigger,
            valid_for=valid_for,
        )

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Ask, or go on asking where a try before was killed."""
        rule = self._wanted_rule()
        question = None if rule is None else self._read_question(context)
        if rule is None or question is None:
            self.log.info("No approval is asked for." if rule is None else "There is nothing to approve.")
            return None
        run = Starter.of(context)
        if reason := explain_unanswerable(rule, triggered_by=run.user, origin=run.origin):
            raise QuestionEnded(f"{reason} Nobody was asked.")
        key = self._hook().sealing_key()
        asked = self._find_answers(Notes(context, key), question)
        return self._go_on(context, question, asked or self._begin(question), rule, key=key)

    def execute_complete(  # type: ignore[override]
        self, context: Context, event: Mapping[str, Any], asked: object
    ) -> dict[str, Any] | None:
        """Take one person's answer: it may be the last that is needed, or end it, or not count."""
        rule = self._wanted_rule()
        if rule is None:
            raise QuestionEnded("The rule is gone that people were asked for: nobody's answer counts. Start a new run.")
        question, open_question = self._resume(context, event, asked)
        answer, starter = read_answer(event, "comment"), Starter.of(context).user
        said_no = list(event.get("chosen_options") or ()) != [self.yes]
        reason: str | None = "Airflow does not tell whose answer it is"
        if answer is not None:
            reason = explain_not_counted(rule, answer, triggers=(starter,), at=_now())
            if said_no and (reason is None or as_person(answer.by) == as_person(starter or "")):
                self._end_with_no(context, question, answer)
                return None
            if reason is None:
                open_question = open_question.with_answer(answer)
        if reason is not None:
            by = "An answer" if answer is None else f"The answer of {printable(answer.by)}"
            self._tell(context, f"{by} does not count: {reason}. {self._describe(open_question)}.")
        return self._go_on(context, question, open_question, rule, key=self._hook().sealing_key())

    def _go_on(
        self,
        context: Context,
        question: Prompt,
        asked: Asked,
        rule: ApprovalRule,
        *,
        key: bytes,
    ) -> dict[str, Any]:
        """Return the approval where enough have answered, or ask on."""
        starter = Starter.of(context).user
        found = tally(rule, asked.answers, triggers=(starter,), at=_now())
        Notes(context, key).keep(asked)
        if len(found.counted) < rule.count:
            if asked.answers:
                self._tell(context, f"{len(found.counted)} of {rule.count}: {found.describe()}.")
            self._ask(context, question, asked)
        ends = None if rule.valid_for is None else min(answer.at for answer in found.counted) + rule.valid_for
        approval = Approval(
            of=question.of,
            subject=question.subject,
            rule=rule,
            answers=found.counted,
            run=name_place(context),
            triggered_by=starter,
            expires=ends,
        )
        self._end_wait(context, question)
        self._tell(context, f"Approved: {found.describe()}.")
        return approval.as_dict(key)

    def describe_wanted(self) -> str:
        """Return who has to approve."""
        return f"{describe_rule(self._wanted_rule() or self._own_rule)}."

    def _wanted_rule(self) -> ApprovalRule | None:
        return self._given_rule(read_rule) if self._has_rule else self._own_rule

    def _find_answers(self, notes: Notes, question: Prompt) -> Asked | None:
        try:
            asked = notes.find()
        except InvalidResponse as error:
            self.log.warning("What people have answered before does not count: %s", error)
            return None
        return asked if asked is not None and asked.code == question.code else None

    def _fields(self) -> Mapping[str, Param]:
        description = f"It stands in the promotion's record: at most {LONGEST_COMMENT} characters."
        return {"comment": Param(None, type=["null", "string"], title="Comment", description=description)}

    def _conditions(self, context: Context, asked: Asked) -> str:
        rule = self._wanted_rule() or self._own_rule
        starter = Starter.of(context).user
        parts = [f"**{describe_rule(rule, as_code)}.**"]
        if starter:
            parts.append(f"{as_code(starter)} has started this run.")
        if rule.valid_for is not None:
            parts.append(f"An approval holds for {describe_span(rule.valid_for)}.")
        if asked.until is not None:
            parts.append(f"The question ends at {asked.until:%Y-%m-%d %H:%M} UTC.")
        parts.append("Who has answered so far is this task's XCom `answers`, under Storage.")
        return " ".join(parts)

    def _describe(self, asked: Asked) -> str:
        rule = self._wanted_rule() or self._own_rule
        by = ", ".join(dict.fromkeys(printable(answer.by) for answer in asked.answers)) or "nobody"
        return f"{rule.count} have to approve, and approved so far by {by}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
