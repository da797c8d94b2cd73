from __future__ import annotations

import datetime
import html
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
PAGE, JSON = "/artifactory/promotions", "/artifactory/promotions.json"
PAGES = [PAGE, JSON]
HOSTILE = "<script>alert(1)</script>"
NIGHT = datetime.datetime(2026, 11, 1, 2, tzinfo=datetime.UTC)
Headers = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def api_server() -> TestClient:
    """Airflow's API server with a database and with this package's plugin, as it is installed."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.api_fastapi.app import create_app

    return TestClient(create_app(), base_url="http://testserver", follow_redirects=False)


@pytest.fixture
def headers(api_server: TestClient) -> Headers:
    """A login for each role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return {
        role: {"Authorization": f"Bearer {_token(get_auth_manager(), SimpleAuthManagerUser(username=role, role=role))}"}
        for role in ("viewer", "user", "op", "admin")
    }


def record(place: str, tag: str, *, outcome: str = "promoted", digest: str = DIGEST, **more: Any) -> dict[str, Any]:
    """Return what a promotion records of itself."""
    return {
        "outcome": outcome,
        "digest": digest,
        "source": {"reference": f"docker-dev/{place.partition('/')[2]}:{tag}@{digest}"},
        "target": {"reference": f"{place}:{tag}@{digest}"},
        "copy": True,
        **more,
    }


def store(*events: Mapping[str, Any], begun: datetime.datetime = NIGHT) -> None:
    """Store events, the oldest first, each a minute later than the one before, and the runs that emitted them.

    :param events: each with ``place``, ``records``, and, unless no DAG has emitted it, ``dag`` and ``run``.
    :param begun: when the first was emitted.
    """
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType

    with create_session() as session:
        # What other tests have left may refer to anything but events.
        session.execute(delete(AssetEvent))
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        for minute, event in enumerate(events):
            uri = event.get("uri") or f"artifactory://{event['place']}"
            asset = session.scalar(select(AssetModel).where(AssetModel.uri == uri)) or AssetModel(name=uri, uri=uri)
            session.add(asset)
            dag, run = event.get("dag"), event.get("run")
            if dag:
                session.merge(DagModel(dag_id=dag, bundle_name="dags"))
            session.flush()
            known = session.scalar(select(DagRun).where(DagRun.dag_id == dag, DagRun.run_id == run))
            if dag and known is None:
                session.add(
                    DagRun(
                        dag_id=dag,
                        run_id=run,
                        run_type=event.get("started", "scheduled"),
                        run_after=NIGHT,
                        state=DagRunState.SUCCESS,
                        triggered_by=DagRunTriggeredByType.TEST,
                        triggering_user_name=event.get("user"),
                    )
                )
            emitted = {"source_dag_id": dag, "source_task_id": "promote" if dag else None, "source_run_id": run}
            session.add(
                AssetEvent(
                    asset_id=asset.id,
                    extra=event.get("extra") or {"promotions": event["records"]},
                    timestamp=begun + datetime.timedelta(minutes=minute),
                    **emitted,
                )
            )


@pytest.fixture
def promoted(api_server: TestClient) -> None:
    """Events of a night, of a person's run, of a bulk run, of none of ours, and one that tries to be HTML."""
    night = {"dag": "night", "run": "scheduled__1+00:00"}
    by_hand = {"dag": "by_hand", "run": "manual__2", "started": "manual", "user": "Jane.Doe@example.com"}
    hostile = {"outcome": "<b>", "target": {"reference": HOSTILE}, "source": 7, "replaced": ["x"]}
    many = [record("docker-qa/tools/cli", f"2.{minor}.0", digest=OTHER) for minor in range(120)]
    store(
        {"place": "docker-prod/payments/api", "records": [record("docker-prod/payments/api", "1.0")], **night},
        {
            "place": "docker-qa/payments/api",
            "records": [record("docker-qa/payments/api", "1.0", outcome="unchanged")],
            **night,
        },
        {
            "place": "docker-prod/coredns",
            "records": [record("docker-prod/coredns", "v1.11.0", replaced=OTHER, copy=False)],
            **by_hand,
        },
        {"place": "docker-qa/tools/cli", "records": many, "dag": "bulk", "run": "manual__3"},
        {"uri": "service_catalog", "records": [record("x/y", "1")], **night},
        {"place": "docker-prod/100%_real", "records": [hostile], **night},
        {"place": "docker-prod/by-rest", "extra": {"from_rest_api": True}},
    )


