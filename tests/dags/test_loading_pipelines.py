"""A folder of pipeline files as Airflow reads it: one broken file is an import error, and harms no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from airflow.dag_processing.dagbag import DagBag

LOADER = """
# Airflow: the DAGs of a folder
from pathlib import Path
from artifactory_provider.dags import load_pipelines
load_pipelines(Path(__file__).with_name("pipelines"))
"""
STAGES = """
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - {name: prod, repository: docker-prod}
"""


def read(tmp_path: Path, **files: str) -> DagBag:
    from airflow.dag_processing.dagbag import DagBag

    folder = tmp_path / "pipelines"
    folder.mkdir(exist_ok=True)
    (tmp_path / "loader.py").write_text(LOADER)
    (folder / "_defaults.yaml").write_text(STAGES)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return DagBag(tmp_path)


def test_a_broken_file_is_an_import_error_with_its_line_and_the_others_are_dags(tmp_path: Path) -> None:
    bag = read(tmp_path, good="image: payments/api", broken="image: payments/web\ntag: 1.10", other="imag: x")
    assert set(bag.dags) == {"good"}
    [said] = bag.import_errors.values()
    assert "broken.yaml has an error" in said
    assert "line 2, tag: 1.10 is a number: quote it" in said
    assert "other.yaml has" in said
    assert "Did you mean image?" in said


def test_a_mended_file_is_a_dag_at_the_next_reading(tmp_path: Path) -> None:
    assert not read(tmp_path, app="imag: payments/api").dags
    bag = read(tmp_path, app="image: payments/api")
    assert (set(bag.dags), bag.import_errors) == ({"app"}, {})


def test_pushes_and_watchers_have_dags_beside_the_pipelines_own(tmp_path: Path) -> None:
    bag = read(
        tmp_path,
        a="image: a\nstart: {on_push: webhook}",
        b="image: b\nstart: {on_push: watcher, on_verdict: true}",
        c="images: [c/*]\nstart: {on_push: watcher}",
    )
    assert bag.import_errors == {}
    assert set(bag.dags) == {"a", "a_on_push", "b", "b_on_push", "c", "c_on_push", "watch_docker-dev"}
    assert bag.dags["a_on_push"].task_ids == ["select", "climb_to_prod"]


def test_a_worker_makes_the_dag_of_its_task_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "b_on_push")
    bag = read(tmp_path, a="image: a", b="image: b\nstart: {on_push: webhook}", broken="x")
    assert (set(bag.dags), bag.import_errors) == ({"b_on_push"}, {})
