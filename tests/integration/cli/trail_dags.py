"""The DAG that the tests of the trail run: a DAG has to stand in a file for Airflow to run it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, chain

from artifactory_provider.operators import (
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
    ArtifactoryRollbackOperator,
)

IMAGE = "{{ params.image }}"
COMMON: dict[str, Any] = {"source_repository": "docker-dev", "target_repository": "docker-qa", "image": IMAGE}

with DAG("trailed", schedule=None, params={"image": Param("trailed/app", type="string")}):
    chain(
        ArtifactoryPromoteOperator(task_id="first", tag="1", target_tag="live", on_conflict="backup", **COMMON),
        ArtifactoryPromoteOperator(task_id="second", tag="2", target_tag="live", on_conflict="backup", **COMMON),
        ArtifactoryRollbackOperator(task_id="back", repository="docker-qa", image=IMAGE, tag="live"),
        ArtifactoryPromoteOperator(
            task_id="gone", tag="1", verdicts=[{"check": "test.status", "state": "passed", "by": "ci"}], **COMMON
        ),
        # It emits no event.
        ArtifactoryPromoteBatchOperator(
            task_id="silent",
            promotions=[{"source": f"docker-dev/{IMAGE}:2", "target": f"docker-qa/{IMAGE}:2"}],
            confirmation_timeout=0,
        ),
    )
