"""What is said at the end of a run that changes one tag."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from artifactory_provider.operators import ArtifactoryChangeReportOperator
from artifactory_provider.tasks.handover import PLAN_PROBLEM, REPORT_SUMMARY
from artifactory_provider.tasks.refusals import PlanRefused

RECORD = {
    "outcome": "promoted",
    "source": {"reference": "docker-dev/app:1"},
    "target": {"reference": "docker-qa/app:1"},
    "replaced": "<b>`x",
    "attachments": [{}, {}],
}


class Ended:
    """A run whose tasks have ended, as its report sees it.

    :param xcoms: task id and key → value.
    :param states: task id → state.
    """

    def __init__(self, xcoms: dict[tuple[str, str], Any], **states: str) -> None:
        self.xcoms, self.states = xcoms, {"plan": "success", "approve": "success", "promote": "success", **states}
        self.said: dict[str, Any] = {}
        self.dag_id, self.run_id = "release", "manual"

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        return self.xcoms.get((task_ids, key))

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.said[key] = value

    def get_task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        return {self.run_id: {name: self.states[name] for name in task_ids}}

    def report(self) -> Any:
        task = ArtifactoryChangeReportOperator(task_id="report")
        before = SimpleNamespace(get_flat_relative_ids=lambda upstream: set(self.states) if upstream else set())
        context: Any = {"ti": self, "task": before}
        return task.execute(context)


PLANNED = {("plan", "counts"): {"promote": 1}}


def test_what_was_done_is_told_and_none_of_it_is_markup() -> None:
    run = Ended({**PLANNED, ("promote", "return_value"): RECORD})
    assert run.report() == "promoted"
    assert run.said[REPORT_SUMMARY] == (
        "**Done: promoted.** `docker-qa/app:1`\n\n- promoted from: `docker-dev/app:1`\n- showed before: `(b)'x`\n"
        "- attachments: 2\n"
    )


def test_a_no_is_no_failure() -> None:
    run = Ended(PLANNED, promote="skipped")
    assert run.report() == "held back"
    assert "somebody has said no" in run.said[REPORT_SUMMARY]


@pytest.mark.parametrize(
    ("states", "named"),
    [
        ({"promote": "failed"}, "promote"),
        ({"approve": "failed", "promote": "upstream_failed"}, "approve"),
    ],
)
def test_what_was_to_be_done_and_was_not_fails_the_run_and_names_the_task_that_says_why(
    states: dict[str, str], named: str
) -> None:
    run = Ended(PLANNED, **states)
    with pytest.raises(AirflowFailException, match=f"The task {named} has failed"):
        run.report()
    assert f"The task {named} has failed" in run.said[REPORT_SUMMARY]


@pytest.mark.parametrize("xcoms", [{}, PLANNED])
def test_without_a_plan_it_says_why_there_is_none(xcoms: dict[tuple[str, str], Any]) -> None:
    run = Ended({**xcoms, ("plan", PLAN_PROBLEM): "There is no such tag."}, plan="failed", promote="upstream_failed")
    with pytest.raises(PlanRefused, match="There is no such tag"):
        run.report()
