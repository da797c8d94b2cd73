"""The operator that says what became of a plan, once all of its chunks have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.promotion.errors import InvalidPromotion, name_first
from artifactory_provider.promotion.reports import render_report, sum_counts
from artifactory_provider.tasks.handover import (
    REPORT_SUMMARY,
    HandedOn,
    pull_outcomes,
    pull_plan,
    refuse_without_plan,
)
from artifactory_provider.tasks.plan_rows import push_end_of_all
from artifactory_provider.tasks.retries import RETRY_POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.sdk import Context, RetryPolicy

    from artifactory_provider.promotion.reports import ChunkOutcome


class ArtifactoryBatchReportOperator(BaseOperator):
    """Say what became of a plan, and fail where not all of it came to a good end.

    It runs when all chunks have ended, however they did. The XCom ``report_summary`` has the report as Markdown.

    :param plan_task_id: the task that has made the plan.
    :param batch_task_id: the mapped task that promotes its chunks.
    :param on_problems: ``fail`` fails for conflicts and missing tags of the plan, too; ``report`` only lists them.
        Promotions that failed, chunks that have told nothing, and no plan always fail it. (templated)
    :param retry_policy: which failures are worth another try.
    :raises InvalidPromotion: when ``on_problems`` is neither.
    """

    template_fields: Sequence[str] = ("on_problems",)
    ui_color = "#f3eef8"

    def __init__(
        self,
        *,
        plan_task_id: str = "plan",
        batch_task_id: str = "promote",
        on_problems: Literal["fail", "report"] = "fail",
        trigger_rule: str = TriggerRule.ALL_DONE,
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, retry_policy=retry_policy, **kwargs)
        self.plan_task_id = plan_task_id
        self.batch_task_id = batch_task_id
        self.on_problems = on_problems
        if on_problems not in {"fail", "report"} and "{{" not in on_problems:
            raise InvalidPromotion(f"on_problems is 'fail' or 'report', not {on_problems!r}.")

    def execute(self, context: Context) -> dict[str, int]:
        """Report, and return how many were promoted, unchanged and failed."""
        ti = context["ti"]
        plan = pull_plan(ti, self.plan_task_id)
        if plan is None:
            raise refuse_without_plan(self, ti, self.plan_task_id)
        if plan.chunks and self._is_held_back(context):
            ti.xcom_push(key=REPORT_SUMMARY, value="**Nothing was promoted:** the plan was not approved.\n")
            push_end_of_all(ti, plan.chunks, "held back", "The plan was not approved.")
            self.log.info("Nothing was promoted: the plan was not approved.")
            return sum_counts([])
        outcomes = sorted(pull_outcomes(ti, self.batch_task_id), key=lambda outcome: outcome.key)
        told = {outcome.key for outcome in outcomes}
        lost = [chunk["name"] for chunk in plan.chunks if chunk["key"] not in told]
        ti.xcom_push(key=REPORT_SUMMARY, value=render_report(outcomes, counts=plan.counts, lost=lost))
        self.log.info("%s", ", ".join(f"{number:,} {count}" for count, number in sum_counts(outcomes).items()))
        if reasons := list(self._reasons(plan, outcomes, lost)):
            raise AirflowFailException("\n".join(reasons))
        return sum_counts(outcomes)

    def _is_held_back(self, context: Context) -> bool:
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[self.batch_task_id], run_ids=[ti.run_id])
        return set(states.get(ti.run_id, {}).values()) == {"skipped"}

    def _reasons(self, plan: HandedOn, outcomes: Sequence[ChunkOutcome], lost: Sequence[str]) -> Iterator[str]:
        failures = [failure for outcome in outcomes for failure in outcome.failures]
        if failed := sum_counts(outcomes)["failed"]:
            yield "1 promotion failed:" if failed == 1 else f"{failed:,} promotions failed:"
            yield name_first([f"{each.source} → {each.target}: {each.reason}" for each in failures], failed)
        if lost:
            chunks = "1 chunk has" if len(lost) == 1 else f"{len(lost):,} chunks have"
            yield f"{chunks} told nothing; see the logs, and clear what has no result:"
            yield name_first(lost)
        for action, what in (("conflict", "in conflict"), ("refused", "refused"), ("missing", "missing")):
            number = plan.counts.get(action, 0)
            if number and self.on_problems == "fail":
                yield f"The plan had {number:,} {what}:"
                found = [each for each in plan.problems if each["action"] == action]
                yield name_first([_problem(each) for each in found], number)


def _problem(promotion: Any) -> str:
    current = f" shows {promotion['current']}" if promotion.get("current") else ""
    reason = f" ({promotion['reason']})" if promotion.get("reason") else ""
    return f"{promotion['source']} → {promotion['target']}{current}{reason}"
