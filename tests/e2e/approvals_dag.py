"""DAGs that ask people about what a Variable names, and then ask the policy: a DAG has to stand in a file."""

from __future__ import annotations

import datetime
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import DAG, Param, Variable, get_current_context, task

from artifactory_provider.hooks.seals import sealing_key
from artifactory_provider.operators import ArtifactoryApprovalOperator, ArtifactoryOverrideOperator
from artifactory_provider.policy import check_approval, fingerprint
from artifactory_provider.policy.approvals import read_rule
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.handover import read_promotions

if TYPE_CHECKING:
    from airflow.sdk import Context

    from artifactory_provider.tasks.asked import Asked
    from artifactory_provider.tasks.prompts import Prompt


class DiesBetweenAnswers(ArtifactoryApprovalOperator):
    """Is killed once, when it has noted the first answer and is about to ask on."""

    def _ask(self, context: Context, question: Prompt, asked: Asked) -> NoReturn:
        died = Path(__file__).with_suffix(".died")
        if asked.answers and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super()._ask(context, question, asked)


@task(retries=3, retry_delay=datetime.timedelta(seconds=1))
def plan() -> list[dict[str, str]]:
    """Return what would be promoted now."""
    promotions: list[dict[str, str]] = Variable.get("plan", deserialize_json=True)
    return promotions


@task(retries=3, retry_delay=datetime.timedelta(seconds=1))
def promote(promotions: list[dict[str, str]], approval: Any) -> str:
    """Return why nothing may be promoted, or that it may."""
    context = get_current_context()
    refusal = check_approval(
        read_rule(context["params"]["rule"]),
        approval,
        changes_fingerprint=fingerprint(Change(source, target) for source, target in read_promotions(promotions)),
        triggered_by=context["dag_run"].triggering_user_name,
        at=datetime.datetime.now(datetime.UTC),
        key=sealing_key("artifactory_default"),
    )
    return "promoted" if refusal is None else str(refusal)


for dag_id, operator, options in (
    ("approvals", ArtifactoryApprovalOperator, {}),
    ("approvals_killed", DiesBetweenAnswers, {"retry_delay": datetime.timedelta(seconds=1)}),
    (
        "approvals_short",
        ArtifactoryApprovalOperator,
        {"response_timeout": datetime.timedelta(seconds=1), "fail_on_reject": False},
    ),
    ("approvals_skipped", ArtifactoryApprovalOperator, {"fail_on_reject": False}),
):
    with DAG(dag_id, schedule=None, params={"rule": Param({"count": 2}, type="object")}):
        approve = operator(task_id="approve", promotions=plan(), rule="{{ params.rule | tojson }}", **options)
        now: Any = plan.override(task_id="plan_again")()
        promote(now, approve.output)

with DAG("overrides", schedule=None, params={"rule": Param({}, type="object")}):
    ArtifactoryOverrideOperator(
        task_id="approve", promotions=plan(), rule="{{ params.rule | tojson }}", refusal="docker-prod is frozen."
    )
