"""Airflow operators: plan, promote, promote many, report, roll back."""

from __future__ import annotations

from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.operators.plan import ArtifactoryPlanOperator
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator
from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator

__all__ = [
    "ArtifactoryBatchReportOperator",
    "ArtifactoryPlanOperator",
    "ArtifactoryPromoteBatchOperator",
    "ArtifactoryPromoteOperator",
    "ArtifactoryRollbackOperator",
]
