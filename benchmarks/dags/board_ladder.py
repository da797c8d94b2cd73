"""The pipelines beside this file as DAGs of an Airflow whose board is measured."""

from __future__ import annotations

from pathlib import Path

from artifactory_provider.dags import load_pipelines

load_pipelines(Path(__file__).with_name("pipelines"))
