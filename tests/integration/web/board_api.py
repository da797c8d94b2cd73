"""What the tests of the board share: an API server, logins, pipelines over a sandbox, and waiting for a snapshot."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from airflow.triggers.base import BaseTrigger
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox

BOARD = "/artifactory/board.json"
NIGHT = datetime.datetime(2026, 11, 1, 2, tzinfo=datetime.UTC)
CLOCK: list[float] = []
"""The seconds that have gone by for the board."""
STAGES = """
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}], timeout: 4h}
  - {name: qa, repository: docker-qa, checks: [{property: qa.test.status}]}
  - {name: prod, repository: docker-prod}
"""


@pytest.fixture(scope="module")
def api_server() -> TestClient:
    """Airflow's API server with a database and with this package's plugin, as it is installed."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.api_fastapi.app import create_app

    return TestClient(create_app(), base_url="http://testserver", follow_redirects=False)


@pytest.fixture
def sandbox(artifactory_sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox of the test's own, as a board shows all that there is."""
    return artifactory_sandbox


@pytest.fixture
def headers(api_server: TestClient) -> dict[str, str]:
    """An administrator's login."""
    return login("admin")


def login(role: str, name: str | None = None) -> dict[str, str]:
    """Return the header of a login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name or role, role=role))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def pipelines(
    api_server: TestClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gateway: Gateway,
    sandbox: RunningSandbox,
) -> Iterator[Callable[..., None]]:
    """Write pipeline files, each with its DAG as Airflow knows it; the board begins with none."""
    from artifactory_provider.web.board import access
    from artifactory_provider.web.board.snapshots import Snapshots

    clear_airflow()
    folder = tmp_path / "pipelines"
    folder.mkdir()
    fields = {"conn_type": "artifactory", "host": gateway.url, "login": sandbox.username, "password": sandbox.password}
    monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", json.dumps(fields))
    CLOCK.clear()
    monkeypatch.setattr(access, "snapshots", Snapshots(lambda: folder, clock=lambda: sum(CLOCK)))

    def write(name: str = "nightly", text: str = "images: [team/*]", *, stages: str = STAGES) -> None:
        (folder / f"{name}.yaml").write_text(f"{text}\n{stages}")
        store_dag(name)

    yield write
    access.snapshots.wait()


def let_time_go_by() -> None:
    """Let the snapshot grow old, so that the next who asks has the registry looked at anew."""
    CLOCK.append(60)


def store_dag(dag_id: str, *, is_stale: bool = False) -> None:
    """Let Airflow know a DAG."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        session.merge(DagModel(dag_id=dag_id, bundle_name="dags", is_stale=is_stale, is_paused=False))


def read_board(server: TestClient, headers: dict[str, str], path: str = BOARD, **query: Any) -> dict[str, Any]:
    """Return the board once its snapshot has been taken."""
    end = time.monotonic() + 60
    while True:
        answer = server.get(path, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        board: dict[str, Any] = answer.json()
        if not board["is_refreshing"]:
            return board
        assert time.monotonic() < end, "the snapshot was not taken"
        from artifactory_provider.web.board import access

        access.snapshots.wait()
        query.pop("refresh", None)


def store_run(
    dag_id: str,
    run_id: str,
    *,
    state: str = "running",
    user: str | None = None,
    conf: dict[str, Any] | None = None,
    minute: int = 0,
) -> int:
    """Let Airflow know a run; return its number."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy import delete

    store_dag(dag_id)
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        run = DagRun(
            dag_id=dag_id,
            run_id=run_id,
            run_type="manual" if user else "scheduled",
            run_after=NIGHT + datetime.timedelta(minutes=minute),
            state=DagRunState(state),
            triggered_by=DagRunTriggeredByType.TEST,
            triggering_user_name=user,
            conf=conf,
        )
        session.add(run)
        session.flush()
        return int(run.id)


def store_task(
    dag_id: str,
    run_id: str,
    task_id: str,
    state: str,
    *,
    label: str | None = None,
    map_index: int = -1,
    asks: Sequence[str] | None = None,
    minutes: float = 42,
) -> uuid.UUID:
    """Let Airflow know a task instance of a run, since when it is so, and whom its question asks, if it asks one."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import insert, text

    number = uuid.uuid4()
    now = datetime.datetime.now(datetime.UTC)
    values = {
        "id": number,
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "map_index": map_index,
        "state": state,
        "rendered_map_index": label,
        "start_date": now - datetime.timedelta(minutes=minutes),
        "end_date": now if state == "failed" else None,
        "trigger_timeout": now + datetime.timedelta(minutes=240 - minutes) if state == "deferred" else None,
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": "default",
        "try_number": 1,
        "max_tries": 0,
        "executor_config": {},
        "custom_operator_name": "",
    }
    with create_session() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        session.execute(insert(TaskInstance.__table__).values(**values))
        if asks is not None:
            assignees = [{"id": name, "name": name} for name in asks]
            detail = HITLDetail(
                ti_id=number,
                options=["Approve", "Reject"],
                subject="?",
                params={},
                assignees=assignees,
                created_at=now,
            )
            session.add(detail)
    return number


def store_wait(
    number: uuid.UUID, *, operator: str = "", fields: Any = None, trigger: BaseTrigger | None = None, subject: str = "?"
) -> None:
    """Let Airflow know what a task instance waits with.

    :param number: the task instance's.
    :param operator: the name of its operator's class.
    :param fields: its arguments as they were rendered.
    :param trigger: what it waits with in the triggerer.
    :param subject: what its question asks.
    """
    from airflow.models.hitl import HITLDetail
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import insert, text, update

    with create_session() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        task = session.get_one(TaskInstance, number)
        task.operator = operator
        if trigger is not None:
            session.add(kept := Trigger.from_object(trigger))
            session.flush()
            task.trigger_id = kept.id
        if fields is not None:
            where = {name: getattr(task, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
            rendered = insert(RenderedTaskInstanceFields.__table__)
            session.execute(rendered.values(**where, rendered_fields=fields))
        session.execute(update(HITLDetail).where(HITLDetail.ti_id == number).values(subject=subject))


def store_handed_on(number: int, dag_id: str, run_id: str, task_id: str, told: Mapping[str, Any]) -> None:
    """Let a task of a run have handed on some values, by their keys."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import text

    where = {"dag_run_id": number, "dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": -1}
    with create_session() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        session.add_all(XComModel(**where, key=key, value=value) for key, value in told.items())


def refuse(monkeypatch: pytest.MonkeyPatch, *parts: str) -> None:
    """Let nobody read some parts of DAGs, such as ``RUN`` or ``XCOM``, as Airflow names them."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    def may(self: object, *, access_entity: Any = None, **_: object) -> bool:
        return access_entity is None or access_entity.name not in parts

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", may)


def clear_airflow() -> None:
    """Let Airflow forget all runs, tasks and events of other tests."""
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        kinds = (AssetEvent, HITLDetail, XComModel, RenderedTaskInstanceFields, TaskInstance, Trigger, DagRun)
        for model in kinds:
            session.execute(delete(model))