def found(api_server: TestClient, headers: Headers, **query: Any) -> list[str]:
    """Return the targets of what is found."""
    answer = api_server.get(JSON, params=query, headers=headers["viewer"])
    assert answer.status_code == 200, answer.text
    return [entry["target"] for entry in answer.json()["promotions"]]


def shown(api_server: TestClient, headers: Headers, **query: Any) -> str:
    """Return the page."""
    answer = api_server.get(PAGE, params=query, headers=headers["viewer"])
    assert answer.status_code == 200, answer.text
    return answer.text


def older(page: str) -> dict[str, str]:
    """Return the query of a page's link to older ones."""
    (link,) = re.findall(r'<a rel="next" href="\?(.+?)">', page)
    return {name: values[0] for name, values in parse_qs(html.unescape(link)).items()}


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_promotions_without_logging_in(api_server: TestClient, promoted: None, page: str) -> None:
    answer = api_server.get(page)
    assert answer.status_code == 401
    assert "payments" not in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_a_forged_token_is_refused(api_server: TestClient, page: str) -> None:
    assert api_server.get(page, headers={"Authorization": "Bearer e30.e30.x"}).status_code in {401, 403}


def test_who_has_no_session_is_led_to_the_login_and_back(api_server: TestClient) -> None:
    answer = api_server.get(PAGE, params={"q": 'a "b" & c', "outcome": "promoted"})
    (link,) = re.findall(r'href="([^"]+)">Log in to Airflow', answer.text)
    address = urlsplit(html.unescape(link))
    assert address.path == "/api/v2/auth/login"
    wanted = urlsplit(parse_qs(address.query)["next"][0])
    assert (wanted.path, parse_qs(wanted.query)) == (PAGE, {"q": ['a "b" & c'], "outcome": ["promoted"]})
    login = api_server.get(html.unescape(link))
    assert login.status_code == 307, "Airflow takes where it leads back to for safe"
    assert f'content="0; url={html.escape(html.unescape(link))}' in answer.text, "without scripts, too"


def test_a_session_that_has_ended_leads_to_the_login_too(api_server: TestClient) -> None:
    answer = api_server.get(PAGE, headers={"Cookie": "_token=e30.e30.x"})
    assert "Log in to Airflow" in answer.text


