"""The trail of a stage over the web: what somebody may see of it, as JSON and as CSV."""

from __future__ import annotations

import csv
import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from tests.integration.web.board_api import api_server, headers, login, pipelines, sandbox
from tests.integration.web.test_promotions_page import NIGHT, store

from artifactory_provider.promotion.tags import name_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["api_server", "headers", "pipelines", "sandbox"]

JSON, CSV = "/artifactory/trail.json", "/artifactory/trail.csv"
RUN = name_run("nightly", "scheduled__1", "promote", -1)
QA = {"repository": "docker-qa"}


def read(server: TestClient, headers: dict[str, str], path: str = JSON, **query: str) -> Any:
    """Return the trail once the stages have been looked at."""
    from artifactory_provider.web.board import access

    answer = server.get(path, params={**QA, **query}, headers=headers)
    if answer.status_code == 503:
        access.snapshots.wait()
        answer = server.get(path, params={**QA, **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["promotions"] if path == JSON else list(csv.DictReader(answer.text.splitlines()))


def promote(sandbox: RunningSandbox, place: str, *, run: str = RUN, **said: str) -> str:
    """Leave in a stage what a promotion leaves there, and return the digest."""
    digest = sandbox.push_image(f"docker-qa/{place}", content=place)
    record = {
        "digest": digest,
        "source": f"docker-dev/{place}",
        "target": f"docker-qa/{place}",
        "time": NIGHT.isoformat(timespec="seconds"),
        "run": run,
        "replaced": "none",
    }
    properties = {f"promotion.{name}": value for name, value in {**record, **said}.items()}
    sandbox.set_properties(f"docker-qa/{place}", properties)
    return digest


def event(place: str, digest: str, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "outcome": "promoted",
        "digest": digest,
        "source": {"reference": f"docker-dev/{place}@{digest}"},
        "target": {"reference": f"docker-qa/{place}@{digest}"},
        "replaced": None,
        "verdicts": [],
    }
    told = {"dag": "nightly", "run": "scheduled__1", "place": f"docker-qa/{place.partition(':')[0]}"}
    return {**told, "records": [record], **changes}


def store_task(dag_id: str, run_id: str, *, number: UUID | None = None) -> None:
    """Let Airflow know the task that has promoted, in a run that is stored."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import insert

    with create_session() as session:
        fields = {"task_id": "promote", "dag_id": dag_id, "run_id": run_id, "map_index": -1}
        more = {"pool": "default_pool", "pool_slots": 1, "operator": "ArtifactoryPromoteOperator", "max_tries": 0}
        session.execute(insert(TaskInstance).values(id=number or uuid4(), **fields, **more))


def test_a_stage_tells_what_records_and_events_say_of_it(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    both = promote(sandbox, "team/app:1", verdicts="test.status: passed")
    promote(sandbox, "team/app:2", run=name_run("bulk", "manual__7", "promote", -1), approvals="1 of 1: bob")
    store(
        event("team/app:1", both),
        event("team/app:3", both, run="scheduled__2"),
        event("team/bulk:1", both, dag="bulk", run="manual__7", started="manual", user="jane@example.com"),
    )
    store_task("bulk", "manual__7")
    rows = {row["target"]: row for row in read(api_server, headers)}
    assert {target: row["told_by"] for target, row in rows.items()} == {
        "docker-qa/team/app:1": "both",
        "docker-qa/team/app:2": "record",
        "docker-qa/team/app:3": "event",
        "docker-qa/team/bulk:1": "event",
    }
    assert rows["docker-qa/team/app:1"]["disagreement"] == "The event tells other verdicts: none."
    silent = rows["docker-qa/team/app:2"]
    assert (silent["dag"], silent["dag_run"], silent["by"]) == ("bulk", "manual__7", "jane@example.com")
    assert silent["approvals"] == "1 of 1: bob"
    assert rows["docker-qa/team/app:3"]["remark"] == "The tag is gone, and its record with it."


def test_a_time_may_be_asked_for_with_a_zone(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    promote(sandbox, "team/app:1")
    store()
    local = NIGHT.astimezone(datetime.timezone(datetime.timedelta(hours=-5)))
    assert len(read(api_server, headers, **{"from": local.isoformat()})) == 1
    assert read(api_server, headers, before=local.isoformat()) == []
    answer = api_server.get(JSON, params={**QA, "from": "soon"}, headers=headers)
    assert (answer.status_code, "from is a moment such as" in answer.json()["detail"]) == (422, True)


def test_csv_is_safe_for_spreadsheets_and_has_what_json_has(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    promote(sandbox, "team/app:1", by="=HYPERLINK(1)", approvals="@bob\n+1")
    store()
    [row] = read(api_server, headers, CSV)
    assert (row["by"], row["approvals"]) == ("'=HYPERLINK(1)", "'@bob +1")
    [told] = read(api_server, headers)
    assert told["by"] == "=HYPERLINK(1)"
    assert list(row) == list(told)


def test_thousands_are_sent_in_parts(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    digest = promote(sandbox, "team/app:1")
    records = [event(f"team/app:2.{number}", digest)["records"][0] for number in range(1_234)]
    store(event("team/app:2", digest, records=records))
    assert len(read(api_server, headers)) == len(read(api_server, headers, CSV)) == 1_235


def test_nobody_learns_of_what_they_may_not_read(
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines()
    pipelines("secret", "images: [secret/*]")
    promote(sandbox, "team/app:1", run=name_run("secret", "manual__8", "promote", -1))
    promote(sandbox, "team/app:2")
    promote(sandbox, "secret/app:2", run="f" * 12)  # of a run that Airflow has forgotten
    digest = promote(sandbox, "secret/app:1", run=name_run("secret", "manual__8", "promote", -1))
    store(event("secret/app:1", digest, dag="secret", run="manual__8"), event("team/app:3", digest))
    store_task("secret", "manual__8")
    assert len(read(api_server, headers)) == 5
    for path in (JSON, CSV):
        assert api_server.get(path, params=QA).status_code == 401
        assert api_server.get(path, params={"repository": "docker-none"}, headers=headers).status_code == 404
        assert api_server.get(path, headers=headers).status_code == 422

    from airflow.api_fastapi.app import get_auth_manager

    monkeypatch.setattr(get_auth_manager(), "get_authorized_dag_ids", lambda **_: {"nightly"})
    rows = read(api_server, login("viewer"))
    assert {row["target"] for row in rows} == {"docker-qa/team/app:2", "docker-qa/team/app:3"}
    assert "secret" not in str(rows)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "0001-01-01T00:00%2B14:00"])
def test_a_moment_that_is_none_elsewhere_is_refused(
    api_server: TestClient, headers: dict[str, str], pipelines: Callable[..., None], moment: str
) -> None:
    pipelines()
    assert read(api_server, headers) == []
    answer = api_server.get(JSON, params={**QA, "from": moment}, headers=headers)
    assert answer.status_code == 422
