"""What was promoted, as JSON and as CSV, and where addresses of the page that had it lead."""

from __future__ import annotations

import csv
import datetime
import html
import re
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, insert, select
from tests.integration.web.board_api import refuse

from artifactory_provider.web import history

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
PAGE, JSON, CSV = "/artifactory/promotions", "/artifactory/promotions.json", "/artifactory/promotions.csv"
FILES, ALL = [JSON, CSV], [PAGE, JSON, CSV]
NAMES = ("q", "repository", "outcome", "dag", "run", "from", "before", "older")
HISTORY = "/plugin/board/history"
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
                    extra=event["extra"] if "extra" in event else {"promotions": event["records"]},
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


def page_of(api_server: TestClient, headers: Headers, **query: Any) -> dict[str, Any]:
    """Return a page as the board shows it: of what is very much, only the first."""
    answer = api_server.get(JSON, params={"brief": "true", **query}, headers=headers["viewer"])
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert sum(group["listed"] for group in page["groups"]) == len(page["promotions"])
    return page


def rows(api_server: TestClient, headers: Headers, **query: Any) -> list[dict[str, str]]:
    """Return the rows of the CSV."""
    answer = api_server.get(CSV, params=query, headers=headers["viewer"])
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(answer.text.splitlines()))


@pytest.mark.parametrize("page", ALL)
def test_nobody_sees_promotions_without_logging_in(api_server: TestClient, promoted: None, page: str) -> None:
    answer = api_server.get(page)
    assert answer.status_code == 401
    assert "payments" not in answer.text


@pytest.mark.parametrize("page", ALL)
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
        assert set(told.json()) == {"promotions", "groups", "repositories", "older"}
        assert api_server.get(PAGE, headers={**asked, **headers["viewer"]}).headers["location"] == HISTORY


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("", ""),
        ("?q=a%20%22b%22%20%26%20c&repository=docker-qa", "?q=a+%22b%22+%26+c&repository=docker-qa"),
        ("?dag=night&run=scheduled__1%2B00%3A00", "?dag=night&run=scheduled__1%2B00%3A00"),
        ("?outcome=promoted&before=2026-11-01T02%3A00/7", "?outcome=promoted&older=2026-11-01T02%3A00%2F7"),
        ("?q=//evil.example&q=x%0d%0aSet-Cookie:%20a=b", "?q=%2F%2Fevil.example&q=x%0D%0ASet-Cookie%3A+a%3Db"),
        ("?next=https://evil.example", "?next=https%3A%2F%2Fevil.example"),
    ],
)
def test_old_addresses_lead_on_to_the_boards_history_with_what_they_asked_for_and_nowhere_else(
    api_server: TestClient, headers: Headers, asked: str, location: str
) -> None:
    answer = api_server.get(f"{PAGE}{asked}", headers=headers["viewer"])
    assert (answer.status_code, answer.headers["location"]) == (307, f"{HISTORY}{location}")


@pytest.mark.parametrize("page", ALL)
@pytest.mark.parametrize("role", ["viewer", "user", "op", "admin"])
def test_whoever_may_read_assets_may_read_promotions(
    api_server: TestClient, headers: Headers, page: str, role: str
) -> None:
    assert api_server.get(page, headers=headers[role]).status_code == (307 if page == PAGE else 200)


@pytest.mark.parametrize("page", FILES)
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
    for page in FILES:
        assert "Jane.Doe" in api_server.get(page, headers=headers["viewer"]).text
    refuse(monkeypatch, "RUN")
    for page in FILES:
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
        "groups": [
            {
                "event": answer["groups"][0]["event"],
                "image": "docker-prod/coredns",
                "listed": 1,
                "outcomes": {"promoted": 1},
                "left_out": 0,
            }
        ],
        "repositories": answer["repositories"],
        "older": None,
    }
    assert {"docker-prod", "docker-qa"} <= set(answer["repositories"])


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
    assert [row["target"] for row in rows(api_server, headers, q=q)] == targets