def test_json_is_asked_for_by_name_and_never_guessed(api_server: TestClient, headers: Headers, promoted: None) -> None:
    for accept in ("application/json", "text/html", "*/*"):
        asked = {"Accept": accept}
        assert api_server.get(JSON, headers=asked).json() == {"detail": "Not authenticated"}
        assert "text/html" in api_server.get(PAGE, headers=asked).headers["content-type"]
        told = api_server.get(JSON, headers={**asked, **headers["viewer"]})
        assert set(told.json()) == {"promotions", "older"}
        assert "text/html" in api_server.get(PAGE, headers={**asked, **headers["viewer"]}).headers["content-type"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", ["viewer", "user", "op", "admin"])
def test_whoever_may_read_assets_may_read_promotions(
    api_server: TestClient, headers: Headers, page: str, role: str
) -> None:
    assert api_server.get(page, headers=headers[role]).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_the_promotions_of_a_dag_that_they_may_not_read(
    api_server: TestClient, headers: Headers, promoted: None, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    assert "payments/api" in api_server.get(page, headers=headers["viewer"]).text
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", lambda self, **question: False)
    answer = api_server.get(page, headers=headers["viewer"])
    assert answer.status_code == 200
    assert "payments/api" not in answer.text
    assert "night" not in answer.text
    assert "by-rest" in answer.text


def test_who_started_a_run_is_for_those_alone_who_may_read_runs(
    api_server: TestClient, headers: Headers, promoted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    def may(self: object, **question: Any) -> bool:
        return question.get("access_entity") is not DagAccessEntity.RUN

    assert "Jane.Doe" in shown(api_server, headers)
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", may)
    for page in PAGES:
        answer = api_server.get(page, headers=headers["viewer"])
        assert "by_hand" in answer.text
        assert "Jane.Doe" not in answer.text
    assert found(api_server, headers, q="jane.doe") == []


def test_promotions_are_listed_newest_first_each_one_of_a_bulk_run_and_other_assets_are_not(
    api_server: TestClient, headers: Headers, promoted: None
) -> None:
    listed = found(api_server, headers)
    assert listed[:3] == ["docker-prod/by-rest", HOSTILE, "docker-qa/tools/cli:2.0.0"]
    assert listed[-3:] == ["docker-prod/coredns:v1.11.0", "docker-qa/payments/api:1.0", "docker-prod/payments/api:1.0"]
    assert len(listed) == 125
    answer = api_server.get(JSON, params={"q": "coredns"}, headers=headers["viewer"]).json()
    assert answer == {
        "promotions": [
            {
                "timestamp": "2026-11-01T02:02:00Z",
                "target": "docker-prod/coredns:v1.11.0",
                "source": "docker-dev/coredns:v1.11.0",
                "digest": DIGEST,
                "outcome": "promoted",
                "moved": True,
                "replaced": OTHER,
                "dag_id": "by_hand",
                "run_id": "manual__2",
                "task_id": "promote",
                "map_index": -1,
                "started": "manual",
                "user": "Jane.Doe@example.com",
            }
        ],
        "older": None,
    }


@pytest.mark.parametrize(
    ("q", "targets"),
    [
        ("coredns", ["docker-prod/coredns:v1.11.0"]),
        ("COREDNS", ["docker-prod/coredns:v1.11.0"]),
        ("v1.11", ["docker-prod/coredns:v1.11.0"]),
        ("2.117.0", ["docker-qa/tools/cli:2.117.0"]),
        ("cli 2.117.0", ["docker-qa/tools/cli:2.117.0"]),
        ("coredns 2.117.0", []),
        ("sha256:aaaaaaaaaaaa payments", ["docker-qa/payments/api:1.0", "docker-prod/payments/api:1.0"]),
        ("by_hand", ["docker-prod/coredns:v1.11.0"]),
        ("manual__2", ["docker-prod/coredns:v1.11.0"]),
        ("jane.doe", ["docker-prod/coredns:v1.11.0"]),
        (
            "scheduled__1+00",
            ["<script>alert(1)</script>", "docker-qa/payments/api:1.0", "docker-prod/payments/api:1.0"],
        ),
        ("docker-dev/coredns", ["docker-prod/coredns:v1.11.0"]),
        ("100%_r", [HOSTILE]),
        ("%", [HOSTILE]),
        ("reference", []),
        ('"outcome"', []),
        ("ünïcödé", []),
        ("'; DROP TABLE asset_event --", []),
    ],
)
def test_the_search_finds_images_tags_digests_dags_runs_and_people_and_nothing_else(
    api_server: TestClient, headers: Headers, promoted: None, q: str, targets: list[str]
) -> None:
    assert found(api_server, headers, q=q) == targets
    page = shown(api_server, headers, q=q)
    assert ("Nothing that was promoted fits." in page) == (not targets)
    for target in targets:
        assert html.escape(target) in page


def test_of_a_bulk_run_the_search_shows_the_tags_that_it_finds(
    api_server: TestClient, headers: Headers, promoted: None
) -> None:
    assert "120 tags" in shown(api_server, headers, q="tools/cli")
    page = shown(api_server, headers, q="tools/cli 2.11")
    assert "11 tags" in page
    assert "2.110.0" in page
    assert "2.12.0" not in page


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"repository": "docker-prod"}, 4),
        ({"repository": "docker"}, 0),
        ({"outcome": "unchanged"}, 1),
        ({"outcome": "promoted", "repository": "docker-prod"}, 2),
        ({"dag": "by_hand"}, 1),
        ({"dag": "night", "run": "scheduled__1+00:00"}, 3),
        ({"dag": "by_hand", "run": "scheduled__1+00:00"}, 0),
        ({"repository": "docker-prod", "q": "coredns"}, 1),
    ],
)
def test_filters_narrow_the_list_alone_and_together(
    api_server: TestClient, headers: Headers, promoted: None, query: dict[str, str], number: int
) -> None:
    assert len(found(api_server, headers, **query)) == number


