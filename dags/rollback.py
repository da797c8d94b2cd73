"""Give a tag back what it showed before: to take a bad image out, at once and for as long as a person says so.

The run's tab **Plan** shows what the tag shows now, what it would show again, from where, and since when; nothing has
changed by then. Under **Required Actions** somebody approves it, and as many as the policy wants where it has a rule
for rollbacks; a freeze that names rollbacks is set aside there, too, where the policy lets somebody. The tag is held on
the older image from then on: no run brings back what was taken out, until **Hold or reject an image** lifts the hold.

If the tag is moved while people are asked, or shows another digest than the form names, it is left as it is. Run twice
with the same form, the second run finds it done. `docs/promotion.md` says what a rollback needs.
"""

from __future__ import annotations

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, dag

from artifactory_provider.operators import (
    ArtifactoryApprovalOperator,
    ArtifactoryChangeReportOperator,
    ArtifactoryOverrideOperator,
    ArtifactoryPlanRollbackOperator,
    ArtifactoryRollbackOperator,
)

FORM = {
    "repository": Param(
        "docker-prod",
        type="string",
        pattern=r"^\s*[A-Za-z0-9][A-Za-z0-9._-]{0,63}\s*$",
        title="Repository",
        description="One repository key, such as docker-prod.",
    ),
    "image": Param(
        type="string",
        pattern=r"^\s*[a-z0-9][a-z0-9._/-]*\s*$",
        maxLength=255,
        title="Image",
        description="Example: payments/api",
    ),
    "tag": Param(
        type="string",
        pattern=r"^\s*[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\s*$",
        title="Tag",
        description="The tag that goes back. Example: 1.4",
    ),
    "version": Param(
        None,
        type=["null", "string"],
        pattern=r"^\s*(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9._-]*-previous-[0-9a-f]{12})?\s*$",
        title="Version",
        description=(
            "Empty: what the tag showed before. Or the whole digest to go back to, or the tag of its backup, such as "
            "1.4-previous-34378e272cd1."
        ),
    ),
    "replaces": Param(
        None,
        type=["null", "string"],
        pattern=r"^\s*(sha256:[0-9a-f]{64})?\s*$",
        title="Replaces",
        description="The digest that the tag has to show still, or nothing is changed. Empty: whatever it shows.",
    ),
    "reason": Param(
        type="string",
        pattern=r"\S",
        maxLength=500,
        title="Reason",
        description="Whoever is asked reads it, and everybody whose promotion the hold refuses, with your name.",
    ),
    "approval": Param(
        True,
        type="boolean",
        title="Ask first",
        description=(
            "The run shows its plan, and waits until somebody has approved it; you may. Where the policy asks for "
            "approvals of rollbacks, it waits for those whatever is said here."
        ),
    ),
}


@dag(
    dag_display_name="Roll back: give a tag what it showed before",
    schedule=None,
    default_args={"owner": "platform", "retries": 3, "retry_delay": pendulum.duration(minutes=1)},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion", "policy"],
)
def rollback() -> None:
    """Plan, ask, roll back, report."""
    tag = {name: f"{{{{ params.{name} | trim }}}}" for name in ("repository", "image", "tag", "reason")}
    subject = "{{ params.repository | trim }}/{{ params.image | trim }}:{{ params.tag | trim }}"
    plan = ArtifactoryPlanRollbackOperator(
        task_id="plan",
        version="{{ (params.version or '') | trim }}",
        replaces="{{ (params.replaces or '') | trim }}",
        ask="{{ params.approval }}",
        **tag,
    )
    question = {"body": plan.output["plan_summary"], "verdicts": plan.output["verdicts"], "fail_on_reject": False}
    override = ArtifactoryOverrideOperator(
        task_id="override",
        promotions=plan.output["refused"],
        rule=plan.output["override"],
        refusal=plan.output["refusal"],
        subject=f"Roll {subject} back in spite of a freeze?",
        **question,
    )
    approve = ArtifactoryApprovalOperator(
        task_id="approve",
        promotions=plan.output["promotions"],
        rule=plan.output["approvals"],
        subject=f"Roll {subject} back?",
        **question,
    )
    roll_back = ArtifactoryRollbackOperator(
        task_id="roll_back",
        digest=plan.output["digest"],
        replaces=plan.output["replaces"],
        approval=approve.output,
        override=override.output,
        **tag,
    )
    ended = EmptyOperator(task_id="ended", trigger_rule="all_done")
    report = ArtifactoryChangeReportOperator(task_id="report", change_task_id="roll_back", trigger_rule="all_success")
    override >> approve >> roll_back >> ended
    [plan, ended] >> report


rollback()
