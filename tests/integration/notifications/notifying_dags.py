"""The DAGs that the tests of notifications run: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from artifactory_provider.dags import promotion_dag, pushed_dag
from artifactory_provider.notifications import PromotionNotifier
from artifactory_provider.operators import (
    ArtifactoryAcceptFindingsOperator,
    ArtifactoryAuditOperator,
    ArtifactoryBatchReportOperator,
    ArtifactoryPlanOperator,
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
)
from artifactory_provider.pipelines import read_pipeline

STAGES = """
notify: {connection: people}
look_every: 1s
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}], timeout: 3s}
  - {name: qa, repository: docker-qa, checks: [{property: qa.test.status}], timeout: 3s}
  - {name: prod, repository: docker-prod}
"""
chain = promotion_dag(read_pipeline(f"images: [telling/a, telling/b]\nmode: chain\n{STAGES}", name="telling_chain"))
fleet = promotion_dag(read_pipeline(f"images: ['telling-fleet/*']\n{STAGES}", name="telling_fleet"))
pushed = pushed_dag(read_pipeline(f"image: telling/a\nstart: {{on_push: webhook}}\n{STAGES}", name="telling_pushed"))

tell = PromotionNotifier("people")
with DAG("telling_bulk", schedule=None):
    plan = ArtifactoryPlanOperator(
        task_id="plan",
        selection={"repositories": "docker-dev", "images": "telling-bulk/*"},
        target_repository="docker-qa",
    )
    promote = ArtifactoryPromoteBatchOperator.partial(task_id="promote").expand(chunk=plan.output)
    report = ArtifactoryBatchReportOperator(task_id="report", on_failure_callback=tell, on_success_callback=tell)
    promote >> report

with DAG("telling_audit", schedule=None, params={"folder": Param(type="string")}):
    unrecorded = ArtifactoryPromoteOperator(
        task_id="promote",
        source_repository="docker-dev",
        target_repository="docker-qa",
        image="telling-audit/unrecorded",
        tag="1.0",
        property_prefix=None,
    )
    audit = ArtifactoryAuditOperator(
        task_id="audit",
        repositories="docker-qa",
        images="telling-audit/*",
        csv_path="{{ params.folder }}/drift.csv",
        json_path="{{ params.folder }}/drift.json",
        on_success_callback=tell,
    )
    unrecorded >> audit

with DAG("telling_acceptance", schedule=None, params={"findings": ["x"]}):
    ArtifactoryAcceptFindingsOperator(
        task_id="accept",
        findings="{{ params.findings | join('\n') }}",
        reason="brought by hand in the outage",
        until="2099-01-01",
    )