def test_unchanged_looks_unlike_promoted(api_server: TestClient, headers: Headers, promoted: None) -> None:
    page = shown(api_server, headers)
    assert '<span class="outcome promoted">promoted</span>' in page
    assert '<span class="outcome unchanged">unchanged</span>' in page
    assert "replaced sha256:bbbbbbbbbbbb" in page
    assert "moved" in shown(api_server, headers, q="coredns")
    assert "moved" not in shown(api_server, headers, q="payments")


def test_pages_show_each_promotion_once_also_when_new_ones_come_between(
    api_server: TestClient, headers: Headers
) -> None:
    def event(number: int) -> dict[str, Any]:
        place = f"docker-qa/app-{number}"
        return {"place": place, "records": [record(place, "1")], "dag": "night", "run": f"scheduled__{number}"}

    store(*map(event, range(45)))
    page, seen, queries = shown(api_server, headers, limit=20), [], []
    while True:
        seen += re.findall(r"<code>docker-qa/(app-\d+):1</code>", page)
        if 'rel="next"' not in page:
            break
        queries.append(older(page))
        store(*map(event, range(50)))
        page = shown(api_server, headers, **queries[-1])
    assert seen == [f"app-{number}" for number in reversed(range(45))]
    assert len(queries) == 2
    assert {query["limit"] for query in queries} == {"20"}
    assert 'href="?limit=20">Newest' in html.unescape(page)


def test_a_run_with_very_many_images_does_not_push_the_others_out(api_server: TestClient, headers: Headers) -> None:
    def event(place: str, dag: str, run: str) -> dict[str, Any]:
        return {"place": place, "records": [record(place, "1")], "dag": dag, "run": run}

    nights = [event(f"docker-qa/night-{number}", "night", "scheduled__1") for number in range(3)]
    store(*nights, *(event(f"docker-qa/bulk-{number}", "bulk", "manual__7") for number in range(200)))
    page = shown(api_server, headers)
    assert len(re.findall(r"<code>docker-qa/bulk-\d+:1</code>", page)) == 25
    assert len(re.findall(r"<code>docker-qa/night-\d+:1</code>", page)) == 3
    (link,) = re.findall(r'<a href="\?([^"]+)">175 more of this run of bulk</a>', page)
    of_run = {name: values[0] for name, values in parse_qs(html.unescape(link)).items()}
    assert of_run == {"dag": "bulk", "run": "manual__7"}
    all_of_it = shown(api_server, headers, **of_run, limit=500)
    assert len(re.findall(r"<code>docker-qa/bulk-\d+:1</code>", all_of_it)) == 200
    assert "night-" not in all_of_it
    assert "Only run" in all_of_it
    assert len(found(api_server, headers, limit=500)) == 203, "JSON leaves nothing out"


def test_what_images_are_called_is_never_html(api_server: TestClient, headers: Headers, promoted: None) -> None:
    hostile = '"><script>alert(2)</script>'
    page = shown(api_server, headers)
    assert "&lt;script&gt;alert(1)" in page
    queries: Sequence[dict[str, str]] = [{name: hostile} for name in ("q", "repository", "dag", "run")]
    for text in (page, *(shown(api_server, headers, **query) for query in queries)):
        assert "<script>" not in text


