"""What is promoted, rolled back or run from the board in a browser is what was seen there, or nothing is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from tests.integration.dags.conftest import dags, loaded_dags
from tests.integration.dags.runs import told
from tests.integration.web.board_api import api_server, headers, pipelines, read_board, sandbox, store_dag
from tests.integration.web.board_in_browser import (
    DIGEST,
    address,
    board,
    browser,
    cell,
    gate,
    page,
    plan,
    row,
    serious_findings,
    shared_session,
    show,
)
from tests.integration.web.test_board_in_browser import HOSTILE, open_board

from artifactory_provider.board.states import CellState, GateState
from artifactory_provider.tasks.handover import PLAN_PROBLEM
from artifactory_provider.web.board.actions import find_actions
from artifactory_provider.web.board.models import Action, Actions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from playwright.sync_api import Locator, Page, Route

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = [
    "address",
    "api_server",
    "browser",
    "dags",
    "headers",
    "loaded_dags",
    "page",
    "pipelines",
    "sandbox",
    "shared_session",
]

OTHER = f"sha256:{'b' * 64}"
WEB = row(
    "payments/web",
    cells=[cell(2, "0.9", state=CellState.BEHIND, digest=OTHER)],
    gates=[gate(1, state=GateState.READY)],
)


def offer(page: Page) -> None:
    """Have the deeds be those that Airflow itself offers, for the ladder, too."""
    shipped = ("promote_on_demand", "rollback")
    for dag_id in shipped:
        store_dag(dag_id)
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.session import create_session

    with create_session() as session:
        found = find_actions(session, SimpleAuthManagerUser(username="admin", role="admin"), [])
    run = Action(
        action="run",
        title="Run",
        dag_id="nightly",
        method="POST",
        path="",
        conf={},
        fields={"images": "images", "to": "stage"},
        lists=["images"],
        is_paused=False,
    )
    actions = Actions(actions=[*found, run], user="admin")
    page.route(
        "**/artifactory/board/actions.json*",
        lambda route: route.fulfill(body=actions.model_dump_json(), content_type="application/json"),
    )


def take(page: Page) -> list[Any]:
    """Be the runs that are started: each succeeds at once; return what they are started with."""
    sent: list[Any] = []

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            sent.append((route.request.post_data_json or {})["conf"])
        route.fulfill(json={"dag_run_id": "manual__1", "state": "success"})

    page.route("**/api/v2/dags/*/dagRuns**", answer)
    return sent


def run_by_itself(dag_id: str, conf: dict[str, Any]) -> Any:
    """Run a DAG in a process of its own, as this one is an API server, and return its run."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    command = [sys.executable, "-m", "airflow", "dags", "test", dag_id, "--conf", json.dumps(conf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    with create_session() as session:
        run = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc())).first()
        assert run is not None, done.stderr
        session.expunge(run)
    return run


def open_dialog(page: Page, item: str, image: str = "payments/web") -> Locator:
    page.get_by_role("button", name=f"Actions for {image}").click()
    page.get_by_role("menuitem", name=f"{item} …").click()
    return page.get_by_role("dialog")


@pytest.mark.usefixtures("dags")
def test_a_tag_that_moves_after_the_dialog_has_opened_is_not_promoted_and_the_run_says_why(
    page: Page,
    api_server: TestClient,
    headers: dict[str, str],
    pipelines: Callable[..., None],
    sandbox: RunningSandbox,
) -> None:
    pipelines()
    seen = sandbox.push_image("docker-qa/team/app:1.0", content="seen")
    sandbox.set_properties("docker-qa/team/app:1.0", {"qa.test.status": "passed"})
    stands = sandbox.push_image("docker-prod/team/app:1.0", content="old")
    read_board(api_server, headers)
    offer(page)
    sent = take(page)
    open_board(page)
    dialog = open_dialog(page, "Promote", "team/app")
    dialog.get_by_label("shows another image").select_option("overwrite")
    expect(dialog).to_contain_text("Nothing that is known holds it up.")
    moved = sandbox.push_image("docker-qa/team/app:1.0", content="pushed since")
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog).to_contain_text("done")

    [conf] = sent
    assert (conf["digest"], conf["replaces"]) == (seen, stands)
    run = run_by_itself("promote_on_demand", conf)
    assert run.state == "failed"
    [problem] = told(run, PLAN_PROBLEM)
    assert f"shows {moved}, but {seen} was to be promoted" in problem
    assert sandbox.digest("docker-prod/team/app:1.0") == stands


