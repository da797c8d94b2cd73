"""May this promotion happen now? Windows, stops, approvals and overrides, as documents. Knows no Airflow."""

from __future__ import annotations

from artifactory_provider.policy.approvals import Approval, check_approval, fingerprint
from artifactory_provider.policy.overrides import Override, check_override
from artifactory_provider.policy.requirements import ApprovalRule, OverrideRule

__all__ = [
    "Approval",
    "ApprovalRule",
    "Override",
    "OverrideRule",
    "check_approval",
    "check_override",
    "fingerprint",
]
