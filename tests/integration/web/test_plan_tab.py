from __future__ import annotations

import csv
import datetime
import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, text

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.planning.chunks import split
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
from artifactory_provider.promotion.planning.rendering import render_plan
from artifactory_provider.tasks.handover import DRY_RUN, PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY, push_plan
from artifactory_provider.tasks.plan_rows import ENDS, push_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from artifactory_provider.promotion.planning.plan import Action

RUN = "manual__2026-11-01T00:00:00+00:00"
PAGE = f"/artifactory/plans/backfill/{quote(RUN, safe='')}"
WORDS = f"{PAGE}/words.json"
EVERY = (f"{PAGE}.json", f"{PAGE}.csv", WORDS)
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
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


def store(state: str, told: Mapping[Any, Any] | None = None, *, conf: dict[str, Any] | None = None) -> None:
    """Store a run with what its tasks have handed on, by key, or by task and key, as a scheduler would."""
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
        for place, value in (told or {}).items():
            task_id, key = place if isinstance(place, tuple) else (place, place)
            whole = {"dag_run_id": run.id, "dag_id": "backfill", "run_id": RUN, "map_index": -1}
            session.add(XComModel(task_id=task_id, key=key, value=value, **whole))


def hand_on(*promotions: PlannedPromotion) -> dict[Any, Any]:
    """Return what the task of a plan hands on."""
    told: dict[Any, Any] = {}
    ti: Any = SimpleNamespace(task_id="plan", xcom_push=lambda key, value: told.update({("plan", key): value}))
    plan = Plan(promotions)
    push_plan(ti, plan, summary=render_plan(plan), chunks=split(plan, size=250), approvals={})
    return told


def planned(name: str, action: Action = "promote", *, tag: str = "1.0", **more: Any) -> PlannedPromotion:
    """Return a row of a plan."""
    return PlannedPromotion(
        source=ImageReference("docker-dev", name, tag, None if action == "missing" else DIGEST),
        target=ImageReference("docker-qa", name, tag),
        action=action,
        **more,
    )


def ended(*ends: tuple[str, str], key: str = "chunk_0001") -> dict[Any, Any]:
    """Return what the task of a chunk hands on of what became of it."""
    told: dict[Any, Any] = {}
    ti: Any = SimpleNamespace(xcom_push=lambda key, value: told.update({("promote", key): value}))
    push_ends(ti, [{"task_id": "plan", "key": key, "promotions": len(ends)}], ends)
    return told


