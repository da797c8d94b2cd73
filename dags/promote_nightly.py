"""Every night, the newest release of each image climbs from dev to qa to prod.

An image moves on only when the tests of its stage have passed on that very digest. One image that fails never holds
up the others. The DAG also runs as soon as the service catalogue has passed its check, and by hand from the UI.

| a red | means |
|---|---|
| `select` | there is no such image or tag, or which release is the newest is not certain |
| `verify_dev`, `verify_qa` | the tests of that stage failed on this digest, or had no verdict for four hours |
| `approve_prod` | somebody has said no; nobody is asked where the policy asks for no approval |
| `promote_to_qa`, `promote_to_prod` | the server or a rule refused, or the target tag shows another digest |

Its log says what to do. Clear it then: what is done already is left as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pendulum
from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Param,
    dag,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowSkipException

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators import ArtifactoryApprovalOperator, ArtifactoryPromoteOperator
from artifactory_provider.policy import rule_as_dict
from artifactory_provider.promotion.selection import read_candidates
from artifactory_provider.sensors import ArtifactoryVerificationSensor
from artifactory_provider.tasks import RETRY_POLICY, check_conf
from artifactory_provider.verification import PropertyCheck

TIMEZONE = pendulum.timezone("Europe/Berlin")

# An image alone stands for its newest release. Where that is not certain, say which tags are meant, by a pattern or a
# range: "payments/api:*-alpine", "payments/api >=1.4 <2".
IMAGES = [
    "cluster-autoscaler",
    "controller",
    "coredns",
    "csi-attacher",
    "csi-provisioner",
    "csi-resizer",
    "csi-snapshotter",
    "hostpathplugin",
    "livenessprobe",
    "metrics-server",
    "node-feature-discovery",
    "vpa-recommender",
]


@dag(
    dag_display_name="Promote nightly: dev → qa → prod",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 2 * * *", timezone=TIMEZONE, interval=pendulum.duration(days=1)),
        assets=[Asset("service_catalog")],
    ),
    catchup=False,
    max_active_runs=4,  # one that waits for a verdict holds up no other
    default_args={
        "owner": "platform",
        "retries": 3,
        "retry_delay": pendulum.duration(minutes=1),
        "retry_policy": RETRY_POLICY,
    },
    params={
        "images": Param(
            read_candidates(IMAGES),
            type="array",
            items={"type": "string", "maxLength": 400},
            contains={"pattern": r"\S"},  # blank lines count for nothing
            title="Images",
            description=(
                "One a line: an image for its newest release, image:tag, or a pattern or a range to choose its newest "
                "release from. Examples: payments/api, payments/api:1.4.2, payments/api:*-alpine, payments/api >=1.4 <2"
            ),
        ),
    },
    doc_md=__doc__,
    tags=["artifactory", "promotion"],
)
def promote_nightly() -> None:
    """Promote each image of the list: dev → qa → prod."""

    @task
    def list_images() -> list[str]:
        """Return the images of this run, each once."""
        context = get_current_context()
        check_conf(context)
        return read_candidates(context["params"]["images"])

    @task(multiple_outputs=True, map_index_template="{{ candidate }}")
    def select(candidate: str) -> dict[str, Any]:
        """Pin what is promoted: a run for a past night finds what that night would have found."""
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        context = get_current_context()
        context["candidate"] = candidate
        is_for_a_night = context["dag_run"].run_type in {"scheduled", "backfill"}
        night = context["data_interval_end"] if is_for_a_night else None
        hook = ArtifactoryHook()
        image = hook.select("docker-dev", candidate, created_before=night)
        if image is None:
            context["candidate"] = f"{candidate}: no release by that night"  # the grid shows why it was skipped
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
        chosen = select(candidate)
        image = {"image": chosen["image"], "tag": chosen["tag"], "digest": chosen["digest"]}

        verify_dev = ArtifactoryVerificationSensor(
            task_id="verify_dev",
            repository="docker-dev",
            checks=[PropertyCheck(name="test.status")],
            poke_interval=5,
            timeout=pendulum.duration(hours=4),
            **image,
        )
        promote_to_qa = ArtifactoryPromoteOperator(
            task_id="promote_to_qa",
            source_repository="docker-dev",
            target_repository="docker-qa",
            verdicts=verify_dev.output["verdicts"],
            when_refused="wait",
            longest_wait=pendulum.duration(hours=4),
            **image,
        )
        verify_qa = ArtifactoryVerificationSensor(
            task_id="verify_qa",
            repository="docker-qa",
            checks=[PropertyCheck(name="qa.test.status")],
            poke_interval=5,
            timeout=pendulum.duration(hours=4),
            **image,
        )
        approve_prod = ArtifactoryApprovalOperator(
            task_id="approve_prod",
            promotions=chosen["to_prod"],
            rule=chosen["approvals"],
            verdicts=verify_qa.output["verdicts"],
            map_index_template="{{ task.promotions[0]['target'] }}",
        )
        promote_to_prod = ArtifactoryPromoteOperator(
            task_id="promote_to_prod",
            source_repository="docker-qa",
            target_repository="docker-prod",
            verdicts=verify_qa.output["verdicts"],
            approval=approve_prod.output,
            when_refused="wait",
            longest_wait=pendulum.duration(hours=4),
            **image,
        )
        verify_dev >> promote_to_qa >> verify_qa >> approve_prod >> promote_to_prod

    ladder.expand(candidate=list_images())


promote_nightly()