def test_of_a_bulk_run_the_search_shows_the_tags_that_it_finds(
    api_server: TestClient, headers: Headers, promoted: None
) -> None:
    page = page_of(api_server, headers, q="tools/cli")
    assert [(group["outcomes"], group["listed"]) for group in page["groups"]] == [({"promoted": 120}, 20)]
    page = page_of(api_server, headers, q="tools/cli 2.11")
    assert [(group["outcomes"], group["listed"]) for group in page["groups"]] == [({"promoted": 11}, 11)]
    targets = [promotion["target"] for promotion in page["promotions"]]
    assert "docker-qa/tools/cli:2.110.0" in targets
    assert "docker-qa/tools/cli:2.12.0" not in targets


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
        ({"from": "2026-11-01T02:02"}, 123),
        ({"before": "2026-11-01T03:02+01:00"}, 2),
        ({"from": "2026-11-01T02:02", "before": "2026-11-01T02:03:00Z"}, 1),
        ({"from": "2026-11-02"}, 0),
    ],
)
def test_filters_narrow_the_list_alone_and_together(
    api_server: TestClient, headers: Headers, promoted: None, query: dict[str, str], number: int
) -> None:
    assert len(found(api_server, headers, **query)) == number
    assert len(rows(api_server, headers, **query)) == number


def test_a_word_that_every_record_has_in_its_names_finds_what_says_it(api_server: TestClient, headers: Headers) -> None:
    meant = [
        {"place": f"docker-qa/source-{number}", "records": [record(f"docker-qa/source-{number}", "1")]}
        for number in range(70)
    ]
    others = [{"place": "docker-qa/api", "records": [record("docker-qa/api", f"1.{number}")]} for number in range(60)]
    store(*meant, *others)
    first = api_server.get(JSON, headers=headers["viewer"], params={"q": "source", "limit": 50}).json()
    assert [one["target"] for one in first["promotions"]] == [f"docker-qa/source-{n}:1" for n in range(69, 19, -1)]
    query = {"q": "source", "limit": 50, "older": first["older"]}
    second = api_server.get(JSON, headers=headers["viewer"], params=query).json()
    assert [one["target"] for one in second["promotions"]] == [f"docker-qa/source-{n}:1" for n in range(19, -1, -1)]
    assert second["older"] is None


def test_pages_show_each_promotion_once_also_when_new_ones_come_between(
    api_server: TestClient, headers: Headers
) -> None:
    def event(number: int) -> dict[str, Any]:
        place = f"docker-qa/app-{number}"
        return {"place": place, "records": [record(place, "1")], "dag": "night", "run": f"scheduled__{number}"}

    store(*map(event, range(45)))
    page, seen, pages = page_of(api_server, headers, limit=20), [], 1
    while True:
        seen += [promotion["target"] for promotion in page["promotions"]]
        if page["older"] is None:
            break
        store(*map(event, range(50)))
        page, pages = page_of(api_server, headers, limit=20, older=page["older"]), pages + 1
    assert seen == [f"docker-qa/app-{number}:1" for number in reversed(range(45))]
    assert pages == 3


def test_a_run_with_very_many_images_does_not_push_the_others_out(api_server: TestClient, headers: Headers) -> None:
    def event(place: str, dag: str, run: str) -> dict[str, Any]:
        return {"place": place, "records": [record(place, "1")], "dag": dag, "run": run}

    def number_of(page: dict[str, Any], name: str) -> int:
        return sum(name in promotion["target"] for promotion in page["promotions"])

    nights = [event(f"docker-qa/night-{number}", "night", "scheduled__1") for number in range(3)]
    store(*nights, *(event(f"docker-qa/bulk-{number}", "bulk", "manual__7") for number in range(200)))
    page = page_of(api_server, headers)
    assert (number_of(page, "bulk-"), number_of(page, "night-"), page["older"]) == (25, 3, None)
    assert [group["left_out"] for group in page["groups"]] == [0] * 24 + [175] + [0] * 3
    all_of_it = page_of(api_server, headers, dag="bulk", run="manual__7", limit=500)
    assert (number_of(all_of_it, "bulk-"), number_of(all_of_it, "night-")) == (200, 0)
    assert len(found(api_server, headers, limit=500)) == 203, "JSON leaves nothing out that is not asked to"
    # The moment is one in the middle of the run: those before it are counted anew.
    before = (NIGHT + datetime.timedelta(minutes=13)).isoformat()
    page = page_of(api_server, headers, before=before)
    assert (number_of(page, "bulk-"), number_of(page, "night-")) == (10, 3)


