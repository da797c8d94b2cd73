"""The tasks of a chain: each step of each image is a task that people can see and clear."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

from artifactory_provider.operators.approval import ArtifactoryApprovalOperator
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.select import find_night
from artifactory_provider.operators.select import list_images as list_images_of
from artifactory_provider.policy import rule_as_dict
from artifactory_provider.sensors.verification import ArtifactoryVerificationSensor
from artifactory_provider.tasks.forms import as_list, check_conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.pipelines.model import Pipeline, Stage


def add_chain(pipeline: Pipeline) -> None:
    """Add the tasks of a chain to the DAG that is being made: one group of tasks for each image.

    :param pipeline: the pipeline.
    """

    @task
    def list_images() -> list[str]:
        """Return the images of this run, each once."""
        context = get_current_context()
        check_conf(context)
        return list_images_of(_hook(pipeline), pipeline, as_list(context["params"]["images"], name="images"))

    @task(multiple_outputs=True, map_index_template="{{ candidate }}")
    def select(candidate: str) -> dict[str, Any]:
        """Pin what is promoted: a run for a past night finds what that night would have found."""
        context = get_current_context()
        context["candidate"] = candidate
        hook, night = _hook(pipeline), find_night(context)
        line = pipeline.complete(candidate, moment=night or context["dag_run"].run_after)
        image = hook.select(pipeline.stages[0].repository, line, created_before=night)
        if image is None:
            context["candidate"] = f"{candidate}: no release by that night"  # the grid shows why it was skipped
            raise AirflowSkipException(f"There was no release of {candidate} by that night.")
        created = hook.created(image) if any(stage.needs_date for stage in pipeline.stages) else None
        chosen: dict[str, Any] = {"image": image.image, "digest": image.digest}
        chosen[_tag_key(pipeline.stages[0], 0)] = image.tag
        source = image
        for stage in pipeline.stages[1:]:
            targets = list(dict.fromkeys(stage.targets(source, created=created)))
            rule = hook.rules().find_approvals(targets) if stage.asks_approval else None
            chosen[f"{stage.name}:promotions"] = [{"source": str(source), "target": str(target)} for target in targets]
            chosen[f"{stage.name}:approvals"] = rule_as_dict(rule) if rule else {}
            for number, target in enumerate(stage.targets(source, created=created)):
                chosen[_tag_key(stage, number)] = target.tag
            source = targets[0].pinned(str(image.digest))
        return chosen

    @task_group
    def ladder(candidate: str) -> None:
        chosen: Any = select(candidate)
        steps: list[BaseOperator] = []
        for lower, upper in zip(pipeline.stages, pipeline.stages[1:], strict=False):
            steps += _Step(pipeline, lower, upper, chosen).tasks()
        for before, after in itertools.pairwise(steps):
            before >> after

    ladder.expand(candidate=list_images())


@dataclass(frozen=True)
class _Step:
    """What takes an image from one stage to the next."""

    pipeline: Pipeline
    lower: Stage
    upper: Stage
    chosen: Any

    def tasks(self) -> list[BaseOperator]:
        """Return its tasks, in their order."""
        tasks: list[BaseOperator] = []
        verdicts: Any = None
        approval: Any = None
        if self.lower.checks:
            verify = self._verify()
            verdicts = verify.output["verdicts"]
            tasks.append(verify)
        if self.upper.asks_approval:
            approve = self._approve(verdicts)
            approval = approve.output
            tasks.append(approve)
        tasks += [self._promote(number, verdicts, approval) for number in range(len(self.upper.tags))]
        first = tasks[0]
        first._pre_execute_hook = self._skip_beyond_the_form
        return tasks

    @property
    def _image(self) -> dict[str, Any]:
        return {
            "image": self.chosen["image"],
            "tag": self.chosen[_tag_key(self.lower, 0)],
            "digest": self.chosen["digest"],
            "artifactory_conn_id": self.pipeline.connection,
        }

    def _verify(self) -> ArtifactoryVerificationSensor:
        return ArtifactoryVerificationSensor(
            task_id=f"verify_{self.lower.name}",
            repository=self.lower.repository,
            checks=self.lower.checks,
            poke_interval=self.pipeline.poke_interval.total_seconds(),
            timeout=self.lower.timeout,
            **self._image,
        )

    def _approve(self, verdicts: Any) -> ArtifactoryApprovalOperator:
        return ArtifactoryApprovalOperator(
            task_id=f"approve_{self.upper.name}",
            promotions=self.chosen[f"{self.upper.name}:promotions"],
            rule=self.chosen[f"{self.upper.name}:approvals"],
            verdicts=verdicts,
            map_index_template="{{ task.promotions[0]['target'] }}",
            artifactory_conn_id=self.pipeline.connection,
        )

    def _promote(self, number: int, verdicts: Any, approval: Any) -> ArtifactoryPromoteOperator:
        tag = self.upper.tags[number]
        return ArtifactoryPromoteOperator(
            task_id=f"promote_to_{self.upper.name}" + (f"_{number + 1}" if number else ""),
            source_repository=self.lower.repository,
            target_repository=self.upper.repository,
            target_tag=self.chosen[_tag_key(self.upper, number)],
            copy=self.upper.copy,
            on_conflict=tag.on_conflict,
            pending_repository=self.upper.pending_repository,
            verdicts=verdicts,
            approval=approval,
            when_refused="wait",
            longest_wait=self.lower.timeout,
            rules=self.pipeline.rules(),
            **({"pool": self.pipeline.pool} if self.pipeline.pool else {}),
            **self._image,
        )

    def _skip_beyond_the_form(self, context: Context) -> None:
        """Skip what leads beyond the stage that the form names."""
        names = [stage.name for stage in self.pipeline.stages]
        goal = context["params"]["stage"]
        if names.index(self.upper.name) > names.index(goal):
            raise AirflowSkipException(f"The form says that images climb to {goal}.")


def _tag_key(stage: Stage, number: int) -> str:
    """Return under which name the selection hands on one of an image's tags in a stage."""
    return f"{stage.name}:tag:{number}"


def _hook(pipeline: Pipeline) -> ArtifactoryHook:
    from artifactory_provider.hooks.artifactory import ArtifactoryHook

    return ArtifactoryHook(pipeline.connection, rules=pipeline.rules())
