"""May this promotion happen now? The rules for every promotion, orders to stop, approvals. Knows no Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.policy.approvals import Approval, check_approval, fingerprint, rule_as_dict
    from artifactory_provider.policy.origins import ORIGINS, Origin
    from artifactory_provider.policy.overrides import Override, check_override
    from artifactory_provider.policy.policy import DEFAULT_POLICY_NAME, Policy, read_policy
    from artifactory_provider.policy.problems import InvalidPolicy, Problem
    from artifactory_provider.policy.requirements import (
        ANYBODY,
        ApprovalRule,
        ContradictoryRules,
        OverrideRule,
        merge_approvals,
    )
    from artifactory_provider.policy.rules import Rule
    from artifactory_provider.policy.stop import DEFAULT_STOP_NAME, Stop, StopOrder, read_stop
    from artifactory_provider.policy.targets import TargetPatterns
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "approvals": ("Approval", "check_approval", "fingerprint", "rule_as_dict"),
            "origins": ("ORIGINS", "Origin"),
            "overrides": ("Override", "check_override"),
            "policy": ("DEFAULT_POLICY_NAME", "Policy", "read_policy"),
            "problems": ("InvalidPolicy", "Problem"),
            "requirements": ("ANYBODY", "ApprovalRule", "ContradictoryRules", "OverrideRule", "merge_approvals"),
            "rules": ("Rule",),
            "stop": ("DEFAULT_STOP_NAME", "Stop", "StopOrder", "read_stop"),
            "targets": ("TargetPatterns",),
        },
    )

__all__ = [
    "ANYBODY",
    "DEFAULT_POLICY_NAME",
    "DEFAULT_STOP_NAME",
    "ORIGINS",
    "Approval",
    "ApprovalRule",
    "ContradictoryRules",
    "InvalidPolicy",
    "Origin",
    "Override",
    "OverrideRule",
    "Policy",
    "Problem",
    "Rule",
    "Stop",
    "StopOrder",
    "TargetPatterns",
    "check_approval",
    "check_override",
    "fingerprint",
    "merge_approvals",
    "read_policy",
    "read_stop",
    "rule_as_dict",
]
