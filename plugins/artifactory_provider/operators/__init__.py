"""Airflow operators: plan, ask people, promote, promote many, report, roll back."""

from __future__ import annotations

from artifactory_provider.operators.approval import ArtifactoryApprovalOperator
from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.operators.override import ArtifactoryOverrideOperator
from artifactory_provider.operators.plan import ArtifactoryPlanOperator
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator
from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator

__all__ = [
    "ArtifactoryApprovalOperator",
    "ArtifactoryBatchReportOperator",
    "ArtifactoryOverrideOperator",
    "ArtifactoryPlanOperator",
    "ArtifactoryPromoteBatchOperator",
    "ArtifactoryPromoteOperator",
    "ArtifactoryRollbackOperator",
]
