"""The DAGs of the pipelines in dags/pipelines: one file, one DAG. See docs/pipelines.md."""

from __future__ import annotations

from pathlib import Path

from artifactory_provider.dags import load_pipelines

load_pipelines(Path(__file__).with_name("pipelines"))  # Airflow finds each DAG that is made here
