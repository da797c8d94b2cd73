"""What all operators and sensors that ask Artifactory have: a connection, and a policy of which failures to retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from artifactory_provider.tasks.retries import RETRY_POLICY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import RetryPolicy

    from artifactory_provider.hooks.artifactory import ArtifactoryHook
    from artifactory_provider.policy.rules import Rule


class ArtifactoryOperator(BaseOperator):
    """A task that asks Artifactory; it stands before Airflow's own base where a subclass has another than this one's.

    :param artifactory_conn_id: the Airflow connection. (templated)
    :param retry_policy: which failures are worth another try.
    :param rules: rules that hold for what it promotes beside those of the policy, as those of a pipeline's stages.
    """

    def __init__(
        self,
        *,
        artifactory_conn_id: str = "artifactory_default",
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        rules: Sequence[Rule] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.artifactory_conn_id = artifactory_conn_id
        self.rules = tuple(rules)

    def _hook(self) -> ArtifactoryHook:
        from artifactory_provider.hooks.artifactory import ArtifactoryHook

        return ArtifactoryHook(self.artifactory_conn_id, rules=self.rules)
