"""What a command of this package takes beside the shortest one of Airflow's own, both as whole processes, by turns.

The connection stands in Airflow's database, the stages in a pipeline file, the tags in a sandbox that answers.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.registries import sandbox
from benchmarks.result import at_most, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.result import Result

_AIRFLOW = str(Path(sys.executable).with_name("airflow"))
_TURNS = 11
_TAGS = 20
_PIPELINE = """\
images: [payments/*]
start: {nightly: "0 2 * * *", timezone: Europe/Berlin}
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - {name: qa, repository: docker-qa}
"""
_COMMANDS = {
    "version": ("version",),
    "connection": ("connections", "get", "artifactory_default"),
    "status": ("artifactory", "status", "payments/api", "--repository", "docker-dev", "--repository", "docker-qa"),
    "status_pipelines": ("artifactory", "status", "payments/api"),
}


def measure() -> Iterator[Result]:
    """Run each command as often as the others, one after the other, and compare the medians of their times."""
    with tempfile.TemporaryDirectory() as root, sandbox(Path(root, "sandbox")) as server:
        with closing(server.connect()) as registry:
            for tag in range(_TAGS):
                registry.push_image("payments/api", f"1.{tag}", [])
        environment = _prepare(Path(root), f"http://127.0.0.1:{server.port}/artifactory")
        times: dict[str, list[float]] = {name: [] for name in _COMMANDS}
        for _ in range(_TURNS):
            for name, arguments in _COMMANDS.items():
                begun = time.perf_counter()
                _run(environment, *arguments)
                times[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(each) for name, each in times.items()}
    yield at_most("cli_start", medians["status"] / medians["version"], 1.2)
    yield told("cli_start_pipelines", medians["status_pipelines"] / medians["version"], "ratio, stages of a pipeline")
    yield told("cli_start_airflow", medians["connection"] / medians["version"], "ratio, airflow connections get")


def _prepare(root: Path, url: str) -> Mapping[str, str]:
    """Return the environment of an Airflow that has a database, the connection and a pipeline."""
    pipelines = root / "dags" / "pipelines"
    pipelines.mkdir(parents=True)
    (pipelines / "payments.yaml").write_text(_PIPELINE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    _run(environment, "db", "migrate")
    connection = ("--conn-type", "artifactory", "--conn-host", url, "--conn-login", "admin")
    _run(environment, "connections", "add", "artifactory_default", *connection, "--conn-password", "password")
    return environment


def _run(environment: Mapping[str, str], *arguments: str) -> None:
    subprocess.run([_AIRFLOW, *arguments], env=environment, check=True, capture_output=True)  # noqa: S603
