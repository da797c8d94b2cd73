"""May this promotion happen now? Windows, stops, approvals and overrides, as documents. Knows no Airflow."""

from __future__ import annotations

from artifactory_provider.policy.requirements import ApprovalRule, OverrideRule

__all__ = ["ApprovalRule", "OverrideRule"]