def test_a_promotion_leads_to_the_task_that_did_it(api_server: TestClient, headers: Headers, promoted: None) -> None:
    page = shown(api_server, headers)
    assert 'data-leave href="/dags/night/runs/scheduled__1%2B00%3A00/tasks/promote"' in page


@pytest.mark.parametrize("page", [PAGE, f"{PAGE}?q=x"])
def test_nothing_runs_and_nothing_is_loaded_but_the_pages_own_files(
    api_server: TestClient, headers: Headers, promoted: None, page: str
) -> None:
    for answer in (api_server.get(page, headers=headers["viewer"]), api_server.get(page)):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; style-src 'self'; script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<style|<script>|\sstyle=|\son\w+=", answer.text)
        files = re.findall(r'(?:src|rel="stylesheet" href)="(.+?)"', answer.text)
        assert [urlsplit(file).path for file in files] == [
            "/artifactory/static/pages.css",
            "/artifactory/static/pages.js",
        ]
        for file in files:
            assert api_server.get(file).status_code == 200


def test_pages_know_where_airflow_is_when_it_is_not_at_the_top(headers: Headers, promoted: None) -> None:
    from airflow.api_fastapi.app import create_app

    below = TestClient(create_app(), base_url="http://testserver", root_path="/airflow", follow_redirects=False)
    page = below.get(f"/airflow{PAGE}", headers=headers["viewer"]).text
    assert 'href="/airflow/artifactory/static/pages.css' in page
    assert 'href="/airflow/dags/night/' in page
    assert 'href="/airflow/api/v2/auth/login?next=%2Fairflow%2Fartifactory%2F' in below.get(f"/airflow{PAGE}").text


def test_a_digest_is_there_in_short_and_whole_for_copying(
    api_server: TestClient, headers: Headers, promoted: None
) -> None:
    page = shown(api_server, headers, q="coredns")
    assert "<code>docker-prod/coredns:v1.11.0</code>" in page
    assert f'<code title="{DIGEST}">sha256:aaaaaaaaaaaa</code>' in page
    assert f'data-copy="{DIGEST}"' in page


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "x"},
        {"q": "x" * 401},
        {"outcome": "good"},
        {"before": "yesterday"},
        {"before": "2026-11-01T00:00:00/x"},
        {"before": f"2026-11-01T00:00:00+00:00/{10**30}"},
        {"before": "0001-01-01T00:00:00+23:59/1"},
        {"before": "2026-11-01T00:00:00+00:00/²"},
    ],
)
@pytest.mark.parametrize("page", PAGES)
def test_a_query_that_makes_no_sense_is_refused(
    api_server: TestClient, headers: Headers, page: str, query: dict[str, str]
) -> None:
    assert api_server.get(page, params=query, headers=headers["viewer"]).status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        *(f"{page}?{name}=a%00b" for page in PAGES for name in ("q", "repository", "outcome", "dag", "run", "before")),
        f"{PAGE}?a%00b=1",
        f"{PAGE}%00",
        "/artifactory/plans/a%00b/run",
        "/artifactory/plans/dag/a%00b",
        "/artifactory/plans/dag/run?x=%00",
        "/artifactory/static/a%00b",
        "/artifactory/%00",
    ],
)
@pytest.mark.parametrize("role", ["viewer", None])
def test_a_nul_byte_is_refused_wherever_it_stands(
    api_server: TestClient, headers: Headers, address: str, role: str | None
) -> None:
    answer = api_server.get(address, headers=headers[role] if role else {})
    assert answer.status_code == 400
    assert "NUL" in answer.json()["detail"]


def test_promotions_cannot_be_changed_here(api_server: TestClient, headers: Headers) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert api_server.request(method, PAGE, headers=headers["admin"]).status_code == 405


def test_airflow_shows_the_page_under_browse(api_server: TestClient, headers: Headers) -> None:
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
