from __future__ import annotations

import re
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select

DIGEST = f"sha256:{'a' * 64}"
PAGES = ["/artifactory/promotions", "/artifactory/promotions.json"]


@pytest.fixture(scope="module")
def api_server() -> TestClient:
    """Airflow's API server with a database and with this package's plugin, as it is installed."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.api_fastapi.app import create_app

    return TestClient(create_app(), base_url="http://testserver", follow_redirects=False)


@pytest.fixture
def headers(api_server: TestClient) -> dict[str, dict[str, str]]:
    """A login for each role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return {
        role: {"Authorization": f"Bearer {_token(get_auth_manager(), SimpleAuthManagerUser(username=role, role=role))}"}
        for role in ("viewer", "user", "op", "admin")
    }


@pytest.fixture
def promoted(api_server: TestClient) -> None:
    """Events of three promotions, one of them of an image whose name tries to be HTML, and one of another kind."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        # What other tests have left may refer to anything but events.
        session.execute(delete(AssetEvent))
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        session.merge(DagModel(dag_id="night", bundle_name="dags"))
        for uri, target in (
            ("artifactory://docker-prod/payments/api", f"docker-prod/payments/api:1.0@{DIGEST}"),
            ("artifactory://docker-qa/payments/api", f"docker-qa/payments/api:1.0@{DIGEST}"),
            ("artifactory://docker-prod/100%_real", "<script>alert(1)</script>"),
            ("service_catalog", ""),
        ):
            asset = session.scalar(select(AssetModel).where(AssetModel.uri == uri)) or AssetModel(name=uri, uri=uri)
            session.add(asset)
            session.flush()
            ends = {"target": {"reference": target}, "source": {"reference": "docker-dev/x:1"}}
            extra = {"promotions": [{"outcome": "promoted", **ends}]}
            event = {"source_dag_id": "night", "source_task_id": "promote", "source_run_id": "manual__1+00:00"}
            session.add(AssetEvent(asset_id=asset.id, extra=extra if target else {}, **event))


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_promotions_without_logging_in(api_server: TestClient, page: str) -> None:
    assert api_server.get(page).status_code == 401


@pytest.mark.parametrize("page", PAGES)
def test_a_forged_token_is_refused(api_server: TestClient, page: str) -> None:
    assert api_server.get(page, headers={"Authorization": "Bearer e30.e30.x"}).status_code in {401, 403}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", ["viewer", "user", "op", "admin"])
def test_whoever_may_read_assets_may_read_promotions(
    api_server: TestClient, headers: dict[str, dict[str, str]], page: str, role: str
) -> None:
    assert api_server.get(page, headers=headers[role]).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_the_promotions_of_a_dag_that_they_may_not_read(
    api_server: TestClient,
    headers: dict[str, dict[str, str]],
    promoted: None,
    page: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    assert "payments/api" in api_server.get(page, headers=headers["viewer"]).text
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", lambda self, **question: False)
    answer = api_server.get(page, headers=headers["viewer"])
    assert answer.status_code == 200
    assert "payments/api" not in answer.text
    assert "night" not in answer.text


def test_promotions_are_listed_newest_first_and_other_assets_are_not(
    api_server: TestClient, headers: dict[str, dict[str, str]], promoted: None
) -> None:
    listed = api_server.get("/artifactory/promotions.json", headers=headers["viewer"]).json()
    assert [entry["target"] for entry in listed][1:] == [
        f"docker-qa/payments/api:1.0@{DIGEST}",
        f"docker-prod/payments/api:1.0@{DIGEST}",
    ]


@pytest.mark.parametrize(
    ("contains", "found"), [("docker-prod", 2), ("payments", 2), ("100%_r", 1), ("%", 1), ("z", 0)]
)
def test_a_part_of_a_name_narrows_the_list_and_is_no_pattern(
    api_server: TestClient, headers: dict[str, dict[str, str]], promoted: None, contains: str, found: int
) -> None:
    answer = api_server.get("/artifactory/promotions.json", params={"contains": contains}, headers=headers["viewer"])
    assert len(answer.json()) == found


def test_what_images_are_called_is_never_html(
    api_server: TestClient, headers: dict[str, dict[str, str]], promoted: None
) -> None:
    hostile = {"contains": '"><script>alert(2)</script>'}
    page = api_server.get("/artifactory/promotions", headers=headers["viewer"]).text
    assert "&lt;script&gt;alert(1)" in page
    assert (
        "<script>" not in page + api_server.get("/artifactory/promotions", params=hostile, headers=headers["op"]).text
    )


def test_a_promotion_leads_to_the_task_that_did_it(
    api_server: TestClient, headers: dict[str, dict[str, str]], promoted: None
) -> None:
    page = api_server.get("/artifactory/promotions", headers=headers["viewer"]).text
    assert "/dags/night/runs/manual__1%2B00%3A00/tasks/promote" in page


def test_no_script_runs_but_the_one_that_lets_links_leave_airflows_frame(
    api_server: TestClient, headers: dict[str, dict[str, str]], promoted: None
) -> None:
    answers = [api_server.get("/artifactory/promotions", headers=headers["viewer"]) for _ in range(2)]
    nonces = [re.findall(r'<script nonce="(.+?)">', answer.text) for answer in answers]
    assert nonces[0] != nonces[1]
    for answer, (nonce,) in zip(answers, nonces, strict=True):
        assert (
            f"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}';"
            in answer.headers["Content-Security-Policy"]
        )


def test_an_image_stands_apart_from_its_digest_which_is_there_once(
    api_server: TestClient, headers: dict[str, dict[str, str]], promoted: None
) -> None:
    page = api_server.get("/artifactory/promotions?contains=docker-qa", headers=headers["viewer"]).text
    assert "<code>docker-qa/payments/api:1.0</code>" in page
    assert f">{DIGEST}</code>" in page


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"contains": "x" * 401}])
def test_a_query_that_makes_no_sense_is_refused(
    api_server: TestClient, headers: dict[str, dict[str, str]], query: dict[str, str]
) -> None:
    assert api_server.get("/artifactory/promotions.json", params=query, headers=headers["viewer"]).status_code == 422


def test_promotions_cannot_be_changed_here(api_server: TestClient, headers: dict[str, dict[str, str]]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert api_server.request(method, "/artifactory/promotions", headers=headers["admin"]).status_code == 405


def test_airflow_shows_the_page_under_browse(api_server: TestClient, headers: dict[str, dict[str, str]]) -> None:
    plugins = api_server.get("/api/v2/plugins", headers=headers["admin"]).json()["plugins"]
    plugin = next(plugin for plugin in plugins if plugin["name"] == "artifactory")
    view = next(view for view in plugin["external_views"] if view["name"] == "Promotions")
    assert (view["destination"], view["category"]) == ("nav", "browse")


def test_a_worker_that_loads_the_plugin_does_not_load_the_web_application() -> None:
    code = (
        "import artifactory_provider.web.plugin, sys; print('fastapi' in sys.modules, 'sqlalchemy.orm' in sys.modules)"
    )
    alone = "import airflow.sdk.plugins_manager, sys; print('fastapi' in sys.modules, 'sqlalchemy.orm' in sys.modules)"
    loaded, before = (
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        for text in (code, alone)
    )
    assert loaded == before


def _token(auth_manager: object, user: object) -> str:
    return auth_manager.generate_jwt(user)  # type: ignore[attr-defined,no-any-return]
