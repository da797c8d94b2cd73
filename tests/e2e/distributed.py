"""A distributed Airflow on this machine: the parts of docker-compose.yaml, with its commands and its settings.

Only addresses differ, and Airflow's own auth manager stands in for FAB, which does not fit the lock. Every part has a
session of its own, so that it can be killed whole, as if its machine had lost its power. PostgreSQL and Redis, whose
protocol Valkey speaks, come from the system. All listen on loopback only, and write below one folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
import yaml
from demo.airflow_api import AirflowApi
from demo.home import PROJECT, Home
from demo.processes import Process, end_of
from sqlalchemy import create_engine, text
from tests.e2e import hostname
from tests.e2e.conftest import Airflow, until
from tests.e2e.servers import HOST, postgres, redis, run
from tests.unit.deployment.conftest import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from artifactory_sandbox.pytest_plugin import RunningSandbox

PARTS = {
    "apiserver": (),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer-1": ("--skip-serve-logs",),
    "triggerer-2": ("--skip-serve-logs",),
    "worker-1": ("--skip-serve-logs", "--celery-hostname", "worker-1"),
    "worker-2": ("--skip-serve-logs", "--celery-hostname", "worker-2"),
}
"""Part → what its command has besides that of the service, of which there may be two: logs are read from one folder."""

SOONER = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "250",
}
"""What an installation waits longer for than a test does: 300, 600 and 120 seconds, and 50 waits a loop, are usual."""


@dataclass
class Cluster:
    """A distributed Airflow whose parts can be killed and started again.

    :param airflow: its API.
    :param engine: its database.
    :param environment: the environment of its parts.
    :param start_part: starts a part.
    """

    airflow: Airflow
    engine: Engine
    environment: Mapping[str, str]
    start_part: Callable[[str], Process]
    parts: dict[str, Process] = field(default_factory=dict)
    logs: dict[str, int] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a part, which was not started yet or has been killed."""
        log = self.airflow.home.log(name)
        self.logs[name] = log.stat().st_size if log.exists() else 0
        self.parts[name] = self.start_part(name)

    def kill(self, *names: str) -> None:
        """Kill all processes of some parts with SIGKILL, at once; return when they have ended."""
        members = [member for name in names for member in self.parts[name].members()]
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)
        psutil.wait_procs(members, timeout=30)
        assert not any(self.parts[name].members() for name in names), names

    def query(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask Airflow's database."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def value(self, statement: str, **values: Any) -> Any:
        """Ask Airflow's database for one value."""
        return self.query(statement, **values)[0][0]

    def wait_until_up(self, name: str) -> None:
        """Wait until a triggerer or a worker works, as it says itself in its log."""
        log, word = self.airflow.home.log(name), b"ready." if name.startswith("worker") else b"Starting the triggerer"
        until(lambda: word in log.read_bytes()[self.logs[name] :], seconds=120, otherwise=self.explain)

    def explain(self) -> str:
        """Say what tasks and waits there are, and what the parts that do not run have said last."""
        query = """SELECT dag_id, task_id, state, try_number, hostname, count(*) FROM task_instance
            GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2"""
        waits = "SELECT hostname, count(*) FROM trigger LEFT JOIN job ON job.id = triggerer_id GROUP BY 1"
        dead = [name for name, process in self.parts.items() if not process.is_running]
        ends = [f"{name}: {end_of(self.airflow.home.log(name))}" for name in (*dead, "scheduler")]
        return "\n".join([f"tasks: {self.query(query)}", f"waits: {self.query(waits)}", *ends])


@contextmanager
def running(path: Path, sandbox: RunningSandbox, dags: Path) -> Iterator[Cluster]:
    """Run a distributed Airflow, and end all of it.

    :param path: the folder that it writes to.
    :param sandbox: what its connection ``artifactory_default`` leads to.
    :param dags: the file with its DAGs.
    """
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("demo.home.HOMES", path)
            home = Home.create("distributed", fresh=True)
        (path / "dags").mkdir()
        shutil.copy(dags, path / "dags")
        names = ("POSTGRES_PASSWORD", "VALKEY_PASSWORD", "SERVICE_CATALOG_PASSWORD")
        passwords = {name: os.urandom(16).hex() for name in names}
        ports = {
            "postgres:5432": stack.enter_context(postgres(passwords, home.log("postgres"))),
            "valkey:6379": stack.enter_context(redis(path / "redis", passwords["VALKEY_PASSWORD"], home.log("redis"))),
            "apiserver:8080": home.ports.airflow,
        }
        services = _read_services(home, sandbox, passwords, ports)
        environment = _environment(home, services["scheduler"]["environment"], path / "dags")
        run("airflow", "db", "migrate", environment=environment)

        def start_part(name: str) -> Process:
            words = ["airflow", *services[name.rstrip("-12")]["command"], *PARTS[name]]
            own = {hostname.VARIABLE: name}
            return Process.start(name, words, environment={**environment, **own}, log=home.log(name))

        engine = create_engine(environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
        stack.callback(engine.dispose)
        http = stack.enter_context(httpx.Client(base_url=home.airflow_url, timeout=60, trust_env=False))
        cluster = Cluster(Airflow(home, http, ""), engine, environment, start_part)
        stack.callback(lambda: cluster.kill(*cluster.parts))
        _start_all(cluster)
        yield cluster


def _start_all(cluster: Cluster) -> None:
    """Start all parts, and wait until they work."""
    for name in PARTS:
        cluster.start(name)
    home, http = cluster.airflow.home, cluster.airflow.http
    api = AirflowApi(home.airflow_url, home.secrets.airflow_password)
    try:
        until(api.is_healthy, seconds=180, otherwise=cluster.explain)
        http.headers["Authorization"] = f"Bearer {api.log_in()}"
        api.put_pool("artifactory_backfill", 4, "Chunks of backfills")
        until(lambda: api.has_dag("many_waits"), seconds=90, otherwise=lambda: str(api.import_errors()))
    finally:
        api.close()
    for name in PARTS:
        if name[-1].isdigit():
            cluster.wait_until_up(name)


def _read_services(
    home: Home, sandbox: RunningSandbox, passwords: Mapping[str, str], ports: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """Return the services of docker-compose.yaml, with other addresses."""
    file = (PROJECT / "docker-compose.yaml").read_text()
    for place, port in ports.items():
        file = file.replace(place, f"{HOST}:{port}")
    connection = {"conn_type": "artifactory", "host": sandbox.url, "login": "admin", "password": sandbox.password}
    variables = {
        **passwords,
        "FERNET_KEY": home.secrets.fernet,
        "API_SECRET_KEY": home.secrets.api,
        "JWT_SECRET": home.secrets.jwt,
        "AIRFLOW_ADMIN_PASSWORD": home.secrets.airflow_password,
        "SANDBOX_PASSWORD": sandbox.password,
        "AIRFLOW_CONN_ARTIFACTORY_DEFAULT": json.dumps(connection),
        "AIRFLOW_BASE_URL": home.airflow_url,
        "AIRFLOW_TASK_HEARTBEAT_TIMEOUT": "30",
    }
    return Deployment(file, yaml.safe_load(file), {}).fill_in(variables)


def _environment(home: Home, service: Mapping[str, str], dags: Path) -> dict[str, str]:
    """Return the environment of all parts."""
    of_sqlite = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC")
    return {
        **{key: value for key, value in home.environment().items() if key not in of_sqlite},
        **service,
        **SOONER,
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{hostname.__name__}.{hostname.name.__name__}",
        "PYTHONPATH": str(PROJECT),
        hostname.VARIABLE: "migration",
    }
