"""A DAG that makes the promotions it is told: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from artifactory_provider.operators.promote import ArtifactoryPromoteOperator

with DAG("promotions", schedule=None, params={"promotions": Param([], type="array")}):

    @task
    def plan() -> list[dict[str, Any]]:
        """Return the arguments of each promotion."""
        return list(get_current_context()["params"]["promotions"])

    ArtifactoryPromoteOperator.partial(
        task_id="promote",
        source_repository="docker-dev",
        target_repository="docker-qa",
        tag="1",
        retries=1,
        retry_delay=timedelta(seconds=1),
    ).expand_kwargs(plan())
