"""A chain dev → qa → prod written by hand, with the tasks and the form of a pipeline.

It is of the image that is called as this file is; a file whose name begins with "bare" has no form.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators import ArtifactoryApprovalOperator, ArtifactoryPromoteOperator
from artifactory_provider.policy import rule_as_dict
from artifactory_provider.promotion.selection import read_candidates
from artifactory_provider.sensors import ArtifactoryVerificationSensor
from artifactory_provider.tasks import RETRY_POLICY, check_conf
from artifactory_provider.verification import PropertyCheck

NAME = Path(__file__).stem
HAS_FORM = not NAME.startswith("bare")


@dag(
    NAME,
    schedule=CronTriggerTimetable("0 2 * * *", timezone="Europe/Berlin", interval=pendulum.duration(days=1)),
    catchup=False,
    max_active_runs=4,
    default_args={
        "owner": "platform",
        "retries": 3,
        "retry_delay": pendulum.duration(minutes=1),
        "retry_policy": RETRY_POLICY,
    },
    params={
        "images": Param(
            [f"team/{NAME}"],
            type="array",
            items={"type": "string", "maxLength": 400},
            contains={"pattern": r"\S"},
            title="Images",
            description="One a line: an image for its newest release, or image:tag.",
        ),
        "stage": Param("prod", type="string", enum=["qa", "prod"], title="Up to"),
    }
    if HAS_FORM
    else None,
    doc_md=__doc__,
    tags=["artifactory", "promotion"],
)
def promote() -> None:
    """Promote an image: dev → qa → prod."""

    @task
    def list_images() -> list[str]:
        """Return the images of this run, each once."""
        context = get_current_context()
        check_conf(context)
        return read_candidates(context["params"]["images"])

    @task(multiple_outputs=True, map_index_template="{{ candidate }}")
    def select(candidate: str) -> dict[str, Any]:
        """Pin what is promoted."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        hook = ArtifactoryHook()
        image = hook.select("docker-dev", candidate, created_before=get_current_context()["data_interval_end"])
        if image is None:
            raise AirflowSkipException(f"There was no release of {candidate} by that night.")
        target = ImageReference("docker-prod", image.image, image.tag)
        rule = hook.rules().find_approvals([target])
        return {
            "image": image.image,
            "tag": image.tag,
            "digest": image.digest,
            "approvals": rule_as_dict(rule) if rule else {},
            "to_prod": [{"source": str(replace(image, repository="docker-qa")), "target": str(target)}],
        }

    @task_group
    def ladder(candidate: str) -> None:
        chosen: Any = select(candidate)
        image = {"image": chosen["image"], "tag": chosen["tag"], "digest": chosen["digest"]}
        verify_dev = ArtifactoryVerificationSensor(
            task_id="verify_dev",
            repository="docker-dev",
            checks=[PropertyCheck(name="test.status")],
            timeout=pendulum.duration(hours=4),
            **image,
        )
        dev: Any = verify_dev.output
        promote_to_qa = ArtifactoryPromoteOperator(
            task_id="promote_to_qa",
            source_repository="docker-dev",
            target_repository="docker-qa",
            verdicts=dev["verdicts"],
            when_refused="wait",
            longest_wait=pendulum.duration(hours=4),
            **image,
        )
        verify_qa = ArtifactoryVerificationSensor(
            task_id="verify_qa",
            repository="docker-qa",
            checks=[PropertyCheck(name="qa.test.status")],
            timeout=pendulum.duration(hours=4),
            **image,
        )
        qa: Any = verify_qa.output
        approve_prod = ArtifactoryApprovalOperator(
            task_id="approve_prod",
            promotions=chosen["to_prod"],
            rule=chosen["approvals"],
            verdicts=qa["verdicts"],
        )
        approval: Any = approve_prod.output
        promote_to_prod = ArtifactoryPromoteOperator(
            task_id="promote_to_prod",
            source_repository="docker-qa",
            target_repository="docker-prod",
            verdicts=qa["verdicts"],
            approval=approval,
            when_refused="wait",
            longest_wait=pendulum.duration(hours=4),
            **image,
        )
        verify_dev >> promote_to_qa >> verify_qa >> approve_prod >> promote_to_prod

    ladder.expand(candidate=list_images())


promote()
