"""The DAGs that the tests of metrics run: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

import datetime
from typing import Any

from airflow.sdk import DAG, TriggerRule, chain

from artifactory_provider.dags import promotion_dag
from artifactory_provider.operators import (
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
    ArtifactoryRollbackOperator,
)
from artifactory_provider.pipelines import Pipeline, Stage
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.sensors import ArtifactoryBatchVerificationSensor, ArtifactoryVerificationSensor
from artifactory_provider.verification import PropertyCheck

QA: dict[str, Any] = {"source_repository": "docker-dev", "target_repository": "docker-qa"}

with DAG("counted", schedule=None):
    chain(
        ArtifactoryVerificationSensor(
            task_id="verify", repository="docker-dev", image="counted/one", tag="2", poke_interval=0.5, timeout=60
        ),
        ArtifactoryBatchVerificationSensor(
            task_id="verify_many",
            images=["docker-dev/counted/one:1", "docker-dev/counted/one:2"],
            poke_interval=0.5,
            timeout=60,
        ),
        ArtifactoryPromoteOperator(
            task_id="one", image="counted/one", tag="1", target_tag="live", on_conflict="backup", **QA
        ),
        ArtifactoryPromoteOperator(
            task_id="next", image="counted/one", tag="2", target_tag="live", on_conflict="backup", **QA
        ),
        ArtifactoryRollbackOperator(task_id="back", repository="docker-qa", image="counted/one", tag="live"),
        ArtifactoryPromoteOperator(
            task_id="whole", image="counted/whole", tag=None, trigger_rule=TriggerRule.ALL_DONE, **QA
        ),
        ArtifactoryPromoteOperator(task_id="request", image="counted/request", tag=None, one_request=True, **QA),
        ArtifactoryPromoteBatchOperator(
            task_id="many",
            promotions=[
                {"source": f"docker-dev/counted/many:{tag}", "target": f"docker-qa/counted/many:{tag}"}
                for tag in ("1", "2", "absent")
            ],
            confirmation_timeout=0,
            retries=0,
        ),
        ArtifactoryPromoteOperator(
            task_id="held",
            image="counted/one",
            tag="2",
            target_tag="live",
            on_conflict="overwrite",
            retries=0,
            trigger_rule=TriggerRule.ALL_DONE,
            **QA,
        ),
    )

SOON = datetime.timedelta(seconds=3)
fleet = promotion_dag(
    Pipeline(
        name="counted_fleet",
        images=Patterns(("counted-fleet/*",)),
        stages=(
            Stage(name="dev", repository="docker-dev", checks=(PropertyCheck(name="test.status"),), timeout=SOON),
            Stage(name="qa", repository="docker-qa", checks=(PropertyCheck(name="qa.test.status"),), timeout=SOON),
            Stage(name="prod", repository="docker-prod"),
        ),
        mode="fleet",
        poke_interval=datetime.timedelta(seconds=1),
    )
)
