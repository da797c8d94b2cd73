from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, ExceptionRetryPolicy

from artifactory_provider.operators import (
    ArtifactoryPlanOneOperator,
    ArtifactoryPlanOperator,
    ArtifactoryPlanRollbackOperator,
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
    ArtifactoryRollbackOperator,
)
from artifactory_provider.sensors import ArtifactoryVerificationSensor
from artifactory_provider.tasks import RETRY_POLICY

if TYPE_CHECKING:
    from artifactory_provider.operators.base import ArtifactoryOperator

IMAGE = {"image": "app", "tag": "1"}
TASKS: list[tuple[type[ArtifactoryOperator], dict[str, Any]]] = [
    (ArtifactoryPlanOperator, {"selection": {"repositories": ["docker-dev"]}, "target_repository": "docker-qa"}),
    (ArtifactoryPlanOneOperator, {"source_repository": "docker-dev", "target_repository": "docker-qa", **IMAGE}),
    (ArtifactoryPlanRollbackOperator, {"repository": "docker-qa", **IMAGE}),
    (ArtifactoryPromoteBatchOperator, {"promotions": []}),
    (ArtifactoryPromoteOperator, {"source_repository": "docker-dev", "target_repository": "docker-qa", **IMAGE}),
    (ArtifactoryRollbackOperator, {"repository": "docker-qa", **IMAGE}),
    (ArtifactoryVerificationSensor, {"repository": "docker-dev", **IMAGE}),
]
every_task = pytest.mark.parametrize(("kind", "arguments"), TASKS)


@every_task
def test_each_task_has_a_connection_and_a_retry_policy_unless_it_is_given_others(
    kind: type[ArtifactoryOperator], arguments: dict[str, Any]
) -> None:
    own = ExceptionRetryPolicy(rules=[])
    task = kind(task_id="task", **arguments)
    assert (task.artifactory_conn_id, task.retry_policy) == ("artifactory_default", RETRY_POLICY)
    task = kind(task_id="task", artifactory_conn_id="other", retry_policy=own, **arguments)
    assert (task.artifactory_conn_id, task.retry_policy) == ("other", own)
    assert "artifactory_conn_id" in kind.template_fields


@every_task
def test_a_dags_default_arguments_name_the_connection_of_all_its_tasks(
    kind: type[ArtifactoryOperator], arguments: dict[str, Any]
) -> None:
    (name, value), *others = arguments.items()
    own = ExceptionRetryPolicy(rules=[])
    with DAG("release", schedule=None, default_args={"artifactory_conn_id": "other", "retry_policy": own}):
        task = kind(task_id="task", **arguments)
        mapped = kind.partial(task_id="mapped", **dict(others)).expand(**{name: [value]})
    assert (task.artifactory_conn_id, task.retry_policy) == ("other", own)
    assert mapped.retry_policy is own
    instance = mapped.unmap({name: value})
    assert isinstance(instance, kind)
    assert instance.artifactory_conn_id == "other"


@every_task
def test_a_mapped_task_has_the_retry_policy(kind: type[ArtifactoryOperator], arguments: dict[str, Any]) -> None:
    (name, value), *others = arguments.items()
    with DAG("release", schedule=None):
        mapped = kind.partial(task_id="mapped", **dict(others)).expand(**{name: [value]})
    assert mapped.retry_policy is RETRY_POLICY


@every_task
def test_an_argument_that_there_is_not_is_refused_by_name(
    kind: type[ArtifactoryOperator], arguments: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="artifactory_connection"):
        kind(task_id="task", artifactory_connection="other", **arguments)
