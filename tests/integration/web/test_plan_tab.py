from __future__ import annotations

import datetime
import html
import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, text

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
from artifactory_provider.promotion.planning.rendering import render_plan
from artifactory_provider.tasks.handover import DRY_RUN, PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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


def store(state: str, told: Mapping[str, Any] | None = None, *, conf: dict[str, Any] | None = None) -> None:
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
            conf=conf,
        )
        session.add(run)
        session.flush()
        for key, value in (told or {}).items():
            session.add(
                XComModel(
                    dag_run_id=run.id, dag_id="backfill", run_id=RUN, task_id=key, map_index=-1, key=key, value=value
                )
            )


def test_nobody_sees_a_plan_without_logging_in(api_server: TestClient) -> None:
    store("success", {PLAN_SUMMARY: "secret"})
    assert api_server.get(PAGE).status_code == 401


def test_whoever_may_not_read_the_dags_xcoms_sees_no_plan(
    api_server: TestClient, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    store("success", {PLAN_SUMMARY: "secret"})
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
    store("failed", {PLAN_SUMMARY: "**3 promotions**", REPORT_SUMMARY: "| a |\n|---|\n| 2 promoted |"})
    page = api_server.get(PAGE, headers=headers).text
    assert page.index("<td>2 promoted</td>") < page.index("<strong>3 promotions</strong>")
    assert "refresh" not in page


@pytest.mark.parametrize(("state", "said"), [("success", "has made no plan."), ("running", "no plan yet")])
def test_a_run_without_a_plan_says_so(api_server: TestClient, headers: dict[str, str], state: str, said: str) -> None:
    store(state)
    assert said in api_server.get(PAGE, headers=headers).text


def test_a_run_that_goes_on_looks_again(api_server: TestClient, headers: dict[str, str]) -> None:
    store("running", {PLAN_SUMMARY: "three"})
    assert 'http-equiv="refresh"' in api_server.get(PAGE, headers=headers).text


def test_a_run_that_ended_without_a_report_says_so(api_server: TestClient, headers: dict[str, str]) -> None:
    store("failed", {PLAN_SUMMARY: "three"})
    assert "ended without a report" in api_server.get(PAGE, headers=headers).text


def test_what_tasks_hand_on_is_never_html_link_or_image(api_server: TestClient, headers: dict[str, str]) -> None:
    store("success", {PLAN_SUMMARY: HOSTILE, REPORT_SUMMARY: f"# {HOSTILE}\n\n<img src=x onerror=alert(3)>"})
    answer = api_server.get(PAGE, headers=headers)
    body = answer.text.partition("<body>")[2]
    for tag in ("<script", "<img", "<a ", "<b>"):
        assert tag not in body
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_why_a_plan_was_refused_stands_where_the_plan_would(api_server: TestClient, headers: dict[str, str]) -> None:
    store("failed", {PLAN_PROBLEM: "The plan was refused. Say “Most promotions” = 72, or choose 'a/*' <b>."})
    page = api_server.get(PAGE, headers=headers).text
    assert "The plan was refused. Say “Most promotions” = 72, or choose &#39;a/*&#39; &lt;b&gt;." in page
    assert "no plan" not in page
    assert "without a report" not in page


DRY = {"field": "dry_run", "titles": {"images": "Images", "largest": "Most promotions"}}


@pytest.fixture
def users(api_server: TestClient) -> dict[str, dict[str, str]]:
    """A login for each role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    tokens = {
        role: get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role, role=role))
        for role in ("viewer", "user")
    }
    return {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}


def test_a_dry_run_offers_the_same_form_for_real_to_whoever_may_start_it(
    api_server: TestClient, users: dict[str, dict[str, str]]
) -> None:
    conf = {"images": ["a/*", "<b>"], "largest": 72, "dry_run": True, "approval": False, "versions": None}
    store("success", {PLAN_SUMMARY: "three", REPORT_SUMMARY: "dry", DRY_RUN: DRY}, conf=conf)
    assert "Run this for real" not in api_server.get(PAGE, headers=users["viewer"]).text
    page = api_server.get(PAGE, headers=users["user"]).text
    assert "Run this for real" in page
    fields = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert fields == [
        ("Images", "a/*\n&lt;b&gt;"),
        ("Most promotions", "72"),
        ("approval", "off"),
        ("versions", "–"),
    ]
    (sent,) = re.findall(r'data-conf="(.*?)"', page)
    assert json.loads(html.unescape(sent)) == {**conf, "dry_run": False}
    assert 'data-url="/api/v2/dags/backfill/dagRuns"' in page
    assert 'data-run="/dags/backfill/runs/{run}"' in page


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("running", {DRY_RUN: DRY}),
        ("failed", {DRY_RUN: DRY}),
        ("success", {}),
        ("success", {DRY_RUN: "true"}),
        ("success", {DRY_RUN: {"field": 1}}),
    ],
)
def test_no_other_run_offers_it(
    api_server: TestClient, users: dict[str, dict[str, str]], state: str, told: dict[str, Any]
) -> None:
    store(state, {PLAN_SUMMARY: "three", REPORT_SUMMARY: "dry", **told})
    answer = api_server.get(PAGE, headers=users["user"])
    assert answer.status_code == 200
    assert "for real" not in answer.text


def test_a_long_plan_is_shown_in_milliseconds(api_server: TestClient, headers: dict[str, str]) -> None:
    digest, image = f"sha256:{'a' * 64}", "x" * 200
    planned = [
        PlannedPromotion(
            source=ImageReference("docker-dev", f"{image}{number}", "1", digest),
            target=ImageReference("docker-qa", f"{image}{number}", "1"),
            action="conflict",
            current=f"sha256:{'b' * 64}",
        )
        for number in range(60)
    ]
    text = render_plan(Plan(tuple(planned)))
    assert len(text) > 40_000
    store("success", {PLAN_SUMMARY: text})
    began = time.perf_counter()
    page = api_server.get(PAGE, headers=headers).text
    assert time.perf_counter() - began < 1
    assert "<td><code>docker-dev/" in page
    assert '<td class="number">1</td>' in page


@pytest.mark.parametrize(
    "text",
    [
        ">" * 100 + " a\n" + "b\n" * 29_000,
        "|a" * 2000 + "\n" + "|-" * 2000 + "\n" + "|\n" * 26_000,
        "|a" * 50 + "\n" + "|-" * 50 + "\n" + "|a\n" * 29_000,
        "[" + "a\n" * 29_000,
        "*a _b " * 10_000,
        "- a\n\n" * 12_000,
        "`" * 30_000 + " " + "`" * 29_999,
        "&#" * 30_000,
        "x" * 2_000_000,
    ],
)
def test_whatever_a_task_hands_on_the_page_does_not_take_long(
    api_server: TestClient, headers: dict[str, str], text: str
) -> None:
    store("success", {PLAN_SUMMARY: text, REPORT_SUMMARY: "the report"})
    began = time.perf_counter()
    page = api_server.get(PAGE, headers=headers).text
    assert time.perf_counter() - began < 1.5
    assert "the report" in page
    assert html.escape(text[:1000]).replace("\n", "")[:40] in page.replace("\n", "")
    assert len(page) < 1_500_000


BACKEND = "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"
IN_A_STORE = """
import json, sys
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

server = TestClient(create_app())
token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="viewer", role="viewer"))
answer = server.get(sys.argv[1], headers={"Authorization": f"Bearer {token}"})
print(json.dumps([answer.status_code, answer.text]))
"""


def keep_in(folder: Path) -> dict[str, str]:
    """Return the settings that let Airflow keep XComs in a folder."""
    return {
        "AIRFLOW__CORE__XCOM_BACKEND": BACKEND,
        "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": f"file://{folder}",
        "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "0",
    }


@pytest.fixture
def store_of_xcoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let this process keep XComs in a folder; Airflow itself chooses the backend when it is imported."""
    from airflow.providers.common.io.xcom import backend

    folder = tmp_path / "store"
    folder.mkdir()
    for name, value in keep_in(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("airflow.sdk.execution_time.xcom.XCom", backend.XComObjectStorageBackend)
    backend._get_base_path.cache_clear()
    yield folder
    backend._get_base_path.cache_clear()


def test_a_plan_in_an_object_store_is_shown_and_not_its_path(api_server: TestClient, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps("**3 promotions** <b>"))
    store("success", {PLAN_SUMMARY: f"file://{tmp_path}/plan.json", REPORT_SUMMARY: "inline"})
    command, environment = [sys.executable, "-c", IN_A_STORE, PAGE], {**os.environ, **keep_in(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    status, page = json.loads(done.stdout.splitlines()[-1])
    assert status == 200
    assert "<strong>3 promotions</strong> &lt;b&gt;" in page
    assert "inline" in page
    assert str(tmp_path) not in page


def test_all_that_tasks_hand_on_may_be_in_the_store(
    api_server: TestClient, users: dict[str, dict[str, str]], store_of_xcoms: Path
) -> None:
    (store_of_xcoms / "report.json").write_text(json.dumps("the **report**"))
    (store_of_xcoms / "form.json").write_text(json.dumps(DRY))
    address = f"file://{store_of_xcoms}"
    store("success", {REPORT_SUMMARY: f"{address}/report.json", DRY_RUN: f"{address}/form.json"})
    page = api_server.get(PAGE, headers=users["user"]).text
    assert "the <strong>report</strong>" in page
    assert "Run this for real" in page


def test_what_is_no_longer_in_the_store_is_said_to_be_gone(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    store("success", {PLAN_SUMMARY: f"file://{store_of_xcoms}/gone.json", REPORT_SUMMARY: "the report"})
    page = api_server.get(PAGE, headers=headers).text
    assert "nothing is there any more" in page
    assert "the report" in page
    assert str(store_of_xcoms) not in page


def test_a_store_that_the_server_cannot_read_costs_no_page(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    (store_of_xcoms / "folder").mkdir()
    store("success", {PLAN_SUMMARY: f"file://{store_of_xcoms}/folder", REPORT_SUMMARY: "the report"})
    page = api_server.get(PAGE, headers=headers).text
    assert "a store that this server cannot read (IsADirectoryError)" in page
    assert "the report" in page
    assert str(store_of_xcoms) not in page


def test_no_file_but_those_in_the_store_is_read(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    (store_of_xcoms.parent / "secret.json").write_text('"secret"')
    for address in (f"file://{store_of_xcoms}/../secret.json", f"file://{store_of_xcoms.parent}/secret.json"):
        store("success", {PLAN_SUMMARY: address})
        assert "secret</p>" not in api_server.get(PAGE, headers=headers).text


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
