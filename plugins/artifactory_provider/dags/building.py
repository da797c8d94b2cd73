"""A pipeline becomes a DAG: what its tasks share, its schedule, its form and its page."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import DAG, Asset, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, Param

from artifactory_provider.dags.chain import add_chain
from artifactory_provider.dags.fleet import add_fleet
from artifactory_provider.notifications import PromotionNotifier
from artifactory_provider.pipelines.model import ON_PUSH, TRIGGERING
from artifactory_provider.tasks.push_schedules import schedule_on_push
from artifactory_provider.tasks.retries import RETRY_POLICY

if TYPE_CHECKING:
    from artifactory_provider.pipelines.model import Pipeline, Stage

IMAGES, GOAL = "{{ params.images | join('\\n') }}", "{{ params.stage }}"
"""What the form says, for operators."""
_MOST_RUNS = 64
_LONGEST_LINE = 400
_NO_DEFAULT = 50
"""Images that the form shows at most as its default; more of them are all that the pipeline means."""


def promotion_dag(pipeline: Pipeline) -> DAG:
    """Return the DAG of a pipeline; it stands in the file that calls this, as any DAG does.

    :param pipeline: the pipeline.
    """
    with make_dag(pipeline, pipeline.name, schedule=_schedule(pipeline), params=_form(pipeline)) as dag:
        if pipeline.mode == "chain":
            add_chain(pipeline)
        else:
            add_fleet(pipeline, images=IMAGES, goal=GOAL)
    return dag


def pushed_dag(pipeline: Pipeline) -> DAG | None:
    """Return the DAG that pushes and verdicts start, one run for each tag: ``<name>_on_push``; None where none do.

    :param pipeline: the pipeline.
    """
    if pipeline.starts.on_push is None and not pipeline.starts.on_verdict:
        return None
    params = {"stage": _form(pipeline)["stage"]}
    schedule = schedule_on_push(pipeline)
    with make_dag(
        _without_digests(pipeline),
        f"{pipeline.name}{ON_PUSH}",
        schedule=schedule,
        params=params,
        what="on push",
        most_runs=_MOST_RUNS,
    ) as dag:
        add_fleet(pipeline, goal=GOAL, supersedes=pipeline.supersedes, pushed=True)
    return dag


def make_dag(
    pipeline: Pipeline, dag_id: str, *, schedule: Any, params: dict[str, Param], what: str = "", most_runs: int = 4
) -> DAG:
    """Return a DAG of a pipeline without tasks.

    :param pipeline: the pipeline.
    :param dag_id: what it is called.
    :param schedule: what starts it.
    :param params: its form.
    :param what: what sets it apart from the pipeline's other DAGs, for its title.
    :param most_runs: how many runs there may be at a time: one that waits for a verdict holds up no other.
    """
    return DAG(
        dag_id,
        dag_display_name=f"{pipeline.title or pipeline.name}{f': {what}' if what else ''}",
        schedule=schedule,
        catchup=False,
        max_active_runs=most_runs,
        default_args={
            "owner": pipeline.owner,
            "retries": 3,
            "retry_delay": pendulum.duration(minutes=1),
            "retry_policy": RETRY_POLICY,
            **_notifying(pipeline),
        },
        params=params,
        doc_md=describe(pipeline),
        tags=["artifactory", "promotion", *pipeline.labels],
    )


def _notifying(pipeline: Pipeline) -> dict[str, Any]:
    """Return what makes tasks tell people how they end, and what they begin to wait for."""
    notify = pipeline.notify
    if notify is None or not notify.events:
        return {}
    notifier = PromotionNotifier(notify.connection, on=notify.events, to=notify.to)
    return {"on_failure_callback": notifier, "on_success_callback": notifier, "notifiers": [notifier]}


def _without_digests(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline that tells of no run as a whole: where each tag has a run, that would be a message a tag."""
    if pipeline.notify is None:
        return pipeline
    events = tuple(event for event in pipeline.notify.events if event != "digest")
    return replace(pipeline, notify=replace(pipeline.notify, events=events))


def describe(pipeline: Pipeline) -> str:
    """Return what a pipeline does, as Markdown for its DAG's page.

    :param pipeline: the pipeline.
    """
    images = ", ".join(f"`{image}`" for image in pipeline.images.include[:20])
    more = len(pipeline.images.include) - 20
    lines = [
        pipeline.description or pipeline.title or pipeline.name,
        "",
        f"Images: {images}{f' and {more} more' if more > 0 else ''}. Tag: `{pipeline.tag}`.",
        "",
        "| stage | repository | what moves an image on from here | what lets it come here |",
        "|---|---|---|---|",
        *(_describe_stage(stage, is_first=not number) for number, stage in enumerate(pipeline.stages)),
        "",
    ]
    return "\n".join(lines)


def _describe_stage(stage: Stage, *, is_first: bool) -> str:
    checks = ", ".join(f"`{check.name}`" for check in stage.checks) or "–"
    comes: list[str] = []
    if not is_first:
        comes = [f"as {', '.join(f'`{tag.template.text}`' for tag in stage.tags)}", "copied" if stage.copy else "moved"]
    if stage.asks_approval:
        comes.append("approved")
    if stage.windows is not None:
        comes.append(f"within {stage.windows.allowed_in_words or 'its windows'}")
    return f"| {stage.name} | `{stage.repository}` | {checks} | {', '.join(comes) or '–'} |"


def _schedule(pipeline: Pipeline) -> Any:
    starts = pipeline.starts
    assets = [Asset(name) for name in starts.after]
    timetable = None
    if starts.schedule is not None:
        timetable = CronTriggerTimetable(starts.schedule, timezone=starts.timezone, interval=datetime.timedelta(days=1))
    if timetable is not None and assets:
        return AssetOrTimeSchedule(timetable=timetable, assets=AssetAny(*assets))
    return timetable or (AssetAny(*assets) if assets else None)


def _form(pipeline: Pipeline) -> dict[str, Param]:
    stages = [stage.name for stage in pipeline.stages[1:]]
    names = list(pipeline.images.exact)
    is_short = pipeline.tag != TRIGGERING and not pipeline.images.has_wildcards and len(names) <= _NO_DEFAULT
    needed: dict[str, Any] = {"contains": {"pattern": r"\S"}} if is_short or pipeline.tag == TRIGGERING else {}
    return {
        "images": Param(
            names if is_short else [],
            type="array",
            items={"type": "string", "maxLength": _LONGEST_LINE},
            title="Images",
            description=(
                "One a line: an image for the tag that the pipeline takes, or image:tag, or a pattern or a range to "
                "choose its newest release from. Examples: payments/api, payments/api:1.4.2, payments/api:*-alpine, "
                "payments/api >=1.4 <2" + ("" if needed else ". None: all that the pipeline is for")
            ),
            **needed,
        ),
        "stage": Param(
            stages[-1], type="string", enum=stages, title="Up to", description="The stage that images climb to."
        ),
    }
