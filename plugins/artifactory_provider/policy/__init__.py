"""May this promotion happen now? The rules for every promotion, orders to stop, approvals. Knows no Airflow."""

from __future__ import annotations

from artifactory_provider.policy.origins import ORIGINS, Origin
from artifactory_provider.policy.policy import Policy, read_policy
from artifactory_provider.policy.problems import InvalidPolicy, Problem
from artifactory_provider.policy.requirements import ApprovalRule, ContradictoryRules, OverrideRule
from artifactory_provider.policy.rules import Rule
from artifactory_provider.policy.stop import Stop, StopOrder, read_stop
from artifactory_provider.policy.targets import TargetPatterns

__all__ = [
    "ORIGINS",
    "ApprovalRule",
    "ContradictoryRules",
    "InvalidPolicy",
    "Origin",
    "OverrideRule",
    "Policy",
    "Problem",
    "Rule",
    "Stop",
    "StopOrder",
    "TargetPatterns",
    "read_policy",
    "read_stop",
]
