"""What may go from the stages, and how it goes without taking what is needed. Knows no Airflow."""

from __future__ import annotations

from artifactory_provider.retention.attic import restore
from artifactory_provider.retention.deletion import delete_planned
from artifactory_provider.retention.document import InvalidRetention, read_retention
from artifactory_provider.retention.plan import PlannedDeletion, RetentionPlan
from artifactory_provider.retention.planner import plan_retention
from artifactory_provider.retention.rendering import (
    plan_as_csv,
    plan_headline,
    render_deletions,
    render_retention,
    report_as_csv,
    report_headline,
)
from artifactory_provider.retention.report import DeletionResult, RetentionReport
from artifactory_provider.retention.rules import RetentionRule, RetentionRules, TagRule

__all__ = [
    "DeletionResult",
    "InvalidRetention",
    "PlannedDeletion",
    "RetentionPlan",
    "RetentionReport",
    "RetentionRule",
    "RetentionRules",
    "TagRule",
    "delete_planned",
    "plan_as_csv",
    "plan_headline",
    "plan_retention",
    "read_retention",
    "render_deletions",
    "render_retention",
    "report_as_csv",
    "report_headline",
    "restore",
]