@pytest.mark.parametrize(
    ("narrow", "is_found"),
    [
        ({}, False),
        ({"repository": "docker-qa"}, False),
        ({"dag": "old"}, True),
        ({"run": "r"}, True),
        ({"from": "2026-11-01T00:00"}, True),
        ({"before": "2026-11-02"}, True),
    ],
)
@pytest.mark.parametrize("brief", ["true", "false"])
def test_what_came_before_very_many_events_is_found_by_its_dag_run_or_time(
    api_server: TestClient,
    headers: Headers,
    monkeypatch: pytest.MonkeyPatch,
    narrow: dict[str, str],
    is_found: bool,
    brief: str,
) -> None:
    from artifactory_provider.web.board import promotions
    from artifactory_provider.web.events import EventQuery

    monkeypatch.setattr(promotions, "EventQuery", partial(EventQuery, newest=5))
    old = {"place": "docker-qa/old", "records": [record("docker-qa/old", "1")], "dag": "old", "run": "r"}
    store(old, *({"uri": f"other://{number}", "extra": {}} for number in range(6)))
    expected = ["docker-qa/old:1"] if is_found else []
    assert found(api_server, headers, brief=brief, **narrow) == expected
    assert [row["target"] for row in rows(api_server, headers, **narrow)] == expected


