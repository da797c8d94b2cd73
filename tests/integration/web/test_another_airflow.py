"""Airflow promises to keep nothing of what the pages take from its inside: here names of it are gone."""

from __future__ import annotations

import ast
import builtins
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from artifactory_provider.web import airflow_internals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PLAN, PROMOTIONS = "/artifactory/plans/other_airflow/run.json", "/artifactory/promotions.json"
NEEDED = {
    "airflow.api_fastapi.app.get_auth_manager": {PROMOTIONS},
    "airflow.api_fastapi.auth.managers.models.resource_details.DagAccessEntity": {PLAN, PROMOTIONS},
    "airflow.api_fastapi.auth.managers.models.resource_details.DagDetails": set(),  # only a dry run's page asks
    "airflow.api_fastapi.core_api.security.PermittedAssetEventFilter": {PROMOTIONS},
    "airflow.api_fastapi.core_api.security.get_user": {PLAN, PROMOTIONS},
    "airflow.api_fastapi.core_api.security.requires_access_asset": {PROMOTIONS},
    "airflow.api_fastapi.core_api.security.requires_access_dag": {PLAN},
    "airflow.configuration.conf": set(),  # only the board asks
    "airflow.models.asset.AssetEvent": {PROMOTIONS},
    "airflow.models.asset.AssetModel": {PROMOTIONS},
    "airflow.models.dag.DagModel": set(),  # only a dry run's page asks
    "airflow.models.dagrun.DagRun": {PLAN, PROMOTIONS},
    "airflow.models.xcom.XComModel": {PLAN},
    "airflow.sdk.bases.xcom.BaseXCom": {PLAN},
    "airflow.sdk.execution_time.xcom.XCom": {PLAN},
    "airflow.utils.session.create_session": {PLAN, PROMOTIONS},
}
FILES = Path(airflow_internals.__file__).parent
MODULES = sorted({path.stem for path in FILES.glob("*.py")} - {"__init__", "plugin"})
PAGES = "artifactory_provider.web"
OWN = [f"{PAGES}.{module}" for module in MODULES]
OF_PLUGIN = [f"{PAGES}.plugin"]
"""What the server itself has: it imports the pages at their first request."""

# A server of its own, which from its start on hides from the pages all that they take from Airflow's inside.
START = """
import builtins, json, sys

names, find = set(json.loads(sys.argv[1])), builtins.__import__

def hide(name, globals=None, locals=None, fromlist=(), level=0):
    if (globals or {}).get("__name__", "").startswith("artifactory_provider.web"):
        for entry in fromlist or ():
            if f"{name}.{entry}" in names:
                raise ImportError(f"cannot import name {entry!r} from {name!r} (/somewhere/secret.py)")
    return find(name, globals, locals, fromlist, level)

builtins.__import__ = hide
from airflow.api_fastapi.app import create_app
from airflow import plugins_manager
from fastapi.testclient import TestClient

server = TestClient(create_app())
print(json.dumps({
    "errors": plugins_manager._get_plugins()[1],
    "version": server.get("/api/v2/version").status_code,
    "pages": {page: [(answer := server.get(page)).status_code, answer.text] for page in sys.argv[2:]},
}))
"""


@pytest.fixture(scope="module")
def api_server() -> TestClient:
    """Airflow's API server with a database, one run, and this package's plugin."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.api_fastapi.app import create_app
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        session.execute(text("DELETE FROM dag_run WHERE dag_id = 'other_airflow'"))
        session.add(
            DagRun(
                dag_id="other_airflow",
                run_id="run",
                run_type=DagRunType.MANUAL,
                run_after=datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
                state=DagRunState.SUCCESS,
                triggered_by=DagRunTriggeredByType.TEST,
            )
        )
    return TestClient(create_app(), base_url="http://testserver", follow_redirects=False)


@pytest.fixture
def headers(api_server: TestClient) -> dict[str, str]:
    """A viewer's login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    viewer = SimpleAuthManagerUser(username="viewer", role="viewer")
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(viewer)}"}