def test_what_the_run_would_say_to_this_user_stands_there_and_is_what_it_is_told(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    plan(page, lambda *_: {"approvals": f"2 of jane, {HOSTILE} have to approve.", "left": ["signature by ci.pub"]})
    sent = take(page)
    open_board(page)
    dialog = open_dialog(page, "Promote")
    expect(dialog).to_contain_text(f"It asks for approval: 2 of jane, {HOSTILE} have to approve.")
    expect(dialog).to_contain_text("Only the run asks signature by ci.pub.")
    expect(dialog).to_contain_text("for a run that you start")
    expect(dialog).to_contain_text("0.9 stands there, too, and stays")
    assert page.evaluate("window.hurt") is None
    expect(dialog).to_have_css("opacity", "1")
    assert serious_findings(page, "[role=dialog]") == []
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog).to_contain_text("done")
    assert sent == [
        {
            "image": "payments/web",
            "tag": "1.0",
            "digest": DIGEST,
            "source_repository": "docker-qa",
            "target_repository": "docker-prod",
            "target_tag": "1.0",
            "replaces": "none",
            "dry_run": False,
            "approval": False,
            "on_conflict": "fail",
        }
    ]


def test_where_the_run_would_be_refused_only_a_dry_run_can_be_started(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    refusal = {"state": GateState.REFUSED, "word": "refused by a rule", "reason": "docker-prod is frozen."}
    plan(page, lambda *_: {**refusal, "is_refused": True})
    sent = take(page)
    open_board(page)
    dialog = open_dialog(page, "Promote")
    expect(dialog).to_contain_text("docker-prod is frozen.")
    expect(dialog).to_contain_text("As things stand, the run would be refused. A dry run can be started all the same.")
    expect(dialog.get_by_role("button", name="Promote to prod")).to_be_disabled()
    assert serious_findings(page, "[role=dialog]") == []
    dialog.get_by_label("Only show the plan").check()
    dialog.get_by_role("button", name="Show the plan").click()
    expect(dialog).to_contain_text("done")
    assert [conf["dry_run"] for conf in sent] == [True]


def test_of_several_those_that_would_be_refused_are_not_started(page: Page) -> None:
    show(page, board([WEB, WEB.model_copy(update={"image": "payments/api"})]))
    offer(page)
    refusal = {"state": GateState.REFUSED, "word": "refused by a rule", "is_refused": True}
    plan(page, lambda image, _: refusal if image == "payments/api" else {})
    sent = take(page)
    open_board(page)
    for image in ("payments/api", "payments/web"):
        page.get_by_role("checkbox", name=f"Choose {image}").check()
    page.get_by_role("region", name="Chosen images").get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("As things stand, 1 of 2 runs would be refused; that one is not started.")
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog).to_contain_text("done")
    assert [conf["image"] for conf in sent] == ["payments/web"]


def test_each_tag_of_the_stage_is_a_run_of_its_own_with_what_the_stage_says_of_conflicts(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    conflict = {"state": GateState.CONFLICT, "word": "conflict", "is_refused": True}
    several: list[dict[str, Any]] = [
        {"change": "replaces", "replaces": OTHER, **conflict},
        {"target_tag": "1", "change": "replaces", "replaces": OTHER, "on_conflict": "backup"},
        {"target_tag": "0.9", "change": "replaces", "replaces": OTHER, "on_conflict": "overwrite"},
        {"target_tag": "stable", "change": "unchanged", "state": GateState.NOTHING, "replaces": DIGEST},
    ]
    plan(page, lambda *_: several)
    sent = take(page)
    open_board(page)
    dialog = open_dialog(page, "Promote")
    expect(dialog.get_by_role("row")).to_have_count(1 + len(several))
    expect(dialog.get_by_role("row").nth(2)).to_contain_text("is overwritten, and kept for a rollback")
    expect(dialog.get_by_role("row").nth(3)).to_contain_text("is overwritten")
    expect(dialog).not_to_contain_text("stands there, too")
    expect(dialog).to_contain_text("As things stand, 1 of 4 runs would be refused; that one is not started.")
    expect(dialog).to_have_css("opacity", "1")
    assert serious_findings(page, "[role=dialog]") == []
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog).to_contain_text("payments/web:1.0 → 1")
    expect(dialog).to_contain_text("payments/web:1.0 → 0.9")
    expect(dialog.get_by_text("done")).to_have_count(2)
    assert [(conf["target_tag"], conf["replaces"], conf["on_conflict"]) for conf in sent] == [
        ("1", OTHER, "backup"),
        ("0.9", OTHER, "overwrite"),
    ]


def test_a_conflict_is_none_any_more_once_it_is_to_be_overwritten(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    conflict = {"state": GateState.CONFLICT, "word": "conflict", "is_refused": True}
    plan(
        page,
        lambda _, on_conflict: (
            {"change": "replaces", "replaces": OTHER} | ({} if on_conflict == "backup" else conflict)
        ),
    )
    sent = take(page)
    open_board(page)
    dialog = open_dialog(page, "Promote")
    expect(dialog.get_by_role("button", name="Promote to prod")).to_be_disabled()
    dialog.get_by_label("shows another image").select_option("backup")
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog).to_contain_text("done")
    assert [(conf["replaces"], conf["on_conflict"]) for conf in sent] == [(OTHER, "backup")]


