"""What operators that ask people have: a question about promotions, put as often as it takes."""

from __future__ import annotations

import datetime
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.policy.responses import InvalidResponse, Response, read_name
from artifactory_provider.tasks.arguments import NOT_GIVEN
from artifactory_provider.tasks.asked import Asked, put_question
from artifactory_provider.tasks.metrics import count_waits, time_waits
from artifactory_provider.tasks.prompts import Prompt, read_prompt
from artifactory_provider.tasks.waiting import as_notifiers, note_first, tell_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context, Param

    from artifactory_provider.tasks.waiting import Notifier

ANSWERS = "answers"
"""The XCom that says, for people, who has answered so far, and whose answer does not count."""
_TOLD = "artifactory_question_told"
_BEGUN = "artifactory_question_begun"

Rule = TypeVar("Rule")
_NOTHING = frozenset({"", "None", "null"})


class QuestionEnded(AirflowFailException):
    """People have said no, or not enough of them yes: no retry follows, which would ask them again."""


class ArtifactoryQuestionOperator(ArtifactoryOperator, HITLOperator, SkipMixin):
    """Ask people about promotions, in one task, as often as it takes, holding no worker slot while they think.

    :param promotions: JSON objects with ``source``, ``repository/image:tag@digest``, and ``target``. (templated)
    :param chunks: instead of them, what ``ArtifactoryPlanOperator`` has returned. (templated)
    :param verdicts: the verdicts that are shown, as the sensors hand them on in the XCom ``verdicts``. (templated)
    :param rule: what is asked of people, as a JSON object, or nothing where nothing is. (templated)
    :param subject: the headline; by default it says what would go where. (templated)
    :param body: Markdown above what is shown. (templated)
    :param artifactory_conn_id: the connection that is promoted over, which says what seals the answers. (templated)
    :param fail_on_reject: whether a no fails the task; otherwise what follows it directly is skipped.
    :param retries: how often a task that was killed goes on; what people have said is kept.
    :param retry_delay: how long after it was killed.
    :param kwargs: what Airflow's ``HITLOperator`` takes, such as ``response_timeout``; and ``notifiers``, who are told
        when it begins to wait, such as a ``PromotionNotifier``.
    :raises ValueError: when there are promotions and chunks, or neither.
    """

    template_fields: Sequence[str] = (
        "promotions",
        "chunks",
        "verdicts",
        "rule",
        "subject",
        "body",
        "artifactory_conn_id",
    )
    inherits_from_skipmixin = True
    ui_color = "#fbf1c7"
    yes: ClassVar[str]
    no: ClassVar[str]

    def __init__(
        self,
        *,
        promotions: Sequence[Mapping[str, str]] | None = NOT_GIVEN,
        chunks: Sequence[Mapping[str, Any]] | None = NOT_GIVEN,
        verdicts: Any = None,
        subject: str | None = None,
        body: str | None = None,
        rule: Mapping[str, Any] | str | None = NOT_GIVEN,
        fail_on_reject: bool = True,
        retries: int = 3,
        retry_delay: datetime.timedelta = datetime.timedelta(seconds=30),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            subject=subject, body=body, options=[self.yes, self.no], retries=retries, retry_delay=retry_delay, **kwargs
        )
        self.notifiers: Sequence[Notifier] = as_notifiers(self.notifiers)  # type: ignore[assignment]
        if (promotions is NOT_GIVEN) == (chunks is NOT_GIVEN):
            raise ValueError("Give promotions or chunks: what people are asked about.")
        self.promotions = None if promotions is NOT_GIVEN else promotions
        self.chunks = None if chunks is NOT_GIVEN else chunks
        self.verdicts = verdicts
        self.rule = None if rule is NOT_GIVEN else rule
        self._has_rule = rule is not NOT_GIVEN
        self.fail_on_reject = fail_on_reject
        self._has_chunks = chunks is not NOT_GIVEN

    @abstractmethod
    def _fields(self) -> Mapping[str, Param]:
        """Return what people fill in."""

    @abstractmethod
    def _conditions(self, context: Context, asked: Asked) -> str:
        """Return what people have to know about their answers, as Markdown."""

    @abstractmethod
    def describe_wanted(self) -> str:
        """Return who has to answer, in plain words, for those who are told of the question."""

    def _read_question(self, context: Context) -> Prompt | None:
        return read_prompt(
            context["ti"],
            asked=self.chunks if self._has_chunks else self.promotions,
            in_chunks=self._has_chunks,
            verdicts=self.verdicts,
            subject=self.subject,
            body=self.body,
        )

    def _given_rule(self, read: Callable[[object], Rule]) -> Rule | None:
        """Return the rule in ``rule``, or None where it asks nothing of people.

        :param read: what reads its JSON object.
        :raises QuestionEnded: when it is none.
        """
        rule: object = self.rule
        try:
            if isinstance(rule, str):
                rule = json.loads(rule) if rule.strip() not in _NOTHING else None
            return None if rule is None or rule == {} else read(rule)
        except (ValueError, RecursionError) as error:
            raise QuestionEnded(f"The rule cannot be read, and nobody was asked: {error}") from error

    def _begin(self, question: Prompt) -> Asked:
        timeout = self.response_timeout
        return Asked(code=question.code, until=None if timeout is None else _now() + timeout)

    def _ask(self, context: Context, question: Prompt, asked: Asked) -> NoReturn:
        """Put the question, and wait.

        :raises QuestionEnded: when its time is over, or people would see another one.
        """
        left = None if asked.until is None else asked.until - _now()
        if left is not None and left <= datetime.timedelta():
            raise QuestionEnded(f"The question has ended: {self._describe(asked)}.")
        body = "\n\n".join([question.body, self._conditions(context, asked), question.mark])
        shown = put_question(
            context["ti"].id,
            subject=question.subject,
            body=body,
            options=self.options,
            params={name: field.serialize() for name, field in self._fields().items()},
            assigned_users=self.assigned_users,
        )
        if not shown.endswith(question.mark):
            raise QuestionEnded(
                "What is to be promoted has changed since this run has asked people, and Airflow keeps showing them "
                "the question of then: nobody's answer counts. Start a new run, which asks about what is there now."
            )
        self.subject, self.body = question.subject, body
        self.log.info("Waiting for people: %s", question.subject)
        tell_once(self, context, self.notifiers, key=_TOLD, about=question.code)
        if note_first(context, now := _now(), key=_BEGUN) == now:
            count_waits((repository, "approval") for repository in question.repositories)
        raise TaskAwaitingInput(
            method_name=self.execute_complete.__name__, kwargs={"asked": asked.as_dict()}, timeout=left
        )

    def _resume(self, context: Context, event: Mapping[str, Any], asked: object) -> tuple[Prompt, Asked]:
        """Return the question that was asked, when it is still the one to ask."""
        try:
            before = Asked.from_dict(asked)
        except InvalidResponse as error:
            raise QuestionEnded(f"{error} Clear the task to ask anew.") from error
        question = self._read_question(context)
        if question is None or question.code != before.code:
            raise QuestionEnded(
                "What is to be promoted has changed while people were asked: nobody's answer counts. Start a new run, "
                "which asks about what is there now."
            )
        if "error" in event:
            raise QuestionEnded(f"The question has ended: {self._describe(before)}.")
        return question, before

    @abstractmethod
    def _describe(self, asked: Asked) -> str:
        """Return how far it has come, for the line that says why it has ended."""

    def _tell(self, context: Context, text: str) -> None:
        """Let people read in the log and under XComs what became of an answer."""
        self.log.info("%s", text)
        context["ti"].xcom_push(key=ANSWERS, value=text)

    def _end_wait(self, context: Context, question: Prompt) -> None:
        """Tell how long people have taken."""
        waited = (now := _now()) - note_first(context, now, key=_BEGUN)
        time_waits((repository, "approval", waited) for repository in question.repositories)

    def _end_with_no(self, context: Context, question: Prompt, answer: Response) -> None:
        """End the run's path: fail, or skip what follows directly.

        :raises QuestionEnded: when it fails.
        """
        self._end_wait(context, question)
        text = f"Rejected by {answer}."
        self._tell(context, text)
        if self.fail_on_reject:
            raise QuestionEnded(f"{text} Nothing is promoted.")
        followers = context["task"].get_direct_relatives(upstream=False)
        self.skip(context["ti"], [task for task in followers if not task.is_teardown])


def read_answer(event: Mapping[str, Any], comment: str) -> Response | None:
    """Return what one person has said, or None where nobody knows who it was.

    :param event: what Airflow resumes a task with.
    :param comment: the name of the field that has the person's own words.
    """
    user, said, at = (event.get(key) for key in ("responded_by_user", "params_input", "responded_at"))
    name = user.get("name") if isinstance(user, Mapping) else getattr(user, "name", None)
    words = said.get(comment) if isinstance(said, Mapping) else None
    if not isinstance(at, datetime.datetime) or at.tzinfo is None:
        return None
    try:
        by = read_name(name)
    except InvalidResponse:
        return None
    return Response(by=by, at=at.astimezone(datetime.UTC), comment=words if isinstance(words, str) else "")


def name_place(context: Context) -> str:
    """Return the run and task that ask.

    :param context: a task's context.
    """
    ti = context["ti"]
    number = "" if ti.map_index is None or ti.map_index < 0 else f"[{ti.map_index}]"
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}{number}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
