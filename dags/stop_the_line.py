"""The emergency button: nothing is promoted to some repositories any more, from this moment on.

Runs that are under way end the promotions whose retag is on its way, and begin no other; with *Let the line go on* it
goes on. Rollbacks go on meanwhile, unless they are stopped, too: taking a bad image out is what a stop is often for.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from artifactory_provider.operators import ArtifactoryResumeOperator, ArtifactoryStopOperator
from artifactory_provider.tasks import check_conf

PATTERNS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "maxLength": 400},
    "contains": {"pattern": r"\S"},
}

FORM = {
    "action": Param(
        "stop",
        type="string",
        enum=["stop", "resume"],
        values_display={"stop": "Stop the line", "resume": "Let the line go on"},
        title="What happens",
    ),
    "reason": Param(
        type="string",
        pattern=r"\S",
        maxLength=500,
        title="Reason",
        description="Everybody whose promotion is refused reads it, with your name.",
    ),
    "repositories": Param(
        ["*"],
        title="Target repositories",
        description="One a line, * and ? stand for any text and any character. To go on, as they were written to stop.",
        **PATTERNS,
    ),
    "images": Param(["*"], title="Images", description="One a line. Example: payments/*", **PATTERNS),
    "until": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Until",
        description="When it ends by itself. Empty: until somebody lets the line go on.",
    ),
    "also_rollbacks": Param(False, type="boolean", title="Rollbacks, too"),
    "since": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Only what was stopped at",
        description="To go on: lifts the one order of that moment, for exactly these repositories and images.",
    ),
}


@dag(
    dag_display_name="Stop the line: no promotions",
    schedule=None,
    default_args={"owner": "platform", "retries": 2},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion", "policy"],
)
def stop_the_line() -> None:
    """Stop the line, or let it go on."""

    @task.branch
    def choose() -> str:
        """Do what the form says."""
        context = get_current_context()
        check_conf(context)
        return str(context["params"]["action"])

    stop = ArtifactoryStopOperator(
        task_id="stop",
        reason="{{ params.reason }}",
        repositories="{{ params.repositories | join('\n') }}",
        images="{{ params.images | join('\n') }}",
        until="{{ params.until or '' }}",
        also_rollbacks="{{ params.also_rollbacks }}",
    )
    resume = ArtifactoryResumeOperator(
        task_id="resume",
        reason="{{ params.reason }}",
        repositories="{{ (params.repositories if params.repositories != ['*'] else []) | join('\n') }}",
        images="{{ params.images | join('\n') }}",
        since="{{ params.since or '' }}",
    )
    choose() >> [stop, resume]


stop_the_line()