def test_what_has_moved_since_the_board_was_looked_at_is_said_before_a_run_fails_of_it(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    plan(page, lambda *_: {"digest": OTHER})
    open_board(page)
    dialog = open_dialog(page, "Promote")
    expect(dialog).to_contain_text("by now, so its run would be refused: close this, and look again.")
    expect(dialog.get_by_role("button", name="Promote to prod")).to_be_disabled()


def test_where_nobody_can_tell_it_says_so_and_never_that_nothing_holds_it_up(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    sent = take(page)
    page.route("**/artifactory/board/plan.json*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    open_board(page)
    dialog = open_dialog(page, "Promote")
    expect(dialog.get_by_role("alert")).to_contain_text("What the run would say cannot be told.")
    expect(dialog).to_contain_text("unknown")
    expect(dialog).not_to_contain_text("holds it up")
    expect(dialog).to_contain_text("As things stand, what the run would replace cannot be told.")
    expect(dialog.get_by_role("button", name="Promote to prod")).to_be_disabled()
    dialog.get_by_label("Only show the plan").check()
    dialog.get_by_role("button", name="Show the plan").click()
    expect(dialog).to_contain_text("done")
    [conf] = sent
    assert (conf["digest"], conf["dry_run"]) == (DIGEST, True)
    assert {"target_tag", "replaces"}.isdisjoint(conf)


def test_what_nobody_has_looked_at_yet_is_not_started_and_no_other_gates_tag_is_written(page: Page) -> None:
    back = gate(1, state=GateState.APPROVAL, target_tag="0.9", is_rollback=True)
    others = [WEB.model_copy(update={"image": name}) for name in ("payments/api", "payments/jobs")]
    show(page, board([WEB.model_copy(update={"gates": [gate(0), back]}), *others]))
    offer(page)
    known: dict[str, dict[str, Any]] = {}
    plan(page, lambda image, _: known.get(image), trouble=f"The policy cannot be read. {HOSTILE}")
    sent = take(page)
    open_board(page)
    for image in ("payments/web", "payments/api", "payments/jobs"):
        page.get_by_role("checkbox", name=f"Choose {image}").check()
    page.get_by_role("region", name="Chosen images").get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("what 3 of 3 runs would replace cannot be told. A dry run")
    expect(dialog.get_by_role("alert")).to_contain_text(f"The policy cannot be read. {HOSTILE}")
    expect(dialog.get_by_role("button", name="Promote to prod")).to_be_disabled()
    known |= {"payments/api": {}, "payments/jobs": {"is_refused": True}}
    expect(dialog).to_contain_text(
        "As things stand, 1 of 3 runs would be refused, and what 1 of 3 runs would replace cannot be told; "
        "these are not started.",
        timeout=20_000,
    )
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog).to_contain_text("done")
    assert [(conf["image"], conf["target_tag"], conf["replaces"]) for conf in sent] == [("payments/api", "1.0", "none")]
    assert page.evaluate("window.hurt") is None


def test_an_answer_that_is_no_json_is_an_error_and_nothing_is_said_to_be_done(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    plan(page, lambda *_: {})
    page.route("**/api/v2/dags/*/dagRuns**", lambda route: route.fulfill(status=200, body="<h1>Please log in</h1>"))
    open_board(page)
    dialog = open_dialog(page, "Promote")
    dialog.get_by_role("button", name="Promote to prod").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The server has answered with something that is no JSON.")
    expect(dialog).not_to_contain_text("done")
    page.route("**/artifactory/board.json*", lambda route: route.fulfill(status=200, body="<h1>Please log in</h1>"))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The board cannot be loaded.", timeout=60_000)
    expect(page.get_by_role("alert")).to_contain_text("something that is no JSON")


def test_a_rollback_replaces_what_was_seen_and_a_ladder_takes_up_what_was_seen(page: Page) -> None:
    show(page, board([WEB]))
    offer(page)
    sent = take(page)
    open_board(page)
    dialog = open_dialog(page, "Roll back")
    dialog.get_by_label("Reason").fill("it crashes")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("done")
    dialog.get_by_role("button", name="Close").click()
    dialog = open_dialog(page, "Run nightly")
    dialog.get_by_role("button", name="Run it up to prod").click()
    expect(dialog).to_contain_text("done")
    rolled_back, climbed = sent
    assert (rolled_back["repository"], rolled_back["tag"], rolled_back["replaces"]) == ("docker-prod", "0.9", OTHER)
    assert climbed == {"images": [f"payments/web:1.0@{DIGEST}"], "stage": "prod"}
