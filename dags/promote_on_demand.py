"""Promote one image now, from a form: it is planned, shown, asked about where a rule asks for that, promoted, reported.

The run's tab **Plan** shows what the target tag shows now and what it would show; a dry run ends there. What holds for
every promotion holds here: the policy's checks, windows and approvals, stops, holds and rejections. What the
pipelines in `dags/pipelines` ask of their own images holds, too: who comes to a stage comes from the one before, has
passed its checks, within the windows, approved by whom the stage names. A freeze can be set aside under
**Required Actions**, where the policy lets somebody.

A digest in the form is the one that is promoted, or none is: a tag that shows another by then fails the plan, with
both digests. What the target tag has to show can be named in the same way. From the plan on, both are pinned anyway: if
a tag is moved while people are asked, it is left as it is. Run twice, the second run finds it done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, dag

from artifactory_provider.operators import (
    ArtifactoryApprovalOperator,
    ArtifactoryChangeReportOperator,
    ArtifactoryOverrideOperator,
    ArtifactoryPlanOneOperator,
    ArtifactoryPromoteOperator,
)
from artifactory_provider.pipelines import read_folder

PIPELINES = read_folder(Path(__file__).with_name("pipelines"))
REPOSITORIES = [*PIPELINES.repositories, "docker-dev", "docker-qa"]
OFFERED = 200
"""Images that the form names as examples; it takes others, too."""
KEY: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\s*[A-Za-z0-9][A-Za-z0-9._-]{0,63}\s*$",
    "examples": list(dict.fromkeys(REPOSITORIES)),
}

FORM = {
    "image": Param(
        type="string",
        pattern=r"^\s*[a-z0-9][a-z0-9._/-]*\s*$",
        maxLength=255,
        examples=PIPELINES.images[:OFFERED],
        title="Image",
        description="One image, without a tag. Example: payments/api",
    ),
    "tag": Param(
        "newest",
        type="string",
        pattern=r"\S",
        maxLength=200,
        examples=["newest"],
        title="Tag",
        description=(
            "A tag such as 1.4.2; newest for the newest release; or the newest of a pattern or a range, such as "
            "*-alpine or >=1.4 <2."
        ),
    ),
    "digest": Param(
        None,
        type=["null", "string"],
        pattern=r"^\s*(sha256:[0-9a-f]{64})?\s*$",
        title="Digest",
        description=(
            "The digest, sha256:…, that the tag has to show still, or nothing is promoted. Empty: whatever it shows."
        ),
    ),
    "source_repository": Param(REPOSITORIES[0], title="From", description="A stage's repository key.", **KEY),
    "target_repository": Param(REPOSITORIES[1], title="To", description="A stage's repository key.", **KEY),
    "dry_run": Param(
        False, type="boolean", title="Dry run", description="Only shows the plan: open the run's tab Plan then."
    ),
    "approval": Param(
        False,
        type="boolean",
        title="Ask for approval",
        description=(
            "The run waits until somebody has approved the plan, under Required Actions. Where the policy or the stage "
            "asks for approvals, it waits for those whatever is said here."
        ),
    ),
    "target_tag": Param(
        "{tag}",
        type="string",
        minLength=1,
        maxLength=200,
        title="Target tag",
        description="{tag}, {version}, {version.major}, … stand for the source's. Example: release-{version.major}",
        section="Target",
    ),
    "on_conflict": Param(
        "fail",
        type="string",
        enum=["fail", "overwrite", "backup"],
        values_display={
            "fail": "Leave it, and fail",
            "overwrite": "Overwrite it",
            "backup": "Overwrite it, and keep the old image for a rollback",
        },
        title="A target tag that shows another image",
        section="Target",
    ),
    "replaces": Param(
        None,
        type=["null", "string"],
        pattern=r"^\s*(none|sha256:[0-9a-f]{64})?\s*$",
        title="Replaces",
        description=(
            "The digest that the target tag has to show still, or none where it has to show nothing; else nothing is "
            "promoted. Empty: whatever it shows."
        ),
        section="Target",
    ),
}


@dag(
    dag_display_name="Promote on demand: one image",
    schedule=None,
    default_args={"owner": "platform", "retries": 3, "retry_delay": pendulum.duration(minutes=1)},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion"],
)
def promote_on_demand() -> None:
    """Plan, ask, promote, report."""
    rules = PIPELINES.rules()
    names = ("source_repository", "target_repository", "image")
    image = {name: f"{{{{ params.{name} | trim }}}}" for name in names}
    plan = ArtifactoryPlanOneOperator(
        task_id="plan",
        tag="{{ params.tag | trim }}",
        digest="{{ (params.digest or '') | trim }}",
        target_tag="{{ params.target_tag | trim }}",
        on_conflict="{{ params.on_conflict }}",
        replaces="{{ (params.replaces or '') | trim }}",
        ask="{{ params.approval }}",
        plan_only="{{ params.dry_run }}",
        rules=rules,
        **image,
    )
    question = {"body": plan.output["plan_summary"], "verdicts": plan.output["verdicts"], "fail_on_reject": False}
    override = ArtifactoryOverrideOperator(
        task_id="override",
        promotions=plan.output["refused"],
        rule=plan.output["override"],
        refusal=plan.output["refusal"],
        **question,
    )
    approve = ArtifactoryApprovalOperator(
        task_id="approve", promotions=plan.output["promotions"], rule=plan.output["approvals"], **question
    )
    promote = ArtifactoryPromoteOperator(
        task_id="promote",
        tag=plan.output["tag"],
        digest=plan.output["digest"],
        target_tag=plan.output["target_tag"],
        on_conflict="{{ params.on_conflict }}",
        replaces=plan.output["replaces"],
        approval=approve.output,
        override=override.output,
        rules=rules,
        **image,
    )
    ended = EmptyOperator(task_id="ended", trigger_rule="all_done")
    report = ArtifactoryChangeReportOperator(task_id="report", trigger_rule="all_success")
    override >> approve >> promote >> ended
    [plan, ended] >> report


promote_on_demand()
