"""Promote thousands of tags at once: choose them in a form, read the plan, then run it.

A dry run, which is what the form starts with, only shows the plan: open the run's tab **Plan**. Without it the plan is
promoted in chunks, after an approval where one is asked for, and the tab shows what became of them. Whatever happens,
run it again with the same form: it does only what is left. `docs/backfill.md` walks through one.

The chunks run in the pool `artifactory_backfill`, which has to be there:
`airflow pools set artifactory_backfill 4 "Chunks of backfills"`.
"""

from __future__ import annotations

import pendulum
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag
from airflow.sdk.exceptions import AirflowSkipException

from artifactory_provider.forms import TagSelection
from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.operators.plan import ArtifactoryPlanOperator
from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator

POOL = "artifactory_backfill"

WHICH, WHEN, TO, HOW = "1. Which tags", "2. Which of them", "3. To where", "4. How"
NAMES = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 400}}
REPOSITORY = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
MOMENT = {"type": ["null", "string"], "format": "date-time", "section": WHEN}
SWITCH = {"type": "boolean", "section": HOW}
PATTERN = "One a line: * and ? stand for any text and any character, or regex:… for a regular expression."

FORM = {
    "repositories": Param(
        ["docker-dev"],
        type="array",
        items=REPOSITORY,
        minItems=1,
        title="Source repositories",
        description="One repository key a line, such as docker-dev.",
        section=WHICH,
    ),
    "images": Param(
        ["*"], title="Images", description=f"{PATTERN} Example: payments/*", section=WHICH, minItems=1, **NAMES
    ),
    "exclude_images": Param(
        [], title="Images left out", description="The same. Example: payments/legacy-*", section=WHICH, **NAMES
    ),
    "tags": Param(
        ["*"], title="Tags", description=f"{PATTERN} Example: 1.4.*, or regex:v\\d+\\.\\d+", section=WHICH, **NAMES
    ),
    "exclude_tags": Param([], title="Tags left out", description="The same. Example: *-rc*", section=WHICH, **NAMES),
    "versions": Param(
        None,
        type=["null", "string"],
        maxLength=200,
        title="Versions",
        description="A range of semantic versions, such as >=1.4.0 <2.0.0; it leaves out tags that are no versions.",
        section=WHEN,
    ),
    "created_from": Param(None, title="Created from", description="When the image was created there.", **MOMENT),
    "created_before": Param(None, title="Created before", description="This moment itself is left out.", **MOMENT),
    "updated_from": Param(None, title="Updated from", description="When it came to the source repository.", **MOMENT),
    "updated_before": Param(None, title="Updated before", description="This moment itself is left out.", **MOMENT),
    "properties": Param(
        [],
        type="array",
        items={"type": "string", "pattern": "^[^=]+=.*$"},
        title="Properties",
        description="One name=value a line, all of which the image has. Example: test.status=passed",
        section=WHEN,
    ),
    "target_repository": Param("docker-qa", title="Target repository", section=TO, **REPOSITORY),
    "target_image": Param(
        "{image}",
        type="string",
        minLength=1,
        maxLength=400,
        title="Target image",
        description="{image} stands for the source's. Example: mirror/{image}",
        section=TO,
    ),
    "target_tags": Param(
        ["{tag}"],
        title="Target tags",
        description=(
            "One a line; several give each image several tags. {tag}, {version}, {version.major}, {version.minor}, "
            "{version.patch} and {date:%Y%m%d} (created, UTC) stand for the source's. Example: release-{version.major}"
        ),
        section=TO,
        minItems=1,
        **NAMES,
    ),
    "on_conflict": Param(
        "fail",
        type="string",
        enum=["fail", "overwrite", "backup"],
        values_display={
            "fail": "leave it, and fail the run at its end",
            "overwrite": "overwrite it",
            "backup": "overwrite it, and keep the old image as <tag>-previous-…",
        },
        title="A target tag that shows another image",
        section=TO,
    ),
    "dry_run": Param(True, title="Dry run", description="Only show the plan, in the run's tab Plan.", **SWITCH),
    "largest": Param(
        1000,
        type="integer",
        minimum=1,
        maximum=1_000_000,
        title="Most promotions",
        description="A larger plan is refused, and says how many there are: confirm them here.",
        section=HOW,
    ),
    "approval": Param(False, title="Ask for approval", description="Somebody approves the plan first.", **SWITCH),
    "two_phase": Param(
        True,
        title="Two phases",
        description="Verify each image under a pending tag before its target tag shows it. Off is twice as fast.",
        **SWITCH,
    ),
    "referrers": Param(
        True,
        title="Referrers and children",
        description="Look each digest up, and bring OCI referrers along. Off saves two requests a digest.",
        **SWITCH,
    ),
    "emit_assets": Param(
        False, title="Wake other DAGs", description="An asset event for each promotion: off for bulk runs.", **SWITCH
    ),
    "report_path": Param(
        None,
        type=["null", "string"],
        maxLength=1000,
        title="Report folder",
        description="Plan and full reports as CSV, below a folder of the run. Example: s3://aws_default@bucket/backfills",
        section=HOW,
    ),
    "chunk_size": Param(250, type="integer", minimum=1, maximum=1000, title="Promotions in a chunk", section=HOW),
    "at_once": Param(32, type="integer", minimum=1, maximum=256, title="Requests at once in a chunk", section=HOW),
}


def read_selection(context, jinja_env):
    """Return which tags the form asks for."""
    return {field: context["params"][field] for field in TagSelection.__annotations__}


def skip_unless_asked(context):
    """Skip the approval where nobody asked for one, or nothing is left to approve."""
    if not context["params"]["approval"] or not context["ti"].xcom_pull(task_ids="plan"):
        raise AirflowSkipException("No approval is needed.")


@dag(
    schedule=None,
    max_active_runs=4,
    default_args={"retries": 3, "retry_delay": pendulum.duration(minutes=1)},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion", "backfill"],
)
def retag_backfill():
    """Plan, ask, promote in chunks, report."""
    folder = "{{ params.report_path.rstrip('/') + '/' + run_id if params.report_path else '' }}"
    plan = ArtifactoryPlanOperator(
        task_id="plan",
        selection=read_selection,
        target_repository="{{ params.target_repository }}",
        target_image="{{ params.target_image }}",
        target_tags="{{ params.target_tags | join('\n') }}",
        on_conflict="{{ params.on_conflict }}",
        largest="{{ params.largest }}",
        chunk_size="{{ params.chunk_size }}",
        plan_path=f"{folder}{{{{ '/plan.csv' if params.report_path else '' }}}}",
        plan_only="{{ params.dry_run }}",
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote this plan to {{ params.target_repository }}?",
        body="{{ ti.xcom_pull(task_ids='plan', key='plan_summary') }}",
        pre_execute=skip_unless_asked,
    )
    promote = ArtifactoryPromoteBatchOperator.partial(
        task_id="promote",
        on_conflict="{{ params.on_conflict }}",
        two_phase="{{ params.two_phase }}",
        referrers="{{ params.referrers }}",
        at_once="{{ params.at_once }}",
        emit_assets="{{ params.emit_assets }}",
        report_path=folder,
        pool=POOL,
        trigger_rule="none_failed",
    ).expand(chunk=plan.output)
    plan >> approve >> promote >> ArtifactoryBatchReportOperator(task_id="report", retries=0)


retag_backfill()
