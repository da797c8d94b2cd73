from __future__ import annotations

import time
from typing import TYPE_CHECKING

import demo.airflow_api
import httpx
import pytest
from demo.airflow_api import AirflowApi
from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable


CLIENT: Callable[..., httpx.Client] = httpx.Client
LOCKED = httpx.Response(500, json={"detail": {"reason": "Database error", "message": "database is locked"}})


def answering(monkeypatch: pytest.MonkeyPatch, *answers: httpx.Response | Exception) -> tuple[AirflowApi, list[str]]:
    """Return an API that answers with these in turn, the last one for ever, and what was asked."""
    asked: list[str] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(httpx, "Client", lambda **further: CLIENT(transport=httpx.MockTransport(answer), **further))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return AirflowApi("http://airflow.example", "secret"), asked


def test_what_a_locked_database_has_not_taken_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, LOCKED, LOCKED, httpx.Response(201, json={}))
    api.put_connection({"connection_id": "artifactory_default"})
    assert asked == ["POST /api/v2/connections"] * 3


def test_a_connection_that_is_there_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, httpx.Response(409), httpx.Response(200, json={}))
    api.put_connection({"connection_id": "artifactory_default"})
    assert asked == ["POST /api/v2/connections", "PATCH /api/v2/connections/artifactory_default"]


def test_airflow_answers_tasks_once_that_part_of_its_api_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, httpx.ReadTimeout("timed out"), httpx.Response(404), httpx.Response(200))
    assert [api.answers_tasks() for _ in range(3)] == [False, False, True]
    assert set(asked) == {"GET /execution/health"}


def test_a_database_that_stays_locked_is_said_in_airflows_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.airflow_api, "_PATIENCE", 0.0)
    api, _ = answering(monkeypatch, LOCKED)
    with pytest.raises(DemoError, match=r"POST /api/v2/pools with 500: .*database is locked"):
        api.put_pool("artifactory_backfill", 4, "Chunks of backfills")


def test_a_request_that_nobody_answers_in_time_is_sent_again_unless_it_starts_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, asked = answering(monkeypatch, httpx.ReadTimeout("timed out"), httpx.Response(201, json={}))
    api.put_variable("artifactory_policy", "{}")
    assert asked == ["POST /api/v2/variables"] * 2
    api, asked = answering(monkeypatch, httpx.ReadTimeout("timed out"))
    with pytest.raises(DemoError, match="did not answer POST /api/v2/dags/promote_nightly/dagRuns"):
        api.trigger("promote_nightly")
    assert len(asked) == 1


def test_what_is_refused_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, httpx.Response(422, json={"detail": "no such DAG"}))
    with pytest.raises(DemoError, match="no such DAG"):
        api.trigger("promote_nightly")
    assert len(asked) == 1


def test_the_query_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, httpx.Response(200, json={"dag_runs": []}))
    assert api.newest_run("promote_nightly", "asset_triggered") is None
    assert asked == ["GET /api/v2/dags/promote_nightly/dagRuns?run_type=asset_triggered&order_by=-run_after"]
