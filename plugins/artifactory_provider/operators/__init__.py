"""Airflow operators: plan, ask people, promote, report, roll back; hold, reject, stop the line; audit; retention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
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
    from artifactory_provider.operators.plan_retention import ArtifactoryPlanRetentionOperator
    from artifactory_provider.operators.plan_rollback import ArtifactoryPlanRollbackOperator
    from artifactory_provider.operators.promote import ArtifactoryPromoteOperator
    from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator
    from artifactory_provider.operators.retention import ArtifactoryRetentionOperator
    from artifactory_provider.operators.rollback import ArtifactoryRollbackOperator
    from artifactory_provider.operators.select import ArtifactorySelectOperator
    from artifactory_provider.operators.stop import ArtifactoryResumeOperator, ArtifactoryStopOperator
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "approval": ("ArtifactoryApprovalOperator",),
            "audit": ("ArtifactoryAcceptFindingsOperator", "ArtifactoryAuditOperator"),
            "batch_report": ("ArtifactoryBatchReportOperator",),
            "change_report": ("ArtifactoryChangeReportOperator",),
            "decisions": ("ArtifactoryHoldOperator", "ArtifactoryLiftOperator", "ArtifactoryRejectOperator"),
            "ladder": ("ArtifactoryLadderOperator",),
            "override": ("ArtifactoryOverrideOperator",),
            "plan": ("ArtifactoryPlanOperator",),
            "plan_one": ("ArtifactoryPlanOneOperator",),
            "plan_retention": ("ArtifactoryPlanRetentionOperator",),
            "plan_rollback": ("ArtifactoryPlanRollbackOperator",),
            "promote": ("ArtifactoryPromoteOperator",),
            "promote_batch": ("ArtifactoryPromoteBatchOperator",),
            "retention": ("ArtifactoryRetentionOperator",),
            "rollback": ("ArtifactoryRollbackOperator",),
            "select": ("ArtifactorySelectOperator",),
            "stop": ("ArtifactoryResumeOperator", "ArtifactoryStopOperator"),
        },
    )

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
    "ArtifactoryPlanRetentionOperator",
    "ArtifactoryPlanRollbackOperator",
    "ArtifactoryPromoteBatchOperator",
    "ArtifactoryPromoteOperator",
    "ArtifactoryRejectOperator",
    "ArtifactoryResumeOperator",
    "ArtifactoryRetentionOperator",
    "ArtifactoryRollbackOperator",
    "ArtifactorySelectOperator",
    "ArtifactoryStopOperator",
]
