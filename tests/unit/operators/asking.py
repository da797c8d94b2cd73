"""A task that asks people, without an Airflow: what it shows, what it keeps, and what it does with an answer."""

from __future__ import annotations

import datetime
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

if TYPE_CHECKING:
    import pytest

    from artifactory_provider.operators.question import ArtifactoryQuestionOperator

DIGESTS = {image: f"sha256:{digit * 64}" for image, digit in (("api", "a"), ("web", "b"))}


def promotion(image: str = "api", *, digest: str | None = None) -> dict[str, str]:
    """Return a promotion as plans hand it on."""
    digest = digest or DIGESTS[image]
    return {"source": f"docker-staging/{image}:1.4.2@{digest}", "target": f"docker-prod/{image}:1.4.2"}


class Store(dict[str, Any]):
    """A task's state store, as far as it is used."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Asking:
    """One instance of a task, whose questions are collected; Airflow keeps the text of the first.

    :param starter: who has started the run.
    :param run_type: what has started it.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, starter: str | None = "dave", run_type: str = "manual") -> None:
        from airflow.sdk.execution_time import task_runner

        patch.setenv(
            "AIRFLOW_CONN_ARTIFACTORY_DEFAULT", json.dumps({"conn_type": "artifactory", "password": "a long secret"})
        )
        patch.setattr(task_runner, "SUPERVISOR_COMMS", self, raising=False)
        self.questions: list[CreateHITLDetailPayload] = []
        self.body: str | None = None
        self.xcoms: dict[tuple[str | None, str], Any] = {}
        self.store = Store()
        self.tries = 3
        self.starter, self.run_type = starter, run_type
        self.waits: TaskAwaitingInput | None = None

    def send(self, question: object) -> Any:
        """Take a question as Airflow does, and return what people see; secrets are told to be masked, too."""
        if not isinstance(question, CreateHITLDetailPayload):
            return None
        self.questions.append(question)
        self.body = self.body or question.body
        return SimpleNamespace(body=self.body)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[None, key] = value

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        return self.xcoms.get((task_ids, key))

    @property
    def told(self) -> str:
        """What people can read of the answers."""
        return str(self.xcoms[None, "answers"])

    @property
    def asked(self) -> str:
        """The text of the newest question."""
        return str(self.questions[-1].body)

    def start(self, task: ArtifactoryQuestionOperator) -> Any:
        """Run a try from its beginning, and return its result, if it has one."""
        return self._run(task, lambda context: task.execute(context))

    def answer(
        self, task: ArtifactoryQuestionOperator, by: str | None, option: str, *, at: Any = None, **fields: Any
    ) -> Any:
        """Go on with a person's answer, and return the task's result, if it has one."""
        at = at or datetime.datetime.now(datetime.UTC)
        user = None if by is None else {"id": "7", "name": by}
        event = {
            "chosen_options": [option],
            "params_input": fields,
            "responded_at": at,
            "responded_by_user": user,
            "timedout": False,
        }
        return self.resume(task, event)

    def resume(self, task: ArtifactoryQuestionOperator, event: dict[str, Any]) -> Any:
        """Go on with what Airflow resumes a task with."""
        assert self.waits is not None
        kwargs = json.loads(json.dumps(self.waits.kwargs))
        return self._run(task, lambda context: task.execute_complete(context, event=event, **kwargs))

    def _run(self, task: ArtifactoryQuestionOperator, run: Any) -> Any:
        self.waits = None
        ti = SimpleNamespace(
            id=uuid4(),
            dag_id="ladder",
            run_id="manual__1",
            task_id=task.task_id,
            map_index=-1,
            max_tries=self.tries,
            xcom_push=self.xcom_push,
            xcom_pull=self.xcom_pull,
        )
        dag_run = SimpleNamespace(dag_id="ladder", run_type=self.run_type, triggering_user_name=self.starter)
        context = {"ti": ti, "task_state_store": self.store, "dag_run": dag_run, "task": task}
        try:
            return run(context)
        except TaskAwaitingInput as waits:
            self.waits = waits
            return None
