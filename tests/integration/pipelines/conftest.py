"""What the tests of pipelines share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG


@pytest.fixture(scope="module")
def dags(migrated_database: None) -> dict[str, DAG]:
    """The DAGs of ``pipeline_dags.py``, in Airflow's own folder."""
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    bag = DagBag(shutil.copy(Path(__file__).with_name("pipeline_dags.py"), folder))
    assert bag.import_errors == {}
    return bag.dags
