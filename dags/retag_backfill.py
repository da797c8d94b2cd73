"""Promote thousands of tags at once: choose them in a form, read the plan, then run it.

A dry run, which is what the form starts with, only shows the plan: open the run's tab **Plan**. Without it the plan is
promoted in chunks, after an approval where one is asked for, and the tab shows what became of them. Whatever happens,
run it again with the same form: it does only what is left. `docs/backfill.md` walks through one.

The chunks run in the pool `artifactory_backfill`, which has to be there:
`airflow pools set artifactory_backfill 4 "Chunks of backfills"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, dag, get_current_context, task

from artifactory_provider.operators import (
    ArtifactoryApprovalOperator,
    ArtifactoryBatchReportOperator,
    ArtifactoryPlanOperator,
    ArtifactoryPromoteBatchOperator,
)
from artifactory_provider.policy import ANYBODY, rule_as_dict
from artifactory_provider.tasks import TagSelection, check_conf

if TYPE_CHECKING:
    from airflow.sdk import Context

POOL = "artifactory_backfill"

# Airflow shows what has no section first, and open: what every run needs. All other fields start closed.
NARROW, TARGET, SAFETY, BULK = "Fewer tags", "Target", "Safety", "Size, reports and other DAGs"
# Blank lines, and spaces around a line, count for nothing; the form sends null for a list that somebody has emptied.
NAMES: dict[str, Any] = {"type": ["null", "array"], "items": {"type": "string", "maxLength": 400}}
SOME: dict[str, Any] = {"type": "array", "contains": {"pattern": r"\S"}}
KEY = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
MOMENT: dict[str, Any] = {"type": ["null", "string"], "format": "date-time", "section": NARROW}
PATTERN = "One a line: * and ? stand for any text and any character, or regex:… for a regular expression."

FORM = {
    "repositories": Param(
        ["docker-dev"],
        items={"type": "string", "pattern": rf"^\s*({KEY})?\s*$"},
        **SOME,
        title="Source repositories",
        description="One repository key a line, such as docker-dev.",
    ),
    "images": Param(["*"], title="Images", description=f"{PATTERN} Example: payments/*", **(NAMES | SOME)),
    "tags": Param(["*"], title="Tags", description=f"{PATTERN} Example: 1.4.*, or regex:v\\d+\\.\\d+", **NAMES),
    "target_repository": Param(
        "docker-qa",
        type="string",
        pattern=rf"^\s*{KEY}\s*$",
        title="Target repository",
        description="One repository key, such as docker-qa.",
    ),
    "target_tags": Param(
        ["{tag}"],
        title="Target tags",
        description=(
            "One a line; several give each image several tags. {tag}, {version}, {version.major}, {version.minor}, "
            "{version.patch} and {date:%Y%m%d} (created, UTC) stand for the source's. Example: release-{version.major}"
        ),
        **(NAMES | SOME),
    ),
    "dry_run": Param(
        True, type="boolean", title="Dry run", description="Only shows the plan: open the run's tab Plan then."
    ),
    "exclude_images": Param(
        [], title="Images left out", description=f"{PATTERN} Example: payments/legacy-*", section=NARROW, **NAMES
    ),
    "exclude_tags": Param([], title="Tags left out", description=f"{PATTERN} Example: *-rc*", section=NARROW, **NAMES),
    "versions": Param(
        None,
        type=["null", "string"],
        maxLength=200,
        title="Versions",
        description="A range of versions, such as >=1.4.0 <2.0.0; it leaves out tags that are no versions.",
        section=NARROW,
    ),
    "created_from": Param(None, title="Created from", description="When the image was created there.", **MOMENT),
    "created_before": Param(None, title="Created before", description="This moment itself is left out.", **MOMENT),
    "updated_from": Param(None, title="Updated from", description="When it came to the source repository.", **MOMENT),
    "updated_before": Param(None, title="Updated before", description="This moment itself is left out.", **MOMENT),
    "properties": Param(
        [],
        type=["null", "array"],
        items={"type": "string", "pattern": r"^\s*$|^[^=]+=.+$"},
        title="Properties",
        description="One name=value a line, all of which the image has. Example: test.status=passed",
        section=NARROW,
    ),
    "target_image": Param(
        "{image}",
        type="string",
        minLength=1,
        maxLength=400,
        title="Target image",
        description="{image} stands for the source's. Example: mirror/{image}",
        section=TARGET,
    ),
    "on_conflict": Param(
        "fail",
        type="string",
        enum=["fail", "overwrite", "backup"],
        values_display={
            "fail": "Leave it, and fail the run at its end",
            "overwrite": "Overwrite it",
            "backup": "Overwrite it, and keep the old image under another tag",
        },
        title="A target tag that shows another image",
        section=TARGET,
    ),
    "largest": Param(
        1000,
        type="integer",
        minimum=1,
        maximum=1_000_000,
        title="Most promotions",
        description="A larger plan is refused, and says how many there are: confirm them here.",
        section=SAFETY,
    ),
    "approval": Param(
        False,
        type="boolean",
        title="Ask for approval",
        description=(
            "The run waits until somebody has approved the plan, under Required Actions. Where the policy asks for "
            "approvals, it waits for those whatever is said here."
        ),
        section=SAFETY,
    ),
    "when_refused": Param(
        "fail",
        type="string",
        enum=["fail", "wait"],
        values_display={"fail": "Fail them, and promote the others", "wait": "Wait for up to a day, without a worker"},
        title="What is refused meanwhile",
        description="While the run promotes, the line may be stopped, a freeze begin, a tag be held.",
        section=SAFETY,
    ),
    "two_phase": Param(
        True,
        type="boolean",
        title="Two phases",
        description="Verify each image before its target tag shows it. Off takes half the requests.",
        section=SAFETY,
    ),
    "pending_repository": Param(
        None,
        type=["null", "string"],
        pattern=rf"^\s*({KEY})?\s*$",
        title="Transit repository",
        description="Where images wait until they are verified, such as docker-transit; empty: in the target itself.",
        section=SAFETY,
    ),
    "attachments": Param(
        "all",
        type="string",
        enum=["all", "tags", "none"],
        values_display={
            "all": "Signatures, SBOMs and OCI referrers, of children too",
            "tags": "What stands under tags, such as cosign's signatures",
            "none": "None",
        },
        title="What belongs to each image",
        description="The first compares children, too, and costs four more requests for two platforms.",
        section=SAFETY,
    ),
    "chunk_size": Param(250, type="integer", minimum=1, maximum=1000, title="Promotions in a chunk", section=BULK),
    "at_once": Param(32, type="integer", minimum=1, maximum=256, title="Requests at once in a chunk", section=BULK),
    "report_path": Param(
        None,
        type=["null", "string"],
        maxLength=1000,
        title="Report folder",
        description="Plan and full reports as CSV, in a folder of the run. Example: s3://aws_default@bucket/backfills",
        section=BULK,
    ),
    "emit_assets": Param(
        False,
        type="boolean",
        title="Wake other DAGs",
        description="An asset event for each promotion; DAGs that follow these repositories run then.",
        section=BULK,
    ),
}


def read_selection(context: Context, jinja_env: object) -> dict[str, Any]:
    """Return which tags the form asks for; a field that it does not have is a mistake in what the run was given."""
    check_conf(context)
    return {field: context["params"][field] for field in TagSelection.__annotations__}


@dag(
    dag_display_name="Retag backfill: promote in bulk",
    schedule=None,
    max_active_runs=4,
    default_args={"owner": "platform", "retries": 3, "retry_delay": pendulum.duration(minutes=1)},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion", "backfill"],
)
def retag_backfill() -> None:
    """Plan, ask, promote in chunks, report."""
    folder = "{% set path = (params.report_path or '') | trim %}{{ path.rstrip('/') + '/' + run_id if path else '' }}"
    plan = ArtifactoryPlanOperator(
        task_id="plan",
        selection=read_selection,
        target_repository="{{ params.target_repository | trim }}",
        target_image="{{ params.target_image | trim }}",
        target_tags="{{ params.target_tags | join('\n') }}",
        on_conflict="{{ params.on_conflict }}",
        attachments="{{ params.attachments }}",
        largest="{{ params.largest }}",
        chunk_size="{{ params.chunk_size }}",
        plan_path=f"{folder}{{{{ '/plan.csv' if path else '' }}}}",
        plan_only="{{ params.dry_run }}",
    )

    @task(multiple_outputs=False)
    def find_rule(policys: dict[str, Any]) -> dict[str, Any]:
        """Return who has to approve: as the policy says, or anybody where the form asks for it."""
        is_wanted = get_current_context()["params"]["approval"]
        return policys or (rule_as_dict(ANYBODY) if is_wanted else {})

    approve = ArtifactoryApprovalOperator(
        task_id="approve",
        chunks=plan.output,
        rule=find_rule(plan.output["approvals"]),
        subject="Promote this plan to {{ params.target_repository | trim }}?",
        fail_on_reject=False,
    )
    promote = ArtifactoryPromoteBatchOperator.partial(
        task_id="promote",
        on_conflict="{{ params.on_conflict }}",
        two_phase="{{ params.two_phase }}",
        pending_repository="{{ params.pending_repository or '' }}",
        attachments="{{ params.attachments }}",
        approval=approve.output,
        when_refused="{{ params.when_refused }}",
        at_once="{{ params.at_once }}",
        emit_assets="{{ params.emit_assets }}",
        report_path=folder,
        pool=POOL,
    ).expand(chunk=plan.output)
    # The report needs a plan, and all chunks to have ended, however they did.
    chunks_ended = EmptyOperator(task_id="chunks_ended", trigger_rule="all_done")
    report = ArtifactoryBatchReportOperator(task_id="report", trigger_rule="all_success")
    approve >> promote >> chunks_ended
    [plan, chunks_ended] >> report


retag_backfill()
