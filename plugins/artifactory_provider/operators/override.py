"""The operator that asks one person to set a refusal aside, with a reason and an end."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Param

from artifactory_provider.operators.question import ArtifactoryQuestionOperator, QuestionEnded, name_place, read_answer
from artifactory_provider.policy.overrides import Override, describe_override_rule, read_override_rule
from artifactory_provider.policy.requirements import OverrideRule
from artifactory_provider.tasks.arguments import NOT_GIVEN
from artifactory_provider.tasks.prompts import as_code
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from artifactory_provider.policy.responses import Response
    from artifactory_provider.tasks.asked import Asked

_USUAL_HOURS = 4


class ArtifactoryOverrideOperator(ArtifactoryQuestionOperator):
    """Ask one person who may to set a refusal aside: a freeze, say, for a fix that cannot wait.

    It returns the override, which holds for the digests that were shown and until the hour that the person has chosen:
    hand it to the tasks that promote, whose record keeps it. Another question than an approval's: one person is
    enough, may be the one who started the run, and has to say why and for how long. An answer without that, or of
    somebody who may not, is told in the log and in the XCom ``answers``, and the question stays open.

    Where there is nothing to promote, it returns None at once.

    :param rule: who may, as the policy hands it on: ``users``, and ``longest`` in seconds; nothing where the rule that
        refuses allows no override, so that the task fails. (templated)
    :param users: without a rule, the names of the users who may; none for anybody who may answer.
    :param longest: without a rule, how far ahead an override may end.
    :param refusal: what refuses the promotions, for the question. (templated)
    :param kwargs: what ``ArtifactoryQuestionOperator`` takes, such as ``promotions`` or ``chunks``.
    :raises ValueError: when an argument makes no sense.
    """

    template_fields: Sequence[str] = (*ArtifactoryQuestionOperator.template_fields, "refusal")
    ui_color = "#f9d9d4"
    yes, no = "Override", "Leave it"

    def __init__(
        self,
        *,
        rule: Mapping[str, Any] | str | None = NOT_GIVEN,
        users: Sequence[str] = (),
        longest: datetime.timedelta = datetime.timedelta(hours=24),
        refusal: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rule=rule, **kwargs)
        if rule is not NOT_GIVEN and users:
            raise ValueError("Give a rule, or users: the rule would have them, too.")
        self.refusal = refusal
        self._own_rule = OverrideRule(users=cast("tuple[str, ...]", users), longest=longest)

    def execute(self, context: Context) -> None:
        """Ask.

        :raises QuestionEnded: when nobody may override.
        """
        question = self._read_question(context)
        if question is None:
            self.log.info("There is nothing to override.")
            return
        self._wanted_rule()
        self._hook().sealing_key()  # known to be there before anybody is asked
        self._ask(context, question, self._begin(question))

    def execute_complete(  # type: ignore[override]
        self, context: Context, event: Mapping[str, Any], asked: object
    ) -> dict[str, Any] | None:
        """Take one person's answer: it may be an override, or a no, or not count."""
        rule = self._wanted_rule()
        question, open_question = self._resume(context, event, asked)
        answer = read_answer(event, "reason")
        said_no = list(event.get("chosen_options") or ()) != [self.yes]
        hours = _read_hours(event.get("params_input"), rule)
        problem = _find_problem(rule, answer, hours=hours, said_no=said_no)
        if answer is None or problem is not None:
            self._tell(context, f"{problem} The question stays open.")
            self._ask(context, question, open_question)
        if said_no:
            self._end_with_no(context, question, answer)
            return None
        override = Override(
            of=question.of,
            subject=question.subject,
            by=answer.by,
            at=answer.at,
            reason=answer.comment,
            until=answer.at + datetime.timedelta(hours=hours or 0),
            run=name_place(context),
        )
        self._end_wait(context, question)
        self._tell(context, f"Overridden: {override.as_line()}")
        return override.as_dict(self._hook().sealing_key())

    def describe_wanted(self) -> str:
        """Return who may override, and what is refused."""
        refused = [str(self.refusal)] if self.refusal else []
        return " ".join([*refused, f"{describe_override_rule(self._wanted_rule())}."])

    def _wanted_rule(self) -> OverrideRule:
        rule = self._given_rule(read_override_rule) if self._has_rule else self._own_rule
        if rule is None:
            raise QuestionEnded("The rule that refuses this allows no override: nobody was asked.")
        return rule

    def _fields(self) -> Mapping[str, Param]:
        most = _hours(self._wanted_rule().longest)
        return {
            "reason": Param(None, type=["null", "string"], title="Reason", description="It stands in the record."),
            "hours": Param(
                min(_USUAL_HOURS, most), type="number", maximum=most, title="Hours", description="How long it holds."
            ),
        }

    def _conditions(self, context: Context, asked: Asked) -> str:
        refused = [f"Refused: {as_code(str(self.refusal))}"] if self.refusal else []
        until = [f"The question ends at {asked.until:%Y-%m-%d %H:%M} UTC."] if asked.until else []
        return "\n\n".join([*refused, f"**{describe_override_rule(self._wanted_rule(), as_code)}.**", *until])

    def _describe(self, asked: Asked) -> str:
        return "nobody who may has overridden this"


def _find_problem(rule: OverrideRule, answer: Response | None, *, hours: float | None, said_no: bool) -> str | None:
    if answer is None:
        return "An answer does not count: Airflow does not tell whose it is."
    if rule.users and answer.by not in rule.users:
        return f"The answer of {printable(answer.by)} does not count, who is not among those who may."
    if not said_no and not answer.comment:
        return f"The answer of {printable(answer.by)} does not count: it has no reason."
    if not said_no and hours is None:
        return (
            f"The answer of {printable(answer.by)} does not count: hours is a number from more than 0 to "
            f"{_hours(rule.longest):g}."
        )
    return None


def _read_hours(said: object, rule: OverrideRule) -> float | None:
    value = said.get("hours") if isinstance(said, Mapping) else None
    try:
        hours = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        return None
    return hours if 0 < hours <= _hours(rule.longest) else None


def _hours(span: datetime.timedelta) -> float:
    return span.total_seconds() / 3600
