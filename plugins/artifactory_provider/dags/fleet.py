"""The tasks of a fleet: all images of a run climb in one task, from one approval to the next."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule

from artifactory_provider.operators.approval import ArtifactoryApprovalOperator
from artifactory_provider.operators.ladder import ArtifactoryLadderOperator
from artifactory_provider.operators.select import ArtifactorySelectOperator
from artifactory_provider.tasks.handover import APPROVALS
from artifactory_provider.tasks.ladders import ARRIVED

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from artifactory_provider.pipelines.model import Pipeline, Stage


def add_fleet(pipeline: Pipeline, *, goal: Any = None, supersedes: bool = False, **selecting: Any) -> None:
    """Add the tasks of a fleet to the DAG that is being made.

    :param pipeline: the pipeline.
    :param goal: the name of the stage that images climb to, or a template of it; None for the last one.
    :param supersedes: whether an image ends for a newer tag of it.
    :param selecting: further arguments of ``ArtifactorySelectOperator``.
    """
    stages, below = pipeline.stages, pipeline.stages[0]
    last: BaseOperator = ArtifactorySelectOperator(task_id="select", pipeline=pipeline, **selecting)
    approval: ArtifactoryApprovalOperator | None = None

    def climb(stage: Stage) -> ArtifactoryLadderOperator:
        task = ArtifactoryLadderOperator(
            task_id=f"climb_to_{stage.name}",
            pipeline=pipeline,
            source_task_id=last.task_id,
            until=stage.name,
            goal=goal,
            approval=approval.output if approval else None,
            supersedes=supersedes,
            **({"pool": pipeline.pool} if pipeline.pool else {}),
        )
        (approval or last) >> task
        return task

    for lower, stage in itertools.pairwise(stages):
        if not stage.asks_approval:
            continue
        if lower is not below:
            last, below = climb(lower), lower
        approval = ArtifactoryApprovalOperator(
            task_id=f"approve_{stage.name}",
            artifactory_conn_id=pipeline.connection,
            chunks=last.output[ARRIVED],
            rule=last.output[APPROVALS],
            # Images that have failed on the way end the task before badly; the others go on.
            trigger_rule=TriggerRule.ALL_DONE,
        )
    climb(stages[-1])
