"""The plugins folder alone, on a Python in which this package is not installed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[3]

LOAD = """
import json, sys
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager
plugins, errors = plugins_manager._get_plugins()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins],
    "errors": {**errors, **bag.import_errors},
    "dags": sorted(bag.dags),
    "connection_types": "artifactory" in ProvidersManager().hooks,
    "http": sys.modules["http"].__file__,
}))
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All installed packages but the two of this project."""
    folder = tmp_path_factory.mktemp("libraries")
    own = {"airflow_provider_artifactory", "artifactory_sandbox"}
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.suffix != ".pth" and not any(entry.name.startswith(name) for name in own):
            (folder / entry.name).symlink_to(entry)
    return folder


def load(libraries: Path | None) -> dict[str, Any]:
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins")}
    options = []
    if libraries is not None:
        options = ["-S"]
        environment["PYTHONPATH"] = str(libraries)
    command = [sys.executable, *options, "-c", LOAD, str(PROJECT / "dags")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_without_installing_plugin_and_dags_work_and_only_the_connection_form_is_missing(libraries: Path) -> None:
    found = load(libraries)
    assert found["errors"] == {}
    assert found["plugins"].count("artifactory") == 1
    assert found["dags"] == [
        "audit_drift",
        "hold_or_reject",
        "promote_nightly",
        "promote_on_demand",
        "promote_pushed",
        "promote_pushed_on_push",
        "retag_backfill",
        "retention",
        "rollback",
        "service_catalog_check",
        "stop_the_line",
    ]
    assert found["connection_types"] is False


def test_installed_and_in_the_plugins_folder_too_the_plugin_is_loaded_once_and_without_complaint() -> None:
    found = load(None)
    assert found["errors"] == {}
    assert found["plugins"].count("artifactory") == 1
    assert found["connection_types"] is True


def test_the_loader_leaves_the_package_alone_and_the_standard_library_in_place(libraries: Path) -> None:
    assert Path(str(load(libraries)["http"])).parent.parent == Path(os.__file__).parent


def test_the_entry_points_are_those_that_airflow_looks_for() -> None:
    found = {
        (point.group, point.value)
        for point in importlib.metadata.distribution("airflow-provider-artifactory").entry_points
    }
    assert found == {
        ("apache_airflow_provider", "artifactory_provider.provider_info:get_provider_info"),
        ("airflow.plugins", "artifactory_provider.web.plugin:ArtifactoryPlugin"),
    }
