"""The operator that says what became of the change of one tag, however its run has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.promotion.planning.rendering import inline_code
from artifactory_provider.tasks.handover import REPORT_SUMMARY, pull_plan, pull_problem, refuse_without_plan
from artifactory_provider.tasks.plan_rows import FIRST_OTHERS, push_end_of_all
from artifactory_provider.tasks.retries import RETRY_POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context, RetryPolicy
    from airflow.sdk.types import RuntimeTaskInstanceProtocol


class ArtifactoryChangeReportOperator(BaseOperator):
    """Say what became of the change of one tag, and fail where it was to be made and was not.

    It runs when the tasks before it have ended, however they did. The XCom ``report_summary`` has the report as
    Markdown.

    :param plan_task_id: the task that has planned it.
    :param change_task_id: the task that makes it.
    :param retry_policy: which failures are worth another try.
    """

    ui_color = "#f3eef8"

    def __init__(
        self,
        *,
        plan_task_id: str = "plan",
        change_task_id: str = "promote",
        trigger_rule: str = TriggerRule.ALL_DONE,
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, retry_policy=retry_policy, **kwargs)
        self.plan_task_id = plan_task_id
        self.change_task_id = change_task_id

    def execute(self, context: Context) -> str:
        """Report, and return what became of it: ``promoted``, ``unchanged`` or ``held back``."""
        ti = context["ti"]
        if pull_plan(ti, self.plan_task_id) is None or pull_problem(ti, self.plan_task_id):
            raise refuse_without_plan(self, ti, self.plan_task_id)
        rows = [{"task_id": self.plan_task_id, "key": FIRST_OTHERS}]
        states = self._read_states(context)
        if failed := [name for name, state in states.items() if state == "failed"]:
            reason = f"The task {failed[0]} has failed: its log says why, and what to do."
            ti.xcom_push(key=REPORT_SUMMARY, value=f"**It was not done.** {reason}\n")
            push_end_of_all(ti, rows, "failed", reason)
            raise AirflowFailException(f"It was not done. {reason}")
        record = ti.xcom_pull(task_ids=self.change_task_id)
        if record is None:
            ti.xcom_push(key=REPORT_SUMMARY, value="**Nothing was changed:** somebody has said no.\n")
            push_end_of_all(ti, rows, "held back", "Somebody has said no.")
            self.log.info("Nothing was changed: somebody has said no.")
            return "held back"
        ti.xcom_push(key=REPORT_SUMMARY, value=_render(record))
        push_end_of_all(ti, rows, record["outcome"], "")
        return str(record["outcome"])

    def _read_states(self, context: Context) -> dict[str, str | None]:
        """Return the states of the tasks before this one, by their names."""
        ti: RuntimeTaskInstanceProtocol = context["ti"]
        names: Sequence[str] = sorted(context["task"].get_flat_relative_ids(upstream=True))
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=list(names), run_ids=[ti.run_id])
        return dict(found.get(ti.run_id, {}))


def _render(record: Mapping[str, Any]) -> str:
    target, replaced = record["target"]["reference"], record.get("replaced")
    lines = [
        f"**Done: {record['outcome']}.** {inline_code(str(target))}",
        "",
        f"- promoted from: {inline_code(str(record['source']['reference']))}",
        f"- showed before: {inline_code(str(replaced)) if replaced else '–'}",
        f"- attachments: {len(record.get('attachments') or ())}",
    ]
    return "\n".join(lines) + "\n"
