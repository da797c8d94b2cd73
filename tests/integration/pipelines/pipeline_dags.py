"""The DAGs that the tests of pipelines run: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

import datetime
from typing import Any

from artifactory_provider.dags import promotion_dag
from artifactory_provider.pipelines import Pipeline, Stage, TargetTag
from artifactory_provider.policy.requirements import ApprovalRule
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.verification import PropertyCheck

TAGS = (
    TargetTag(template=TargetTemplate("{tag}")),
    TargetTag(template=TargetTemplate("{version.major}"), on_conflict="overwrite"),
)


def stages(**prod: Any) -> tuple[Stage, ...]:
    """Return dev → qa → prod; nothing waits for long."""
    soon = datetime.timedelta(seconds=3)
    return (
        Stage(name="dev", repository="docker-dev", checks=(PropertyCheck(name="test.status"),), timeout=soon),
        Stage(name="qa", repository="docker-qa", checks=(PropertyCheck(name="qa.test.status"),), timeout=soon),
        Stage(**{"name": "prod", "repository": "docker-prod", "tags": TAGS, "timeout": soon, **prod}),
    )


COMMON: dict[str, Any] = {"poke_interval": datetime.timedelta(seconds=1)}
chain = promotion_dag(
    Pipeline(name="chain", images=Patterns(("chain/a", "chain/b")), stages=stages(), mode="chain", **COMMON)
)
fleet = promotion_dag(Pipeline(name="fleet", images=Patterns(("fleet/*",)), stages=stages(), mode="fleet", **COMMON))
nights = promotion_dag(
    Pipeline(name="nights", images=Patterns(("nights/app",)), stages=stages(), mode="fleet", **COMMON)
)
approved = promotion_dag(
    Pipeline(
        name="approved",
        images=Patterns(("approved/*",)),
        stages=stages(asks_approval=True, approvals=ApprovalRule(count=1)),
        mode="fleet",
        **COMMON,
    )
)
