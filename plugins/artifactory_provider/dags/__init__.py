"""DAGs that are made of pipelines: one file a pipeline, or a call in a DAG file of one's own."""

from __future__ import annotations

from artifactory_provider.dags.building import promotion_dag, pushed_dag
from artifactory_provider.dags.loading import load_pipelines
from artifactory_provider.dags.watching import watching_dag

__all__ = ["load_pipelines", "promotion_dag", "pushed_dag", "watching_dag"]
