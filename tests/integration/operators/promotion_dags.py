"""The DAGs that the tests of operators run: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, Param, task

from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.sensors.verification import ArtifactoryVerificationSensor
from artifactory_provider.tasks.assets import repository_alias

COMMON: dict[str, Any] = {"source_repository": "docker-dev", "target_repository": "docker-qa", "tag": "1"}

with DAG("outlets", schedule=None, params={"image": Param("outlets/templated", type="string")}):

    @task
    def choose() -> str:
        """Return an image."""
        return "outlets/xcom"

    ArtifactoryPromoteOperator(task_id="literal", image="outlets/literal", **COMMON)
    ArtifactoryPromoteOperator(task_id="templated", image="{{ params.image }}", **COMMON)
    ArtifactoryPromoteOperator(task_id="xcom", image=choose(), **COMMON)
    ArtifactoryPromoteOperator(
        task_id="named",
        image="outlets/named",
        outlets=[Asset(name="the named one", uri="artifactory://docker-qa/outlets/named")],
        **COMMON,
    )
    ArtifactoryPromoteOperator.partial(task_id="mapped", **COMMON).expand(image=["outlets/mapped-1"])
    ArtifactoryPromoteOperator.partial(
        task_id="mapped_with_outlet", outlets=[repository_alias("docker-qa")], **COMMON
    ).expand(image=["outlets/mapped-2"])
    ArtifactoryPromoteOperator.partial(
        task_id="mapped_tags", image="outlets/tags", source_repository="docker-dev", target_repository="docker-qa"
    ).expand(tag=["1", "2"])

    ArtifactoryPromoteOperator(
        task_id="anywhere", image="outlets/anywhere", **{**COMMON, "target_repository": "{{ 'docker-prod' }}"}
    )

with DAG("ladder", schedule=None):
    verify = ArtifactoryVerificationSensor(task_id="verify", repository="docker-dev", image="ladder/app", tag="1")
    ArtifactoryPromoteOperator(task_id="promote", image="ladder/app", digest=verify.output, **COMMON)

with DAG("unverified", schedule=None):

    @task
    def verify_nothing() -> list[str | None]:
        """Return no digest for an image."""
        return [None]

    ArtifactoryPromoteOperator.partial(task_id="promote", image="unverified/app", **COMMON).expand(
        digest=verify_nothing()
    )
