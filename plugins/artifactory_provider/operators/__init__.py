"""Airflow operators: plan, ask people, promote, promote many, report, roll back; hold, reject, stop the line; audit."""

from __future__ import annotations

from artifactory_provider.operators.approval import ArtifactoryApprovalOperator
from artifactory_provider.operators.audit import ArtifactoryAcceptFindingsOperator, ArtifactoryAuditOperator
from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.operators.change_report import ArtifactoryChangeReportOperator
from artifactory_provider.operators.decisions import (
    ArtifactoryHoldOperator,
    ArtifactoryLiftOperator,
    ArtifactoryRejectOperator,
)
from artifactory_provider.operators.ladder import ArtifactoryLadderOperator
from artifactory_provider.operators.override import ArtifactoryOverrideOperator
from artifactory_provider.operators.plan import ArtifactoryPlanOperator
from artifactory_provider.operators.plan_one import ArtifactoryPlanOneOperator
from artifactory_provider.operators.plan_rollback import ArtifactoryPlanRollbackOperator
from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator
from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator
from artifactory_provider.operators.select import ArtifactorySelectOperator
from artifactory_provider.operators.stop import ArtifactoryResumeOperator, ArtifactoryStopOperator

__all__ = [
    "ArtifactoryAcceptFindingsOperator",
    "ArtifactoryApprovalOperator",
    "ArtifactoryAuditOperator",
    "ArtifactoryBatchReportOperator",
    "ArtifactoryChangeReportOperator",
    "ArtifactoryHoldOperator",
    "ArtifactoryLadderOperator",
    "ArtifactoryLiftOperator",
    "ArtifactoryOverrideOperator",
    "ArtifactoryPlanOneOperator",
    "ArtifactoryPlanOperator",
    "ArtifactoryPlanRollbackOperator",
    "ArtifactoryPromoteBatchOperator",
    "ArtifactoryPromoteOperator",
    "ArtifactoryRejectOperator",
    "ArtifactoryResumeOperator",
    "ArtifactoryRollbackOperator",
    "ArtifactorySelectOperator",
    "ArtifactoryStopOperator",
]
