"""What stands in stages that no promotion explains; what is gone, has lost a part, or would not pass today's rules.

Every night, and whenever you trigger it. The report is on the run's tab *Plan*; nothing is changed.

A finding that is right as it is can be accepted: trigger this DAG with *Accept findings*, their names from the report,
why, and until when. It is not told again until then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from artifactory_provider.operators import ArtifactoryAcceptFindingsOperator, ArtifactoryAuditOperator
from artifactory_provider.tasks import check_conf

LINES: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": 600}}

FORM = {
    "action": Param(
        "audit",
        type="string",
        enum=["audit", "accept"],
        values_display={"audit": "Audit", "accept": "Accept findings"},
        title="What happens",
    ),
    "repositories": Param(
        [],
        title="Repositories",
        description="One a line. Empty: those of all stages of the pipelines but the first, where images are pushed.",
        **LINES,
    ),
    "images": Param(["*"], title="Images", description="Patterns, one a line. Example: payments/*", **LINES),
    "csv_path": Param(
        None,
        type=["null", "string"],
        maxLength=1000,
        title="CSV file",
        description="Where all findings are written. Example: s3://aws_default@reports/drift.csv",
    ),
    "findings": Param([], title="Findings to accept", description="Their names, one a line.", **LINES),
    "reason": Param(None, type=["null", "string"], maxLength=500, title="Why they are accepted"),
    "until": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Accepted until",
        description="Then they are told again.",
    ),
}


@dag(
    dag_display_name="Audit the stages",
    schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "platform", "retries": 2},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion", "audit"],
)
def audit_drift() -> None:
    """Audit, or accept what an audit has found."""

    @task.branch
    def choose() -> str:
        """Do what the form says."""
        context = get_current_context()
        check_conf(context)
        return str(context["params"]["action"])

    audit = ArtifactoryAuditOperator(
        task_id="audit",
        folder=Path(__file__).with_name("pipelines"),
        repositories="{{ params.repositories | join('\n') }}",
        images="{{ params.images | join('\n') }}",
        csv_path="{{ params.csv_path or '' }}",
    )
    accept = ArtifactoryAcceptFindingsOperator(
        task_id="accept",
        findings="{{ params.findings | join('\n') }}",
        reason="{{ params.reason or '' }}",
        until="{{ params.until or '' }}",
    )
    choose() >> [audit, accept]


audit_drift()
