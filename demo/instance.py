"""A running instance: the sandbox, Airflow and the tests in qa, started in order and stopped together."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import httpx

from demo.airflow_api import AirflowApi
from demo.errors import DemoError
from demo.home import PROJECT, is_free
from demo.processes import Process, Register, end_of, uninterrupted, wait_until
from demo.scenario import FAILING, LATE, PASSWORD, USERNAME, sandbox_client, seed, write_dev_verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.home import Home
    from demo.report import Progress

DAGS = ("service_catalog_check", "promote_nightly", "retag_backfill")


class Instance:
    """Everything that one home runs.

    :param home: its files, ports and secrets.
    :param progress: where it says what it does.
    """

    def __init__(self, home: Home, progress: Progress) -> None:
        self._home = home
        self._progress = progress
        self._register = Register(home.path / "processes.json")
        self.api = AirflowApi(home.airflow_url, home.secrets.airflow_password)

    def start(self) -> None:
        """Start everything and wait until it works.

        :raises DemoError: when a part does not come up.
        """
        self._progress.say(seed(self._home))
        self._start_sandbox()
        asyncio.run(self._write_verdicts())
        self._start_airflow()
        self.api.log_in()
        self._create_connections()
        self.api.put_pool("artifactory_backfill", 4, "Chunks of backfills")
        self._run("qa-tests", [sys.executable, "-m", "demo", "qa-tests", self._home.sandbox_url])
        self._wait_for_dags()

    def check(self) -> None:
        """Make sure that everything that was started still runs.

        :raises DemoError: naming what has ended.
        """
        for process in self._register.read():
            if not process.is_running:
                log = self._home.log(process.name)
                raise DemoError(f"{process.name} has ended. The end of {log}:\n{end_of(log)}")

    def stop(self) -> None:
        """Stop everything that was started, a second Ctrl-C notwithstanding."""
        with uninterrupted():
            self.api.close()
            self._register.stop_all()

    def _start_sandbox(self) -> None:
        home = self._home
        command = ["artifactory-sandbox", "serve", "--data", str(home.sandbox_data), "--port", str(home.ports.sandbox)]
        process = self._run("sandbox", command)
        self._wait(
            "the sandbox answers",
            lambda: _listens(process, home.ports.sandbox) and self._sandbox_answers(),
            30,
            process,
        )
        self._progress.say(f"The sandbox answers at {home.sandbox_url}.")

    def _sandbox_answers(self) -> bool:
        try:
            answer = httpx.get(f"{self._home.sandbox_url}/api/system/ping", auth=(USERNAME, PASSWORD), trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    async def _write_verdicts(self) -> None:
        async with sandbox_client(self._home.sandbox_url) as client:
            await write_dev_verdicts(client)
        self._progress.say(f"The tests in dev have written their verdicts, but for {LATE}'s; {FAILING}'s failed.")

    def _start_airflow(self) -> None:
        self._progress.say("Airflow starts: scheduler, DAG processor, triggerer, API server.")
        process = self._run("airflow", ["airflow", "standalone"])
        port = self._home.ports.airflow
        self._wait("Airflow is healthy", lambda: _listens(process, port) and self.api.is_healthy(), 150, process)
        self._progress.say(f"Airflow answers at {self._home.airflow_url}.")

    def _create_connections(self) -> None:
        self.api.put_connection(
            {
                "connection_id": "artifactory_default",
                "conn_type": "artifactory",
                "description": "The sandbox",
                "host": self._home.sandbox_url,
                "port": self._home.ports.sandbox,
                "login": USERNAME,
                "password": PASSWORD,
            }
        )
        self.api.put_connection(
            {
                "connection_id": "service_catalog",
                "conn_type": "sqlite",
                "description": "The service catalogue",
                "host": str(self._home.catalog_database),
            }
        )

    def _wait_for_dags(self) -> None:
        def are_read() -> bool:
            if errors := self.api.import_errors():
                raise DemoError("A DAG file cannot be read:\n" + "\n".join(errors))
            return all(self.api.has_dag(dag_id) for dag_id in DAGS)

        airflow = next(process for process in self._register.read() if process.name == "airflow")
        self._wait("the DAGs are read", are_read, 60, airflow)

    def _run(self, name: str, command: list[str]) -> Process:
        environment = {**self._home.environment(), "PYTHONPATH": str(PROJECT)}
        process = Process.start(name, command, environment=environment, log=self._home.log(name))
        self._register.add(process)
        return process

    def _wait(self, what: str, is_so: Callable[[], bool], seconds: float, process: Process) -> None:
        wait_until(what, is_so, seconds=seconds, process=process, log=self._home.log(process.name))


def _listens(process: Process, port: int) -> bool:
    """Whether a process listens on its port yet: an answer from there may be another program's otherwise.

    :raises DemoError: when another program listens there.
    """
    is_taken = not is_free(port)
    if process.listens_on(port):
        return True
    if is_taken:
        raise DemoError(f"Another program has taken port {port} while {process.name} started: run the command again.")
    return False
