"""What the tests of this project's DAGs share: the DAGs in Airflow's own folder, and what became of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import DAG

SHIPPED = (
    "promotion_pipelines.py",
    "retag_backfill.py",
    "rollback.py",
    "promote_on_demand.py",
    "retention.py",
    "hold_or_reject.py",
)
DAGS = Path(__file__).parents[3] / "dags"


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


@pytest.fixture
def dags(loaded_dags: dict[str, DAG]) -> Iterator[dict[str, DAG]]:
    """The DAGs with their own defaults: Airflow writes what a run's form says into the DAG of its process."""
    from airflow.sdk.definitions.param import ParamsDict

    forms = [part.params for dag in loaded_dags.values() for part in (dag, *dag.tasks)]
    params = [form.get_param(name) for form in forms if isinstance(form, ParamsDict) for name in form]
    defaults = [param.value for param in params]
    yield loaded_dags
    for param, default in zip(params, defaults, strict=True):
        param.value = default


@pytest.fixture(scope="session")
def loaded_dags(migrated_database: None) -> dict[str, DAG]:
    """The DAGs, in Airflow's own folder."""
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    found: dict[str, DAG] = {}
    shutil.copytree(DAGS / "pipelines", folder / "pipelines", dirs_exist_ok=True)
    for name in ("retention_rules.yaml", *SHIPPED):
        path = shutil.copy(DAGS / name, folder)
        found |= DagBag(path).dags if name.endswith(".py") else {}
    return found