@pytest.fixture
def fresh_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the server import its pages anew, now and after the test."""

    def forget() -> dict[str, ModuleType]:
        found = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(f"{PAGES}.")}
        for name in found:
            vars(sys.modules[PAGES]).pop(name.split(".")[2], None)  # it stands in the package, too
        return found

    kept = {name: sys.modules[name] for name in OF_PLUGIN if name in sys.modules}
    saved = forget()
    sys.modules.update(kept)
    yield
    monkeypatch.undo()
    forget()
    sys.modules.update(saved)
    for name, module in saved.items():
        package, _, own = name.rpartition(".")
        setattr(sys.modules[package], own, module)


def hide(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    """Let Airflow lack a name, for whoever imports it from the pages."""
    find = builtins.__import__

    def lacking(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
        if str((globals or {}).get("__name__")) in OWN and hidden in {f"{name}.{entry}" for entry in fromlist or ()}:
            raise ImportError(f"cannot import name {hidden.rpartition('.')[2]!r} from {name!r} (/somewhere/secret.py)")
        return find(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", lacking)


def test_the_names_below_are_all_that_the_pages_take_from_airflow() -> None:
    found = {
        f"{node.module}.{alias.name}"
        for module in set(MODULES) - {"airflow_recording"}  # what webhooks need: see test_webhooks.py
        for node in ast.walk(ast.parse((FILES / f"{module}.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("airflow")
        for alias in node.names
    }
    assert found - {"airflow.__version__"} == NEEDED.keys()


@pytest.mark.parametrize("name", NEEDED)
def test_a_name_that_airflow_lacks_costs_the_pages_that_need_it_and_no_other(
    api_server: TestClient, headers: dict[str, str], fresh_pages: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hide(monkeypatch, name)
    answers = {page: api_server.get(page, headers=headers) for page in (PLAN, PROMOTIONS)}
    assert {page for page, answer in answers.items() if answer.status_code == 503} == NEEDED[name]
    for page, answer in answers.items():
        if page in NEEDED[name]:
            assert f"Airflow {airflow.__version__} lacks what it needs" in answer.text
            assert f"cannot import name '{name.rpartition('.')[2]}'" in answer.text
            assert "made for Airflow 3.3 and tested with 3.3.2" in answer.text
            assert "secret" not in answer.text
        else:
            assert answer.status_code == 200


@pytest.mark.parametrize("name", NEEDED)
def test_whatever_airflow_lacks_nobody_sees_a_page_without_logging_in(
    api_server: TestClient, fresh_pages: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hide(monkeypatch, name)
    assert {api_server.get(page).status_code for page in (PLAN, PROMOTIONS)} <= {401, 503}


def test_a_column_that_airflow_has_renamed_costs_its_page(
    api_server: TestClient, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models import xcom

    class Base(DeclarativeBase):
        """Where models are kept."""

    class Renamed(Base):
        """A model whose columns have other names."""

        __tablename__ = "xcom"
        xcom_id: Mapped[int] = mapped_column(primary_key=True)

    monkeypatch.setattr(xcom, "XComModel", Renamed)
    answer = api_server.get(PLAN, headers=headers)
    assert answer.status_code == 503
    assert "'Renamed' has no attribute 'dag_id'" in answer.text
    assert api_server.get(PROMOTIONS, headers=headers).json() is not None


def test_json_that_airflow_cannot_give_is_refused_as_json(
    api_server: TestClient, headers: dict[str, str], fresh_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "airflow.models.asset.AssetModel")
    answer = api_server.get(PROMOTIONS, headers=headers)
    assert answer.status_code == 503
    assert "AssetModel" in answer.json()["detail"]


def test_a_server_whose_airflow_lacks_every_name_starts_all_the_same() -> None:
    command = [sys.executable, "-c", START, json.dumps(sorted(NEEDED)), PLAN, PROMOTIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["errors"] == {}
    assert seen["version"] == 200
    for status, said in seen["pages"].values():
        assert status == 503
        assert "cannot import name 'get_user'" in said
        assert "secret" not in said


def test_the_versions_that_are_named_are_those_that_the_project_declares() -> None:
    project = Path(__file__).parents[3]
    assert f'"apache-airflow>={airflow_internals.SUPPORTED}' in (project / "pyproject.toml").read_text(encoding="utf-8")
    lock = (project / "requirements.txt").read_text(encoding="utf-8")
    assert f"apache-airflow=={airflow_internals.TESTED} " in lock
