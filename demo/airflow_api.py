"""The few calls of Airflow's public REST API that the demo makes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_PAGE = 100
_PATIENCE = 60.0
_FIRST_ANSWER = 120.0
"""Seconds that a part of Airflow's API may take which is made when it is asked for the first time."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task instance of a DAG run.

    :param task_id: the task's id.
    :param map_index: which of its instances it is.
    :param image: ``image:tag``, where it is known by now.
    :param state: Airflow's state, or None before it is scheduled.
    """

    task_id: str
    map_index: int
    image: str | None
    state: str | None

    @property
    def name(self) -> str:
        """The task's id without its group."""
        return self.task_id.rpartition(".")[2]


class AirflowApi:
    """A client that is logged in.

    :param url: where Airflow's API is.
    :param password: the password of ``admin``.
    """

    def __init__(self, url: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._password = password

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def is_healthy(self) -> bool:
        """Return whether API server, scheduler, DAG processor and triggerer all work, as Airflow says itself."""
        parts = self._health()
        return bool(parts) and all(part["status"] == "healthy" for part in parts.values())

    def answers_tasks(self) -> bool:
        """Return whether the part of the API answers that tasks ask: it is made when it is asked for the first time."""
        try:
            return self._http.get("/execution/health", timeout=_FIRST_ANSWER).status_code == 200
        except httpx.TransportError:
            return False

    def heartbeats(self) -> dict[str, str | None]:
        """Return scheduler, DAG processor and triggerer, each with its last sign of life; none while nothing answers.

        Airflow calls a part healthy for 30 seconds after its last one.
        """
        parts = {name.replace("dag_", "DAG "): part for name, part in self._health().items()}
        return {
            name: next((part[key] for key in part if key.endswith("_heartbeat")), None)
            for name, part in parts.items()
            if name != "metadatabase"
        }

    def _health(self) -> dict[str, dict[str, str | None]]:
        try:
            answer = self._http.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}

    def log_in(self) -> str:
        """Get a token for all further calls, and return it."""
        answer = self.send("POST", "/auth/token", {"username": "admin", "password": self._password})
        token = str(answer.json()["access_token"])
        self._http.headers["Authorization"] = f"Bearer {token}"
        return token

    def put_connection(self, connection: dict[str, Any]) -> None:
        """Create a connection, or replace it."""
        conn_id = connection["connection_id"]
        if self.send("POST", "/api/v2/connections", connection, known=409).status_code == 409:
            self.send("PATCH", f"/api/v2/connections/{conn_id}", connection)

    def put_variable(self, key: str, value: str) -> None:
        """Create a Variable, or replace it."""
        variable = {"key": key, "value": value}
        if self.send("POST", "/api/v2/variables", variable, known=409).status_code == 409:
            self.send("PATCH", f"/api/v2/variables/{key}", variable)

    def delete_variable(self, key: str) -> None:
        """Delete a Variable; one that is not there is no error."""
        self.send("DELETE", f"/api/v2/variables/{key}", known=404)

    def put_pool(self, name: str, slots: int, description: str) -> None:
        """Create a pool, or leave one that is there as it is."""
        pool = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        self.send("POST", "/api/v2/pools", pool, known=409)

    def has_dag(self, dag_id: str) -> bool:
        """Whether a DAG has been read."""
        return self.send("GET", f"/api/v2/dags/{dag_id}", known=404).status_code == 200

    def import_errors(self) -> list[str]:
        """Return what kept DAG files from being read."""
        entries = self._get("/api/v2/importErrors")["import_errors"]
        return [f"{entry['filename']}: {entry['stack_trace']}" for entry in entries]

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run by hand and return its id.

        :param dag_id: the DAG.
        :param conf: the values of its form, where they are not the defaults.
        """
        body = {"logical_date": None, "conf": dict(conf or {})}
        answer = self.send("POST", f"/api/v2/dags/{dag_id}/dagRuns", body, repeatable=False)
        return str(answer.json()["dag_run_id"])

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str, *, map_index: int = -1) -> None:
        """Answer a task that asks a person; one that takes an answer already is left to it.

        :param dag_id: the DAG.
        :param run_id: its run.
        :param task_id: the task.
        :param option: what is chosen.
        :param map_index: which of its instances asks.
        """
        place = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails"
        self.send("PATCH", place, {"chosen_options": [option], "params_input": {}}, known=409)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state."""
        return str(self.run(dag_id, run_id)["state"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return what Airflow says of a run: its state, and when it began and ended."""
        return dict(self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def newest_run(self, dag_id: str, run_type: str) -> str | None:
        """Return the id of the newest run of a DAG that was started in some way.

        :param dag_id: the DAG.
        :param run_type: how, in Airflow's words, such as ``asset_triggered``.
        """
        runs = self._get(f"/api/v2/dags/{dag_id}/dagRuns", run_type=run_type, order_by="-run_after")
        return next((str(run["dag_run_id"]) for run in runs["dag_runs"]), None)

    def backfill(self, dag_id: str, start: datetime, end: datetime, conf: Mapping[str, Any]) -> None:
        """Run a DAG for the nights of some past time.

        :param dag_id: the DAG.
        :param start: from when.
        :param end: until when.
        :param conf: the values of its form, where they are not the defaults.
        """
        body = {
            "dag_id": dag_id,
            "from_date": start.isoformat(),
            "to_date": end.isoformat(),
            "max_active_runs": 1,
            "reprocess_behavior": "none",
            "dag_run_conf": dict(conf),
        }
        self.send("POST", "/api/v2/backfills", body, known=409)

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """Return all task instances of a run."""
        found: list[Task] = []
        while True:
            page = self._get(
                f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=str(_PAGE), offset=str(len(found))
            )
            found += [
                Task(entry["task_id"], entry["map_index"], entry.get("rendered_map_index"), entry["state"])
                for entry in page["task_instances"]
            ]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def send(
        self, method: str, path: str, body: object = None, *, known: int | None = None, repeatable: bool = True
    ) -> httpx.Response:
        """Send a request, and again while Airflow's database has not taken it: that undoes all of a request.

        :param method: the HTTP method.
        :param path: the path, with its query.
        :param body: what is sent as JSON.
        :param known: an error's status that the caller deals with.
        :param repeatable: whether it is sent again, too, when no answer comes in time.
        :raises DemoError: with Airflow's own words, when it refuses.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                if not repeatable or time.monotonic() > deadline:
                    raise DemoError(f"Airflow did not answer {method} {path}: {error!r}") from error
                continue
            if answer.is_success or answer.status_code == known:
                return answer
            if answer.status_code not in {500, 503} or time.monotonic() > deadline:
                raise DemoError(f"Airflow answered {method} {path} with {answer.status_code}: {answer.text[:2000]}")
            time.sleep(0.5)

    def _get(self, path: str, **query: str) -> Any:
        return self.send("GET", str(httpx.URL(path, params=query)) if query else path).json()
