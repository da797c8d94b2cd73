"""A running instance: the sandbox, Airflow and the tests in qa, started in order and stopped together."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import httpx

from demo.airflow_api import AirflowApi
from demo.errors import DemoError
from demo.home import is_free
from demo.past import Past
from demo.processes import Process, Register, end_of, uninterrupted, wait_until
from demo.scenario import (
    PASSWORD,
    USERNAME,
    describe_verdicts,
    newest_verdicts,
    sandbox_client,
    seed,
    write_dev_verdicts,
)
from demo.webhooks import subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from demo.home import Home
    from demo.report import Progress

PARTS = ("sandbox", "metrics", "airflow", "qa-tests")
_LONGEST_SILENCE = 30.0
DAGS = (
    "service_catalog_check",
    "promote_nightly",
    "promote_pushed",
    "promote_pushed_on_push",
    "promote_on_demand",
    "retag_backfill",
    "rollback",
    "retention",
    "stop_the_line",
    "hold_or_reject",
    "audit_drift",
)


class Instance:
    """Everything that one home runs.

    :param home: its files, ports and secrets.
    :param progress: where it says what it does.
    :param with_past: whether nights have promoted to qa and prod before it starts for the first time.
    """

    def __init__(self, home: Home, progress: Progress, *, with_past: bool = False) -> None:
        self._home = home
        self._past = Past(home, progress) if with_past else None
        self._progress = progress
        self._register = Register(home.path / "processes.json")
        self.api = AirflowApi(home.airflow_url, home.secrets.airflow_password)

    def start(self, parts: Collection[str] = PARTS) -> None:
        """Start everything, or some parts of it, and wait until it works.

        :param parts: which of ``PARTS``.
        :raises DemoError: when a part does not come up.
        """
        if "sandbox" in parts:
            if self._past:
                self._past.seed()
            self._progress.say(seed(self._home))
            self._start_sandbox()
            self._progress.say(asyncio.run(self._write_verdicts()))
            if self._past:
                asyncio.run(self._past.record())
        if "metrics" in parts:
            self._run("metrics", [sys.executable, "-m", "demo", "metrics", str(self._home.ports.metrics)])
        if "airflow" in parts:
            self._start_airflow()
            self.api.log_in()
            self._create_connections()
            self.api.put_pool("artifactory_backfill", 4, "Chunks of backfills")
            subscribe(self._home)
            if self._past:
                self._past.end(self.api)
        if "qa-tests" in parts:
            self._run("qa-tests", [sys.executable, "-m", "demo", "qa-tests", self._home.sandbox_url])
        if "airflow" in parts:
            self._wait_for_dags()

    def find_dead(self) -> list[str]:
        """Return what of it has ended, or gives no sign of life; asking takes a few seconds where all is well."""
        processes = {process.name: process for process in self._register.read()}
        dead = [name for name in PARTS if name not in processes or not processes[name].is_running]
        if "sandbox" not in dead and not self._sandbox_answers():
            dead.insert(0, "sandbox")
        return dead if "airflow" in dead else [*dead, *self._silent_parts()]

    def mend(self, dead: Sequence[str]) -> None:
        """Start again what has ended; what is written to the sandbox and to Airflow's database is there again.

        :param dead: what ``find_dead`` has returned.
        :raises DemoError: when a part does not come up.
        """
        ended = [name for name in PARTS if name in dead or (name == "airflow" and set(dead) - set(PARTS))]
        for name in reversed(ended):
            self._register.stop(name)
        self.start(ended)

    def _silent_parts(self) -> list[str]:
        """Return which parts of Airflow give no sign of life for as long as Airflow itself allows."""
        before = self.api.heartbeats()
        if not before:
            return ["API server"]
        silent, deadline = set(before), time.monotonic() + _LONGEST_SILENCE
        while silent and time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.api.heartbeats()
            silent = {part for part in silent if now.get(part, before[part]) == before[part]}
        return sorted(silent)

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

    async def _write_verdicts(self) -> str:
        async with sandbox_client(self._home.sandbox_url) as client:
            await write_dev_verdicts(client)
            return describe_verdicts(await newest_verdicts(client))

    def _start_airflow(self) -> None:
        self._progress.say("Airflow starts: scheduler, DAG processor, triggerer, API server.")
        process = self._run("airflow", ["airflow", "standalone"])
        port = self._home.ports.airflow
        self._wait("Airflow is healthy", lambda: _listens(process, port) and self.api.is_healthy(), 150, process)
        # Whatever asks first for the tasks' part of the API has all others wait: longer than a task does.
        self._wait("Airflow answers its tasks", self.api.answers_tasks, 150, process)
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
                "extra": json.dumps({"webhook_secret": self._home.secrets.webhook}),
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
        process = Process.start(name, command, environment=self._home.environment(), log=self._home.log(name))
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
