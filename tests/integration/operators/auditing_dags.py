"""The DAGs that the tests of audits run: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from artifactory_provider.operators import ArtifactoryAuditOperator

with DAG("auditing", schedule=None, params={"images": Param(type="string")}):
    ArtifactoryAuditOperator(task_id="audit", repositories="docker-qa", images="{{ params.images }}")
