"""The DAGs of a distributed Airflow: images that are verified and promoted, waits by the thousand, and a fleet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from artifactory_provider.dags import promotion_dag
from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator
from artifactory_provider.pipelines import read_pipeline
from artifactory_provider.sensors.verification import ArtifactoryVerificationSensor
from artifactory_provider.tasks.assets import repository_alias

CHUNK = 25
WAITS = 2000
POKE_INTERVAL = 60
SOON: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=1)}
"""A task whose worker was killed is tried again."""


def name_wait(number: int) -> dict[str, str]:
    """Return image and tag of one of many waits: twenty images of a hundred tags."""
    return {"image": f"waits/{number % 20}", "tag": str(number)}


with DAG(
    "verified_promotions",
    schedule=None,
    max_active_tasks=64,
    params={"images": Param([], type="array")},
    default_args=SOON,
):

    @task
    def select() -> list[dict[str, str]]:
        """Return which images wait."""
        return [{"image": image} for image in get_current_context()["params"]["images"]]

    @task
    def divide(digests: Any) -> list[list[dict[str, str]]]:
        """Return the promotions of the digests that have passed, in chunks."""
        images = get_current_context()["params"]["images"]
        pairs = [
            {"source": f"docker-dev/{image}:1@{digest}", "target": f"docker-qa/{image}:1"}
            for image, digest in zip(images, digests[:], strict=True)
        ]
        return [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]

    verify = ArtifactoryVerificationSensor.partial(
        task_id="verify", repository="docker-dev", tag="1", poke_interval=10, timeout=1200
    ).expand_kwargs(select())

    ArtifactoryPromoteBatchOperator.partial(
        task_id="promote",
        pool="artifactory_backfill",
        emit_assets=True,
        # Known before any of them runs: of two tasks that make it at the same moment, Airflow fails one.
        outlets=[repository_alias("docker-qa")],
        at_once=4,
        map_index_template=None,
    ).expand(promotions=divide(verify.output))

with DAG("many_waits", schedule=None, is_paused_upon_creation=True):
    ArtifactoryVerificationSensor.partial(
        task_id="verify", repository="docker-dev", poke_interval=POKE_INTERVAL
    ).expand_kwargs([name_wait(number) for number in range(WAITS)])

STAGES = """
look_every: 10s
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - {name: qa, repository: docker-qa, checks: [{property: qa.test.status}]}
  - {name: prod, repository: docker-prod}
"""
fleet = promotion_dag(read_pipeline(f"images: [fleet/*]\n{STAGES}", name="fleet"))
nights = promotion_dag(read_pipeline(f"images: [nights/*]\nstart: {{nightly: '0 2 * * *'}}\n{STAGES}", name="nights"))
for dag in (fleet, nights):
    dag.is_paused_upon_creation = dag is nights  # it has a night every day
    for each in dag.tasks:
        each.retry_delay = SOON["retry_delay"]