def words(server: TestClient, headers: dict[str, str]) -> dict[str, Any]:
    """Return what is said of the run in words."""
    answer = server.get(WORDS, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def texts(blocks: Any) -> str:
    """Return all text of what is said, whatever its form."""
    if isinstance(blocks, dict):
        return blocks["text"] if "text" in blocks else texts(list(blocks.values()))
    return "".join(map(texts, blocks)) if isinstance(blocks, list) else ""


def test_nobody_sees_a_plan_without_logging_in(api_server: TestClient) -> None:
    store("success", {PLAN_SUMMARY: "secret"})
    assert {api_server.get(address).status_code for address in EVERY} == {401}


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
    for address in EVERY:
        answer = api_server.get(address, headers=headers)
        assert answer.status_code == 403
        assert "secret" not in answer.text
    assert [question["details"].id for question in asked] == ["backfill"] * 3  # type: ignore[attr-defined]
    assert {question["access_entity"].name for question in asked} == {"XCOM"}  # type: ignore[attr-defined]


def test_each_row_is_listed_with_its_kind_and_what_became_of_it_what_somebody_has_to_see_to_first(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    told = hand_on(
        planned("a"),
        planned("b", current=OTHER),
        planned("c", "unchanged", current=DIGEST),
        planned("d", "conflict", current=OTHER),
        planned("e", "refused", reason=f"docker-qa is frozen {HOSTILE}"),
        planned("f", "missing"),
    )
    store("failed", {**told, **ended(("promoted", ""), ("failed", f"it broke {HOSTILE}"))})
    listed = api_server.get(f"{PAGE}.json", headers=headers).json()
    assert listed["is_over"]
    assert listed["counts"] == {"conflict": 1, "refused": 1, "missing": 1, "replaces": 1, "new": 1, "unchanged": 1}
    assert (listed["ends"], listed["left_out"], listed["found"]) == ({"failed": 1, "promoted": 1}, 0, 6)
    assert [(row["source"], row["kind"], row["end"]) for row in listed["rows"]] == [
        ("docker-dev/b:1.0", "replaces", "failed"),
        ("docker-dev/d:1.0", "conflict", ""),
        ("docker-dev/e:1.0", "refused", ""),
        ("docker-dev/f:1.0", "missing", ""),
        ("docker-dev/a:1.0", "new", "promoted"),
        ("docker-dev/c:1.0", "unchanged", ""),
    ]
    assert listed["rows"][0] == {
        "source": "docker-dev/b:1.0",
        "target": "docker-qa/b:1.0",
        "digest": DIGEST,
        "kind": "replaces",
        "current": OTHER,
        "reason": "",
        "end": "failed",
        "why": f"it broke {HOSTILE}",
    }


def test_rows_that_no_task_has_told_of_are_open_then_not_known_and_of_a_dry_run_nothing(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    for state, more, ends in (
        ("running", {}, {"open": 2}),
        ("failed", {}, {"no word": 2}),
        ("success", {}, {}),
        ("success", ended(("promoted", "")), {"promoted": 1, "no word": 1}),
    ):
        store(state, {**hand_on(planned("a"), planned("b")), **more})
        listed = api_server.get(f"{PAGE}.json", headers=headers).json()
        assert (listed["ends"], listed["is_over"]) == (ends, state != "running")


def test_what_is_asked_for_is_sent_as_csv_and_no_cell_is_a_formula(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    formulas = ("=HYPERLINK(1)", "@SUM(1)", "+1", "-1", "line\nbreak")
    store(
        "success",
        hand_on(planned("a"), *(planned(f"b{at}", "refused", reason=text) for at, text in enumerate(formulas))),
    )
    answer = api_server.get(f"{PAGE}.csv", params={"kind": "refused", "limit": 1}, headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "plan.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["reason"] for row in rows] == ["'=HYPERLINK(1)", "'@SUM(1)", "'+1", "'-1", "line break"]
    assert list(rows[0]) == ["source", "target", "digest", "kind", "current", "reason", "end", "why"]
    assert (rows[0]["source"], rows[0]["target"]) == ("docker-dev/b0:1.0", "docker-qa/b0:1.0")


def test_ten_thousand_rows_are_paged_searched_and_filtered_on_the_server(
    api_server: TestClient, headers: dict[str, str]
) -> None:
    many = [planned(f"team/app-{number}", current=OTHER if number % 2 else None) for number in range(9_000)]
    store("running", hand_on(*many, *(planned(f"old/app-{number}", "unchanged") for number in range(12_000))))
    page = api_server.get(f"{PAGE}.json", headers=headers)
    assert len(page.text) < 120_000
    listed = page.json()
    assert len(listed["rows"]) == 200
    assert listed["counts"] == {"replaces": 4_500, "new": 4_500, "unchanged": 10_000}
    assert listed["left_out"] == 2_000
    asked: dict[str, Any] = {"q": "APP-899", "kind": "replaces", "end": "open", "limit": 3}
    found = api_server.get(f"{PAGE}.json", params=asked, headers=headers).json()
    assert (found["found"], len(found["rows"])) == (6, 3)
    rest = api_server.get(f"{PAGE}.json", params={**asked, "start": 5}, headers=headers).json()
    assert [row["source"] for row in rest["rows"]] == ["docker-dev/team/app-8999:1.0"]
    none = api_server.get(f"{PAGE}.json", params={"q": "no such"}, headers=headers).json()
    assert (none["found"], none["rows"], none["counts"]) == (0, [], listed["counts"])
    assert len(api_server.get(f"{PAGE}.csv", headers=headers).text.splitlines()) == 19_001


@pytest.mark.parametrize("asked", [{"kind": "odd"}, {"end": "odd"}, {"q": "x" * 401}, {"limit": 0}, {"start": -1}])
def test_what_makes_no_sense_is_refused(api_server: TestClient, headers: dict[str, str], asked: dict[str, Any]) -> None:
    store("success")
    for address in (f"{PAGE}.json", f"{PAGE}.csv"):
        assert api_server.get(address, params=asked, headers=headers).status_code == 422


@pytest.mark.parametrize("value", [None, 7, "x", [7], [{"source": "a"}], [{"source": HOSTILE, "action": "odd"}]])
def test_what_are_no_rows_is_said_and_never_an_error_of_the_server(
    api_server: TestClient, headers: dict[str, str], value: Any
) -> None:
    for place in (("plan", "chunk_0001"), ("promote", ENDS)):
        store("failed", {**hand_on(planned("a")), place: value})
        for address in (f"{PAGE}.json", f"{PAGE}.csv"):
            answer = api_server.get(address, headers=headers)
            assert answer.status_code == 503
            assert "What the tasks have handed on cannot be read: " in answer.json()["detail"]
        assert "1 promotion" in texts(words(api_server, headers)["plans"])


def test_tasks_that_plan_nothing_have_no_rows(api_server: TestClient, headers: dict[str, str]) -> None:
    store("success", {("other", "chunk_0001"): "theirs", ("other", "counts"): {"a": 7}, PLAN_SUMMARY: "mine"})
    listed = api_server.get(f"{PAGE}.json", headers=headers).json()
    assert (listed["counts"], listed["rows"], listed["left_out"]) == ({}, [], 0)


def test_what_tasks_say_in_words_is_told_as_blocks_of_text(api_server: TestClient, headers: dict[str, str]) -> None:
    store("failed", {PLAN_SUMMARY: "**3 promotions**", REPORT_SUMMARY: "| a | n |\n|---|--:|\n| 2 `promoted` | 1 |"})
    told = words(api_server, headers)
    bold = {"text": "3 promotions", "style": "strong"}
    assert told["plans"] == [[{"kind": "paragraph", "lines": [[bold]], "rows": [], "numbers": []}]]
    [[table]] = told["reports"]
    assert (table["kind"], table["numbers"]) == ("table", [1])
    assert table["rows"][1][0] == [{"text": "2 ", "style": ""}, {"text": "promoted", "style": "code"}]
    assert told["is_over"]
    assert not told["unreadable"]


@pytest.mark.parametrize("state", ["success", "running"])
def test_a_run_without_a_plan_has_none(api_server: TestClient, headers: dict[str, str], state: str) -> None:
    store(state)
    told = words(api_server, headers)
    assert told == {
        "problems": [], "reports": [], "plans": [], "unreadable": "", "is_over": state == "success", "for_real": None,
    }  # fmt: skip


def test_what_tasks_hand_on_stays_text(api_server: TestClient, headers: dict[str, str]) -> None:
    store("success", {PLAN_SUMMARY: HOSTILE, REPORT_SUMMARY: f"# {HOSTILE}\n\n<img src=x onerror=alert(3)>"})
    told = words(api_server, headers)
    for hostile in ("<script>alert(1)</script>", "[x](javascript:alert(2))", "![y](http://elsewhere/z)", "<b>c</b>"):
        assert hostile in texts(told["plans"])
        assert hostile in texts(told["reports"])
    assert "<img src=x onerror=alert(3)>" in texts(told["reports"])


def test_why_a_plan_was_refused_stands_where_the_plan_would(api_server: TestClient, headers: dict[str, str]) -> None:
    reason = "The plan was refused. Say “Most promotions” = 72, or choose 'a/*' <b>."
    store("failed", {PLAN_PROBLEM: reason})
    assert words(api_server, headers)["problems"] == [reason]


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
    assert words(api_server, users["viewer"])["for_real"] is None
    offer = words(api_server, users["user"])["for_real"]
    assert [(field["title"], field["value"]) for field in offer["fields"]] == [
        ("Images", "a/*\n<b>"),
        ("Most promotions", "72"),
        ("approval", "off"),
        ("versions", "–"),
    ]
    assert (offer["conf"], offer["is_pinned"]) == ({**conf, "dry_run": False}, False)


def test_a_dry_run_of_one_tag_is_run_for_real_as_it_was_seen(
    api_server: TestClient, users: dict[str, dict[str, str]]
) -> None:
    seen = {"tag": "1.4.2", "digest": f"sha256:{'a' * 64}", "replaces": "none"}
    conf = {"image": "payments/api", "tag": "newest", "dry_run": True}
    dry = {"field": "dry_run", "titles": {"tag": "Tag", "replaces": "Replaces"}, "seen": seen}
    store("success", {PLAN_SUMMARY: "one", REPORT_SUMMARY: "dry", DRY_RUN: dry}, conf=conf)
    offer = words(api_server, users["user"])["for_real"]
    assert (offer["conf"], offer["is_pinned"]) == ({**conf, **seen, "dry_run": False}, True)
    assert [(field["title"], field["value"]) for field in offer["fields"]] == [
        ("image", "payments/api"),
        ("Tag", "1.4.2"),
        ("digest", seen["digest"]),
        ("Replaces", "none"),
    ]


HALF = "x\ud800y"
"""Half of a character: JSON holds it, and nothing can be sent with it."""


def test_halves_of_characters_break_no_answer_and_no_form_is_sent_that_was_another(
    api_server: TestClient, users: dict[str, dict[str, str]]
) -> None:
    rows = hand_on(planned("a", "conflict", reason=HALF))
    told = {PLAN_SUMMARY: HALF, PLAN_PROBLEM: HALF, REPORT_SUMMARY: HALF, DRY_RUN: DRY}
    for conf in ({"images": [HALF]}, {"largest": float("nan")}):
        store("success", {**rows, **told}, conf=conf)
        said = words(api_server, users["user"])
        assert (texts(said["plans"])[-3:], said["problems"], said["for_real"]) == ("x?y", ["x?y"], None)
        [row] = api_server.get(f"{PAGE}.json", headers=users["user"]).json()["rows"]
        assert row["reason"] == "x?y"
        assert "x?y" in api_server.get(f"{PAGE}.csv", headers=users["user"]).text


@pytest.mark.parametrize(
    "value", [[{"__classname__": "nope.X", "__version__": 1, "__data__": {}}], {"__classname__": "os.system"}]
)
def test_what_names_a_class_that_cannot_be_made_is_said_to_be_unreadable(
    api_server: TestClient, headers: dict[str, str], value: Any
) -> None:
    store("running", {**hand_on(planned("a")), ("plan", "chunk_0001"): value})
    answer = api_server.get(f"{PAGE}.json", headers=headers)
    assert (answer.status_code, "cannot be read" in answer.json()["detail"]) == (503, True)
    assert "lacks" not in answer.text


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("running", {DRY_RUN: DRY}),
        ("failed", {DRY_RUN: DRY}),
        ("success", {}),
        ("success", {DRY_RUN: "true"}),
        ("success", {DRY_RUN: {"field": 1}}),
        ("success", {DRY_RUN: []}),
    ],
)
def test_no_other_run_offers_it(
    api_server: TestClient, users: dict[str, dict[str, str]], state: str, told: dict[str, Any]
) -> None:
    store(state, {PLAN_SUMMARY: "three", REPORT_SUMMARY: "dry", **told})
    assert words(api_server, users["user"])["for_real"] is None


def test_a_long_plan_is_told_as_tables_and_lists(api_server: TestClient, headers: dict[str, str]) -> None:
    rows = [planned(f"{'x' * 200}{number}", "conflict", current=OTHER) for number in range(60)]
    text = render_plan(Plan(tuple(rows)))
    assert len(text) > 40_000
    store("success", {PLAN_SUMMARY: text})
    [blocks] = words(api_server, headers)["plans"]
    assert [block["kind"] for block in blocks] == ["paragraph", "table", "paragraph", "heading", "list"]
    assert blocks[1]["rows"][1][0] == [{"text": f"docker-dev/{'x' * 200}0", "style": "code"}]
    assert blocks[1]["numbers"] == [2, 3, 4, 5, 6]


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
def test_what_would_take_long_to_read_as_markdown_is_told_as_it_is(
    api_server: TestClient, headers: dict[str, str], text: str
) -> None:
    store("success", {PLAN_SUMMARY: text, REPORT_SUMMARY: "the report"})
    answer = api_server.get(WORDS, headers=headers)
    told = answer.json()
    assert [[block["kind"] for block in blocks] for blocks in told["plans"]] == [["plain"]]
    assert texts(told["reports"]) == "the report"
    assert text[:40] in texts(told["plans"])
    assert len(answer.text) < 1_500_000


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
    command, environment = [sys.executable, "-c", IN_A_STORE, WORDS], {**os.environ, **keep_in(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    status, answer = json.loads(done.stdout.splitlines()[-1])
    assert status == 200
    told = json.loads(answer)
    assert texts(told["plans"]) == "3 promotions <b>"
    assert texts(told["reports"]) == "inline"
    assert str(tmp_path) not in answer


def test_all_that_tasks_hand_on_may_be_in_the_store(
    api_server: TestClient, users: dict[str, dict[str, str]], store_of_xcoms: Path
) -> None:
    (store_of_xcoms / "report.json").write_text(json.dumps("the **report**"))
    (store_of_xcoms / "form.json").write_text(json.dumps(DRY))
    address = f"file://{store_of_xcoms}"
    store("success", {REPORT_SUMMARY: f"{address}/report.json", DRY_RUN: f"{address}/form.json"})
    told = words(api_server, users["user"])
    assert texts(told["reports"]) == "the report"
    assert told["for_real"] is not None


def test_rows_may_be_in_the_store_and_are_said_to_be_unreadable_where_they_are_gone(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    rows = hand_on(planned("a"))
    (store_of_xcoms / "rows.json").write_text(json.dumps(rows["plan", "chunk_0001"]))
    store("running", {**rows, ("plan", "chunk_0001"): f"file://{store_of_xcoms}/rows.json"})
    [row] = api_server.get(f"{PAGE}.json", headers=headers).json()["rows"]
    assert row["source"] == "docker-dev/a:1.0"
    (store_of_xcoms / "rows.json").unlink()
    for address in (f"{PAGE}.json", f"{PAGE}.csv"):
        answer = api_server.get(address, headers=headers)
        assert answer.status_code == 503
        assert answer.json()["detail"].endswith("cannot be read: nothing is there any more")
    assert "1 promotion" in texts(words(api_server, headers)["plans"])


def test_what_is_no_longer_in_the_store_is_said_to_be_gone(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    store("success", {PLAN_SUMMARY: f"file://{store_of_xcoms}/gone.json", REPORT_SUMMARY: "the report"})
    told = words(api_server, headers)
    assert told["unreadable"] == "nothing is there any more"
    assert texts(told["reports"]) == "the report"
    assert str(store_of_xcoms) not in json.dumps(told)


def test_a_store_that_the_server_cannot_read_costs_no_page(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    (store_of_xcoms / "folder").mkdir()
    store("success", {PLAN_SUMMARY: f"file://{store_of_xcoms}/folder", REPORT_SUMMARY: "the report"})
    told = words(api_server, headers)
    assert told["unreadable"] == "IsADirectoryError"
    assert texts(told["reports"]) == "the report"
    assert str(store_of_xcoms) not in json.dumps(told)


def test_no_file_but_those_in_the_store_is_read(
    api_server: TestClient, headers: dict[str, str], store_of_xcoms: Path
) -> None:
    (store_of_xcoms.parent / "secret.json").write_text('"secret"')
    for address in (f"file://{store_of_xcoms}/../secret.json", f"file://{store_of_xcoms.parent}/secret.json"):
        store("success", {PLAN_SUMMARY: address})
        assert texts(words(api_server, headers)["plans"]) != "secret"


def test_a_run_that_there_is_not_is_not_found(api_server: TestClient, headers: dict[str, str]) -> None:
    store("success")
    for end in (".json", ".csv", "/words.json"):
        for run in ("backfill/other", f"other/{quote(RUN, safe='')}"):
            assert api_server.get(f"/artifactory/plans/{run}{end}", headers=headers).status_code == 404


def test_a_plan_cannot_be_changed_here(api_server: TestClient, headers: dict[str, str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert {api_server.request(method, address, headers=headers).status_code for address in EVERY} == {405}


def test_airflow_shows_the_plan_beside_its_run() -> None:
    from artifactory_provider.web.plugin import BOARD, ArtifactoryPlugin

    app = next(app for app in ArtifactoryPlugin.react_apps if app["name"] == "Plan")
    assert app == {"name": "Plan", "bundle_url": BOARD, "destination": "dag_run", "url_route": "plan"}
