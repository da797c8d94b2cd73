"""A real Airflow for the measured DAGs, started as the demo starts it, and the runs' times as Airflow tells them."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from demo.airflow_api import AirflowApi
from demo.home import HOMES, PROJECT, Home
from demo.processes import Process, Register, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.registries import Registry

_NAME = "bench"
_SECONDS_BETWEEN_LOOKS = 0.5


class Times(NamedTuple):
    """A run's times, as Airflow has noted them."""

    queued: datetime
    begun: datetime
    ended: datetime


class Runs:
    """A running Airflow.

    :param api: its API, logged in.
    :param home: where it is, and keeps its logs.
    """

    def __init__(self, api: AirflowApi, home: Home) -> None:
        self.api = api
        self._home = home

    @property
    def url(self) -> str:
        """Where it is."""
        return self._home.airflow_url

    @property
    def home(self) -> Home:
        """Its files, ports and secrets."""
        return self._home

    def measure(self, dag_id: str, conf: Mapping[str, Any], *, longest: float) -> float:
        """Run a DAG and return the seconds from its run's start to its end, as Airflow noted them.

        :param dag_id: the DAG.
        :param conf: the values of its form.
        :param longest: seconds after which it counts as stuck.
        :raises RuntimeError: when the run fails or does not end.
        """
        times = self.wait_for(dag_id, self.api.trigger(dag_id, conf), longest=longest)
        return (times.ended - times.begun).total_seconds()

    def wait_for(self, dag_id: str, run_id: str, *, longest: float) -> Times:
        """Wait for a run's end and return its times.

        :param dag_id: the DAG.
        :param run_id: its run.
        :param longest: seconds after which it counts as stuck.
        :raises RuntimeError: when the run fails or does not end.
        """
        deadline = time.monotonic() + longest
        while time.monotonic() < deadline:
            run = self.api.run(dag_id, run_id)
            if run["state"] == "success":
                return Times(*(datetime.fromisoformat(run[name]) for name in ("queued_at", "start_date", "end_date")))
            if run["state"] == "failed":
                raise RuntimeError(f"{dag_id} failed; the logs are in {self._home.path}")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        raise RuntimeError(f"{dag_id} did not end within {longest:.0f} s; the logs are in {self._home.path}")

    def wait_for_key(self, dag_id: str, key: str, *, longest: float) -> str:
        """Wait for the run of a partition key and return its id.

        :param dag_id: the DAG.
        :param key: the key.
        :param longest: seconds after which none will come.
        :raises RuntimeError: when none comes.
        """
        deadline = time.monotonic() + longest
        while time.monotonic() < deadline:
            answer = self.api.send("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=10").json()
            for run in answer["dag_runs"]:
                if run["partition_key"] == key:
                    return str(run["dag_run_id"])
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        raise RuntimeError(f"nothing has started {dag_id} for {key}; the logs are in {self._home.path}")

    @contextmanager
    def waiting(self, dag_id: str, *, longest: float) -> Iterator[Callable[[], int]]:
        """Run a DAG until a task of it waits in the triggerer; what is given says how many then have a worker's slot.

        The run is ended in the end.

        :param dag_id: the DAG.
        :param longest: seconds after which it counts as stuck.
        :raises RuntimeError: when none of its tasks waits.
        """
        run_id = self.api.trigger(dag_id)

        def count(*states: str) -> int:
            return sum(task.state in states for task in self.api.tasks(dag_id, run_id))

        deadline = time.monotonic() + longest
        while not count("deferred"):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"no task of {dag_id} waits after {longest:.0f} s; the logs are in {self._home.path}"
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        yield lambda: count("queued", "running")
        self.api.send("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", {"state": "failed"})


@contextmanager
def airflow(dags: Sequence[Path], server: Registry, *, pipelines: Sequence[Path] = ()) -> Iterator[Runs]:
    """Run an Airflow with some DAGs, connected with a sandbox.

    :param dags: the DAG files; each holds a DAG of its own name.
    :param server: the sandbox.
    :param pipelines: pipeline files for its board.
    """
    register = Register(HOMES / _NAME / "processes.json")
    with suppress(FileNotFoundError):
        register.stop_all()
    home = Home.create(_NAME, fresh=True)
    folder = home.path / "dags"
    folder.mkdir()
    for file in dags:
        shutil.copy(file, folder)
    (folder / "pipelines").mkdir()
    for file in pipelines:
        shutil.copy(file, folder / "pipelines")
    api = AirflowApi(home.airflow_url, home.secrets.airflow_password)
    try:
        _start(home, register, api, folder)
        _connect(api, server)
        _wait_for(api, [file.stem for file in dags], register.read()[0], home)
        yield Runs(api, home)
    finally:
        api.close()
        register.stop_all()


def _start(home: Home, register: Register, api: AirflowApi, folder: Path) -> None:
    paths = [PROJECT / "plugins", PROJECT, PROJECT / "sandbox"]
    environment = {
        **home.environment(),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "PYTHONPATH": ":".join(map(str, paths)),
    }
    command = [str(Path(sys.executable).with_name("airflow")), "standalone"]
    process = Process.start("airflow", command, environment=environment, log=home.log("airflow"))
    register.add(process)
    wait_until("Airflow is healthy", api.is_healthy, seconds=150, process=process, log=home.log("airflow"))
    api.log_in()


def _connect(api: AirflowApi, server: Registry) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    account = {"login": "admin", "password": "password"}
    connections = (
        {"connection_id": "artifactory_default", "conn_type": "artifactory", "host": f"{origin}/artifactory"},
        {"connection_id": "artifactory_http", "conn_type": "http", "host": origin},
    )
    for connection in connections:
        api.put_connection(connection | account)
    api.put_pool("artifactory_backfill", 4, "Chunks of backfills")


def _wait_for(api: AirflowApi, dag_ids: Sequence[str], process: Process, home: Home) -> None:
    def are_read() -> bool:
        if errors := api.import_errors():
            raise RuntimeError("A DAG file cannot be read:\n" + "\n".join(errors))
        return all(api.has_dag(dag_id) for dag_id in dag_ids)

    wait_until("the DAGs are read", are_read, seconds=60, process=process, log=home.log("airflow"))
