from __future__ import annotations

import datetime
import subprocess
import sys
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, text

from artifactory_provider.tasks.handover import PLAN_SUMMARY, REPORT_SUMMARY

RUN = "manual__2026-11-01T00:00:00+00:00"
PAGE = f"/artifactory/plans/backfill/{quote(RUN, safe='')}"
HOSTILE = "<script>alert(1)</script> [x](javascript:alert(2)) ![y](http://elsewhere/z) `<b>c</b>`"


@pytest.fixture(scope="module")
def api_server() -> TestClient:
    """Airflow's API server with a database and with this package's plugin, as it is installed."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.api_fastapi.app import create_app

    return TestClient(create_app(), base_url="http://testserver", follow_redirects=False)


@pytest.fixture
def headers(api_server: TestClient) -> dict[str, str]:
    """A viewer's login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    viewer = SimpleAuthManagerUser(username="viewer", role="viewer")
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(viewer)}"}


def store(state: str, **summaries: str) -> None:
    """Store a run with what its tasks have handed on, as a scheduler would."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        # The tasks themselves, which XComs belong to, play no part here.
        session.execute(text("PRAGMA foreign_keys=OFF"))
        for model in (XComModel, DagRun):
            session.execute(delete(model))
        moment = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
        run = DagRun(
            dag_id="backfill",
            run_id=RUN,
            run_type=DagRunType.MANUAL,
            run_after=moment,
            state=DagRunState(state),
            triggered_by=DagRunTriggeredByType.TEST,
        )
        session.add(run)
        session.flush()
        for key, value in summaries.items():
            session.add(
                XComModel(
                    dag_run_id=run.id, dag_id="backfill", run_id=RUN, task_id=key, map_index=-1, key=key, value=value
                )
            )


def test_nobody_sees_a_plan_without_logging_in(api_server: TestClient) -> None:
    store("success", **{PLAN_SUMMARY: "secret"})
    assert api_server.get(PAGE).status_code == 401


def test_whoever_may_not_read_the_dags_xcoms_sees_no_plan(
    api_server: TestClient, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    store("success", **{PLAN_SUMMARY: "secret"})
    asked = []

    def refuse(self: object, **question: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", refuse)
    answer = api_server.get(PAGE, headers=headers)
    assert answer.status_code == 403
    assert "secret" not in answer.text
    assert [question["details"].id for question in asked] == ["backfill"]  # type: ignore[attr-defined]


def test_a_run_shows_its_report_before_its_plan(api_server: TestClient, headers: dict[str, str]) -> None:
    store("failed", **{PLAN_SUMMARY: "**3 promotions**", REPORT_SUMMARY: "| a |\n|---|\n| 2 promoted |"})
    page = api_server.get(PAGE, headers=headers).text
    assert page.index("<td>2 promoted</td>") < page.index("<strong>3 promotions</strong>")
    assert "refresh" not in page


@pytest.mark.parametrize(("state", "said"), [("success", "has made no plan."), ("running", "no plan yet")])
def test_a_run_without_a_plan_says_so(api_server: TestClient, headers: dict[str, str], state: str, said: str) -> None:
    store(state)
    assert said in api_server.get(PAGE, headers=headers).text


def test_a_run_that_goes_on_looks_again(api_server: TestClient, headers: dict[str, str]) -> None:
    store("running", **{PLAN_SUMMARY: "three"})
    assert 'http-equiv="refresh"' in api_server.get(PAGE, headers=headers).text


def test_a_run_that_ended_without_a_report_says_so(api_server: TestClient, headers: dict[str, str]) -> None:
    store("failed", **{PLAN_SUMMARY: "three"})
    assert "ended without a report" in api_server.get(PAGE, headers=headers).text


def test_what_tasks_hand_on_is_never_html_link_or_image(api_server: TestClient, headers: dict[str, str]) -> None:
    store("success", **{PLAN_SUMMARY: HOSTILE, REPORT_SUMMARY: f"# {HOSTILE}\n\n<img src=x onerror=alert(3)>"})
    answer = api_server.get(PAGE, headers=headers)
    for tag in ("<script", "<img", "<a ", "<b>"):
        assert tag not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_run_that_there_is_not_is_not_found(api_server: TestClient, headers: dict[str, str]) -> None:
    store("success")
    assert api_server.get("/artifactory/plans/backfill/other", headers=headers).status_code == 404
    assert api_server.get(f"/artifactory/plans/other/{quote(RUN)}", headers=headers).status_code == 404


def test_a_plan_cannot_be_changed_here(api_server: TestClient, headers: dict[str, str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert api_server.request(method, PAGE, headers=headers).status_code == 405


def test_airflow_shows_the_plan_beside_its_run() -> None:
    from artifactory_provider.web.plugin import ArtifactoryPlugin

    view = next(view for view in ArtifactoryPlugin.external_views if view["name"] == "Plan")
    assert (view["destination"], view["href"]) == ("dag_run", "/artifactory/plans/{DAG_ID}/{RUN_ID}")