def test_csv_has_all_pages_of_what_is_asked_for_and_no_formula(
    api_server: TestClient, headers: Headers, promoted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from artifactory_provider.web.board import promotions

    monkeypatch.setattr(promotions, "_EVENTS_A_QUERY", 2)
    told = rows(api_server, headers)
    assert [row["target"] for row in told] == found(api_server, headers)
    assert told[-3] == {
        "timestamp": "2026-11-01T02:02:00Z",
        "target": "docker-prod/coredns:v1.11.0",
        "source": "docker-dev/coredns:v1.11.0",
        "digest": DIGEST,
        "outcome": "promoted",
        "moved": "True",
        "replaced": OTHER,
        "dag_id": "by_hand",
        "run_id": "manual__2",
        "task_id": "promote",
        "map_index": "",
        "started": "manual",
        "user": "Jane.Doe@example.com",
    }
    store({"place": "docker-qa/app", "records": [{"target": {"reference": "=1+1"}, "outcome": "@x\ny"}]})
    [row] = rows(api_server, headers)
    assert (row["target"], row["outcome"]) == ("'=1+1", "'@x y")


def test_a_csv_of_too_many_rows_is_refused_and_not_cut(
    api_server: TestClient, headers: Headers, promoted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from artifactory_provider.web.board import promotions

    monkeypatch.setattr(promotions, "_MOST_ROWS", 124)
    answer = api_server.get(CSV, headers=headers["viewer"])
    assert (answer.status_code, "ask for a shorter time" in answer.json()["detail"]) == (413, True)
    assert len(rows(api_server, headers, repository="docker-qa")) == 121


def test_of_a_csv_of_too_many_rows_no_more_events_are_read(
    api_server: TestClient, headers: Headers, promoted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from artifactory_provider.web.board import promotions

    read: list[int] = []

    def read_entries(events: Any, **wanted: Any) -> Any:
        entries = history.read_entries(events, **wanted)
        read.extend(len(entry.promotions) for entry in entries)
        return entries

    monkeypatch.setattr(promotions, "read_entries", read_entries)
    monkeypatch.setattr(promotions, "_MOST_ROWS", 100)
    assert api_server.get(CSV, headers=headers["viewer"]).status_code == 413
    assert read == [1, 1, 120], "what comes after the event with too many is not read"


def test_each_repository_is_offered_however_many_images_the_first_have(
    api_server: TestClient, headers: Headers, promoted: None
) -> None:
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session

    names = [f"artifactory://{place}" for place in (*(f"a-first/{number}" for number in range(6_000)), "z_%/x/y", "zz")]
    with create_session() as session:
        session.execute(insert(AssetModel), [{"name": name, "uri": name, "group": "asset"} for name in names])
    try:
        offered = page_of(api_server, headers)["repositories"]
    finally:
        with create_session() as session:
            session.execute(delete(AssetModel).where(AssetModel.uri.in_(names[-2:])))
            session.execute(delete(AssetModel).where(AssetModel.uri.startswith("artifactory://a-first/")))
    assert {"a-first", "docker-prod", "docker-qa", "z_%", "zz"} <= set(offered)
    assert len(offered) == len(set(offered))


@pytest.mark.parametrize("page", FILES)
def test_what_images_are_called_is_never_taken_for_html(
    api_server: TestClient, headers: Headers, promoted: None, page: str
) -> None:
    answer = api_server.get(page, headers=headers["viewer"])
    assert HOSTILE in answer.text
    assert answer.headers["content-type"].partition(";")[0] in {"application/json", "text/csv"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("query", ["", "?q=x", '?q="><script>alert(1)</script>'])
def test_the_way_to_the_login_runs_nothing_and_loads_nothing(api_server: TestClient, query: str) -> None:
    answer = api_server.get(f"{PAGE}{query}")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert not re.search(r"<style|<script|\sstyle=|\son\w+=|\ssrc=", answer.text)
    refresh = re.search(r'http-equiv="refresh" content="0; url=(.+?)"', answer.text)
    assert refresh is not None
    assert urlsplit(refresh[1]).path == "/api/v2/auth/login"


def test_pages_know_where_airflow_is_when_it_is_not_at_the_top(headers: Headers, promoted: None) -> None:
    from airflow.api_fastapi.app import create_app

    below = TestClient(create_app(), base_url="http://testserver", root_path="/airflow", follow_redirects=False)
    answer = below.get(f"/airflow{PAGE}?q=x", headers=headers["viewer"])
    assert answer.headers["location"] == f"/airflow{HISTORY}?q=x"
    login = below.get(f"/airflow{PAGE}").text
    assert 'href="/airflow/api/v2/auth/login?next=%2Fairflow%2Fartifactory%2F' in login


@pytest.mark.parametrize(
    "query",
    [
        {"q": "x" * 401},
        {"outcome": "good"},
        {"from": "yesterday"},
        {"before": "yesterday"},
        {"before": "0001-01-01T00:00:00+23:59"},
        {"before": "2026-11-01T00:00:00+00:00/7"},
    ],
)
@pytest.mark.parametrize("page", FILES)
def test_a_query_that_makes_no_sense_is_refused(
    api_server: TestClient, headers: Headers, page: str, query: dict[str, str]
) -> None:
    assert api_server.get(page, params=query, headers=headers["viewer"]).status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "x"},
        {"brief": "perhaps"},
        {"older": "yesterday"},
        {"older": "2026-11-01T00:00:00/x"},
        {"older": f"2026-11-01T00:00:00+00:00/{10**30}"},
        {"older": "0001-01-01T00:00:00+23:59/1"},
        {"older": "2026-11-01T00:00:00+00:00/²"},
    ],
)
def test_a_page_that_cannot_be_is_refused(api_server: TestClient, headers: Headers, query: dict[str, str]) -> None:
    assert api_server.get(JSON, params=query, headers=headers["viewer"]).status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        *(f"{page}?{name}=a%00b" for page in ALL for name in NAMES),
        f"{PAGE}?a%00b=1",
        f"{PAGE}%00",
        "/artifactory/plans/a%00b/run.json",
        "/artifactory/plans/dag/a%00b.json",
        "/artifactory/plans/dag/run.json?x=%00",
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
    for page in ALL:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert api_server.request(method, page, headers=headers["admin"]).status_code == 405


def test_airflow_has_the_way_to_the_history_under_browse(api_server: TestClient, headers: Headers) -> None:
    plugins = api_server.get("/api/v2/plugins", headers=headers["admin"]).json()["plugins"]
    plugin = next(plugin for plugin in plugins if plugin["name"] == "artifactory")
    [app] = [app for app in plugin["react_apps"] if app["url_route"] == "promotions"]
    assert (app["name"], app["destination"], app["category"]) == ("Promotions", "nav", "browse")


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
