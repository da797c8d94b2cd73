"""An open question of a task: what it is about, who has answered, and how Airflow is told to go on waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from artifactory_provider.policy.approvals import MOST_ANSWERS
from artifactory_provider.policy.responses import InvalidResponse, Response, read_list, read_moment, read_text
from artifactory_provider.policy.seals import check_seal, seal

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence
    from uuid import UUID

    from airflow.sdk import Context
    from airflow.sdk.execution_time.hitl import HITLUser

_KEY = "artifactory_answers"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What has been asked, and answered so far.

    :param code: what the question is about.
    :param until: when the question ends; None for never.
    :param answers: what people have said.
    """

    code: str
    until: datetime.datetime | None = None
    answers: tuple[Response, ...] = ()

    def with_answer(self, answer: Response) -> Asked:
        """Return it with one more answer."""
        return replace(self, answers=(*self.answers, answer)[-MOST_ANSWERS:])

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "code": self.code,
            "until": None if self.until is None else self.until.isoformat(),
            "answers": [answer.as_dict() for answer in self.answers],
        }

    @classmethod
    def from_dict(cls, document: object) -> Asked:
        """Read what ``as_dict`` returns.

        :raises InvalidResponse: when it is no such object.
        """
        if not isinstance(document, Mapping):
            raise InvalidResponse("That is no question that was asked.")
        until = document.get("until")
        return cls(
            code=read_text(document.get("code"), "code", longest=64),
            until=None if until is None else read_moment(until, "until"),
            answers=tuple(map(Response.from_dict, read_list(document.get("answers"), "answers", most=MOST_ANSWERS))),
        )


class Notes:
    """What is kept of answers for the tries after a worker's death, in Airflow's task state store, sealed.

    Only the tries of one run of the task share them: when somebody clears the task, it asks anew.

    :param context: the task's context.
    :param key: what seals them: users may edit a task's state.
    """

    def __init__(self, context: Context, key: bytes) -> None:
        ti = context["ti"]
        self._store = context["task_state_store"]
        self._key = key
        # Airflow counts the tries that a cleared task still has from the one it was cleared at.
        self._place = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.max_tries]

    def keep(self, asked: Asked) -> None:
        """Keep it for the next try."""
        document = {**asked.as_dict(), "place": self._place}
        self._store.set(_KEY, {**document, "seal": seal(document, self._key)})

    def find(self) -> Asked | None:
        """Return what the try before has kept, or None where it has kept nothing.

        :raises InvalidResponse: when somebody else has written it.
        """
        document: Any = self._store.get(_KEY)
        if document is None:
            return None
        asked = Asked.from_dict(document)
        if document.get("place") != self._place:
            return None
        check_seal(document.get("seal"), {**asked.as_dict(), "place": self._place}, self._key)
        return asked


def put_question(
    ti_id: UUID,
    *,
    subject: str,
    body: str,
    options: Sequence[str],
    params: Mapping[str, Any],
    assigned_users: Sequence[HITLUser] | None,
) -> str:
    """Put a question to people, once more where it has an answer, and return the body that they see.

    Airflow 3.3 keeps the text of a task's first question, through retries and clearing: what they see may be that.

    :param ti_id: the task instance.
    :param subject: the headline.
    :param body: Markdown.
    :param options: what people choose from.
    :param params: the fields that they fill in, name → ``Param.serialize()``.
    :param assigned_users: who alone may answer, as the auth manager knows them; None for anybody who may.
    """
    from airflow.sdk.api.datamodels._generated import HITLUser as AssignedUser
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    # ``upsert_hitl_detail`` of ``airflow.sdk`` does the same, and throws away what people see.
    shown = SUPERVISOR_COMMS.send(
        CreateHITLDetailPayload(
            ti_id=ti_id,
            options=list(options),
            subject=subject,
            body=body,
            params=dict(params),
            assigned_users=[AssignedUser(id=user["id"], name=user["name"]) for user in assigned_users or ()],
        )
    )
    return str(getattr(shown, "body", None) or "")
