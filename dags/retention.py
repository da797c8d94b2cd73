"""Delete what nobody needs any more: tags that have come far enough or are too old, old backups, what dead runs left.

What may go stands in `retention_rules.yaml`, beside this file. A dry run, which is what the form starts with, only
shows the plan: open the run's tab **Plan**. Without it the run asks for an approval, then deletes what the plan says,
and the tab shows what became of each tag. What has come to need a tag since the plan keeps it.

Whatever happens, run it again with the same form: it does only what is left. `docs/retention.md` says what keeps a tag
in any case. To let it run each night, give it a schedule, and the form other defaults.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import Param, dag, get_current_context, task

from artifactory_provider.operators import (
    ArtifactoryApprovalOperator,
    ArtifactoryPlanRetentionOperator,
    ArtifactoryRetentionOperator,
)
from artifactory_provider.policy import ANYBODY, rule_as_dict

RULES = "retention_rules.yaml"
PATTERN = "One a line: * and ? stand for any text and any character, or regex:… for a regular expression."
NAMES: dict[str, Any] = {"type": ["null", "array"], "items": {"type": "string", "maxLength": 400}}

FORM = {
    "dry_run": Param(
        True, type="boolean", title="Dry run", description="Only shows the plan: open the run's tab Plan then."
    ),
    "repositories": Param(
        [], title="Repositories", description=f"Empty: all of the rules. {PATTERN} Example: docker-dev", **NAMES
    ),
    "images": Param([], title="Images", description=f"Empty: all of the rules. {PATTERN} Example: payments/*", **NAMES),
    "largest": Param(
        1000,
        type="integer",
        minimum=1,
        maximum=1_000_000,
        title="Most tags",
        description="A larger plan is refused, and says how many there are: confirm them here.",
    ),
    "approval": Param(
        True,
        type="boolean",
        title="Ask for approval",
        description=(
            "The run waits until somebody has approved the plan, under Required Actions. Where the policy asks for "
            "approvals of changes to these repositories, it waits for those whatever is said here."
        ),
    ),
    "report_path": Param(
        None,
        type=["null", "string"],
        maxLength=1000,
        title="Report folder",
        description="Plan and report as CSV, in a folder of the run. Example: s3://aws_default@bucket/retention",
    ),
}


@dag(
    dag_display_name="Retention: delete what nobody needs any more",
    schedule=None,
    max_active_runs=1,
    default_args={"owner": "platform", "retries": 3, "retry_delay": pendulum.duration(minutes=1)},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "retention"],
)
def retention() -> None:
    """Plan, ask, delete and report."""
    folder = "{% set path = (params.report_path or '') | trim %}{{ path.rstrip('/') + '/' + run_id if path else '' }}"
    plan = ArtifactoryPlanRetentionOperator(
        task_id="plan",
        retention=RULES,
        repositories="{{ (params.repositories or []) | join('\n') }}",
        images="{{ (params.images or []) | join('\n') }}",
        largest="{{ params.largest }}",
        plan_path=f"{folder}{{{{ '/plan.csv' if path else '' }}}}",
        plan_only="{{ params.dry_run }}",
    )

    @task(multiple_outputs=False)
    def find_rule(policys: dict[str, Any]) -> dict[str, Any]:
        """Return who has to approve: as the policy says, or anybody where the form asks for it."""
        is_wanted = get_current_context()["params"]["approval"]
        return policys or (rule_as_dict(ANYBODY) if is_wanted else {})

    rule = find_rule(plan.output["approvals"])
    approve = ArtifactoryApprovalOperator(
        task_id="approve",
        chunks=plan.output,
        rule=rule,
        subject="Delete the tags of this plan?",
        fail_on_reject=False,
    )
    ArtifactoryRetentionOperator(
        task_id="delete",
        chunks=plan.output,
        retention=RULES,
        approval=approve.output,
        rule=rule,
        report_path=f"{folder}{{{{ '/report.csv' if path else '' }}}}",
    )


retention()
