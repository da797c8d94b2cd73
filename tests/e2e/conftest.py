from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.home import Home
from demo.processes import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT = Path(__file__).parents[2]
ENDED = {"success", "failed"}


@dataclass(frozen=True)
class Airflow:
    """An Airflow that runs on the sandbox, both started by ``make up``."""

    home: Home
    http: httpx.Client
    printed: str

    def get(self, path: str, **query: Any) -> Any:
        return self._send("GET", path, params=query)

    def post(self, path: str, body: object) -> Any:
        return self._send("POST", path, json=body)

    def patch(self, path: str, body: object) -> None:
        self._send("PATCH", path, json=body)

    def _send(self, method: str, path: str, **further: Any) -> Any:
        """Send a request, and again while Airflow's SQLite is locked by another writer."""
        deadline = time.monotonic() + 60
        while _is_locked(answer := self.http.request(method, f"/api/v2/{path}", **further)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def run(self, dag_id: str, conf: object) -> str:
        """Run a DAG by hand to its end, and return the run's path in the API."""
        run_id = self.post(f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        path = f"dags/{dag_id}/dagRuns/{run_id}"
        until(lambda: self.get(path)["state"] in ENDED, seconds=300, otherwise=lambda: self.explain(dag_id))
        return path

    def states(self, run: str) -> dict[str, str]:
        """Return task id with its named map index → state."""
        return {f"{one['task_id']}[{one['rendered_map_index']}]": one["state"] for one in self.instances(run)}

    def instances(self, run: str, task_id: str | None = None) -> list[dict[str, Any]]:
        """Return the instances of all tasks of a run, or of one."""
        found = self.pages(f"{run}/taskInstances", "task_instances")
        return [one for one in found if task_id in {None, one["task_id"]}]

    def pages(self, path: str, name: str) -> list[dict[str, Any]]:
        """Return all entries of a list, of which Airflow tells a hundred at a time."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, offset=len(found))
            found += page[name]
            if not page[name] or len(found) >= page["total_entries"]:
                return found

    def explain(self, dag_id: str) -> str:
        """Say what the runs of a DAG that do not end may be waiting for."""
        runs = self.get(f"dags/{dag_id}/dagRuns", order_by="-run_after", limit=10)["dag_runs"]
        said = [f"{one['dag_run_id']} is {one['state']}" for one in runs]
        open_ones = [f"dags/{dag_id}/dagRuns/{one['dag_run_id']}" for one in runs if one["state"] not in ENDED]
        said += [f"{run}: {self.states(run)}" for run in open_ones]
        log = self.home.log("airflow").read_text(errors="replace").splitlines()
        scheduler = [line[:400] for line in log if line.startswith("scheduler")]
        said += [str(self.get("monitor/health")), *scheduler[-20:], f"qa-tests: {end_of(self.home.log('qa-tests'))}"]
        return "\n".join(said)


def _is_locked(answer: httpx.Response) -> bool:
    """Whether Airflow could not write: it says so, names its database, or has not cleaned up after a backfill yet."""
    if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
        return "Database error" in answer.text
    return answer.status_code in {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.CONFLICT}


def until(is_so: Callable[[], bool], *, seconds: float, otherwise: Callable[[], str] = str) -> None:
    """Wait for a condition, within a bound.

    :param otherwise: what there is to say if it does not come.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s. {otherwise()}"
        time.sleep(0.5)


def decide(airflow: Airflow, run: str, option: str, *, task_id: str = "approve", **fields: Any) -> None:
    """Answer a run's question as soon as its task's process has ended: before that, Airflow loses answers."""
    _, dag_id, _, run_id = run.split("/")
    key = f"dag_id='{dag_id}', task_id='{task_id}', run_id='{run_id}'"
    ended_process = f"executor event with state success for task instance TaskInstanceKey({key}"
    until(lambda: ended_process in airflow.home.log("airflow").read_text(errors="replace"), seconds=120)
    body = {"chosen_options": [option], "params_input": fields}
    airflow.patch(f"{run}/taskInstances/{task_id}/-1/hitlDetails", body)


def make(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``make`` as a person would, with a home of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTEST"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=PROJECT,
        env={**environment, "DEMO_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """What ``make up`` starts, with nothing in qa and prod; ``make down`` stops it at the end."""
    path = tmp_path_factory.mktemp("up")
    try:
        started = make("up", home=path, EMPTY="1")
        assert started.returncode == 0, started.stdout + started.stderr
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("demo.home.HOMES", path)
            home = Home.running("up")
        with httpx.Client(base_url=home.airflow_url, timeout=120, trust_env=False) as http:
            token = http.post("/auth/token", json={"username": "admin", "password": home.secrets.airflow_password})
            http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            yield Airflow(home, http, started.stdout)
    finally:
        assert make("down", home=path).returncode == 0
