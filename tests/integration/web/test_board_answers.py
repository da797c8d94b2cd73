"""What people come to the board with, answered by what they see there: in Chromium, from a registry over HTTP."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.integration.web.board_api import CLOCK, api_server, headers, pipelines, sandbox
from tests.integration.web.board_in_browser import (
    NOW,
    address,
    board,
    browser,
    cell,
    page,
    row,
    serious_findings,
    shared_session,
    show,
)
from tests.integration.web.test_board_in_browser import open_board, table_row

from artifactory_provider.board.states import CellState
from artifactory_provider.web.board.image_models import Image, ImageStage, ImageTag
from artifactory_provider.web.board.models import MetTag, RowChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playwright.sync_api import Page, Route

    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["address", "api_server", "browser", "headers", "page", "pipelines", "sandbox", "shared_session"]

A_REFRESH_LATER = 6.0
"""Seconds: longer than between two looks that people ask for, and shorter than a look is good for."""


def test_what_is_in_prod_stands_in_its_column_and_all_of_it_on_its_page(
    page: Page, pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for tag in ("1.9", "1.10"):
        sandbox.push_image(f"docker-dev/team/app:{tag}", content=tag)
        sandbox.push_image(f"docker-prod/team/app:{tag}", content=tag)
    open_board(page)
    expect(table_row(page, "team/app").get_by_role("cell").nth(4)).to_contain_text("1.10")
    page.get_by_role("link", name="prod", exact=True).click()
    page.wait_for_url("**/plugin/board/stage?repository=docker-prod")
    rows = table_row(page, "team/app")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("1.10")
    expect(rows.nth(1)).to_contain_text("1.9")


def test_where_any_version_is_and_why_not_further_is_found_by_its_tag(
    page: Page, pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    for tag in ("1.0", "1.1"):
        sandbox.push_image(f"docker-dev/team/app:{tag}", content=tag)
    open_board(page)
    page.get_by_role("searchbox").fill("1.0")
    expect(table_row(page, "team/app")).to_contain_text("1.0 stands in dev. A run takes the newest: 1.1.")
    page.get_by_role("searchbox").fill("1.1")
    expect(table_row(page, "team/app")).to_contain_text("test.status is not set")
    expect(page.get_by_text("stands in dev")).to_have_count(0)


@pytest.mark.docker_clients
def test_what_is_brought_past_airflow_shows_within_a_refresh_and_who_did_it(
    page: Page, pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines()
    digest = sandbox.push_image("docker-dev/team/app:1.0")
    open_board(page)
    expect(table_row(page, "team/app")).to_contain_text("1.0")
    expect(page.get_by_role("button", name=re.compile("drifted"))).to_have_count(0)

    copy_with_skopeo(sandbox, "docker-dev/team/app:1.0", "docker-prod/team/app:by-hand")
    CLOCK.append(A_REFRESH_LATER)
    page.get_by_role("button", name="Refresh").click()
    prod = table_row(page, "team/app").get_by_role("cell").nth(4)
    expect(prod).to_contain_text("drift")
    expect(prod).to_contain_text("by-hand")
    expect(prod).to_contain_text(f"It was pushed by {sandbox.username}")
    assert sandbox.digest("docker-prod/team/app:by-hand") == digest

    page.get_by_role("button", name="1 drifted").click()
    page.wait_for_url("**/plugin/board?state=drift")
    page.get_by_role("button", name="1 changed since yesterday").click()
    page.wait_for_url(re.compile(r"since=\d{4}-\d\d-\d\dT"))
    changes = page.get_by_role("list", name="What has changed of team/app")
    expect(changes.get_by_role("listitem").first).to_contain_text(
        re.compile(rf"pushed\s*by-hand\s*in prod.*by {sandbox.username}", re.DOTALL)
    )
    page.reload()
    expect(changes).to_be_visible()
    assert serious_findings(page, ".ab-page") == []


def copy_with_skopeo(sandbox: RunningSandbox, source: str, target: str) -> None:
    credentials = f"{sandbox.username}:{sandbox.password}"
    command = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    command += ["--src-creds", credentials, "--dest-creds", credentials]
    places = [f"docker://{sandbox.registry}/{place}" for place in (source, target)]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def change(what: Any, **more: Any) -> RowChange:
    told = {"time": NOW, "what": what, "stage": "qa", "tag": "1.0", "digest": "", "by": None, "who": "", "reason": ""}
    return RowChange.model_validate({**told, **more})


@pytest.mark.parametrize("width", [700, 1100, 1600])
def test_changes_are_hostile_text_at_most_and_fit_where_there_is_little_room(page: Page, width: int) -> None:
    hostile = "<img src=x onerror=window.hurt=1>" * 9
    changes = [change("held", who=hostile, reason=hostile, tag="t" * 128), change("replaced", who="")]
    met = [MetTag(tag="1.0", stages=["dev"], word=f"{hostile} stands in dev.")]
    changed = row("team/app").model_copy(update={"changes": changes, "met": met})
    page.set_viewport_size({"width": width, "height": 900})
    asked = show(page, board([changed], since=NOW, changed=1))
    open_board(page, "?since=2026-11-28T10:00:00Z")
    told = page.get_by_role("list", name="What has changed of team/app").get_by_role("listitem")
    expect(told.nth(0)).to_contain_text(hostile)
    expect(told.nth(1)).to_contain_text("by whom is not known")
    assert page.evaluate("window.hurt") is None
    assert asked[-1]["since"] == ["2026-11-28T10:00:00Z"]
    inside = "part => { const one = document.querySelector(part); return one.scrollWidth <= one.clientWidth }"
    assert width == 1100 or page.evaluate(inside, ".ab-page"), "nothing is cut"

    page.get_by_role("combobox", name="Changed since").select_option("since the last hour")
    page.wait_for_url(re.compile(r"since=(?!2026-11-28T10)"))
    page.get_by_role("button", name=re.compile("changed since")).click()
    page.wait_for_url(lambda url: "since" not in url)


def image_of(tags: Sequence[str], *, backups: Sequence[str] = (), found: int | None = None, **more: Any) -> Image:
    """Return the page of an image that is in prod alone."""
    told = {"updated": NOW, "created": NOW, "state": "current", "word": "current", "reason": "", "by": None}
    told |= {"pushed_by": None, "platforms": [], "size": None, "attachments": None, "labels": {}, "url": ""}
    every = [(name, False) for name in tags] + [(name, True) for name in backups]
    shown = [
        ImageTag.model_validate({**told, "tag": name, "digest": cell(2).digest, "is_backup": is_backup})
        for name, is_backup in every
    ]
    stage = ImageStage(stage="prod", repository="docker-prod", found=found or len(shown), tags=shown)
    told = {"image": "team/app", "ladder": "nightly", "owner": "", "as_of": NOW, "is_refreshing": False}
    told |= {"trouble": None, "row": None, "stages": [stage], "history": []}
    return Image.model_validate({**told, **more})


def show_image(page: Page, image: Image) -> None:
    """Have the page of an image be what is given."""
    page.route(
        "**/artifactory/board/image.json*",
        lambda route: route.fulfill(body=image.model_dump_json(by_alias=True), content_type="application/json"),
    )


@pytest.mark.parametrize(
    ("image", "is_nothing"),
    [
        (image_of(["1.0", "0.9"]), True),
        (image_of(["1.0"], backups=["1.0-previous-34378e272cd1"]), False),
        (image_of(["1.0"], found=200), False),
    ],
    ids=["nothing", "a backup", "too many to know"],
)
def test_a_rollback_that_has_nothing_to_go_back_to_says_so_and_what_to_do_instead(
    page: Page, image: Image, is_nothing: bool
) -> None:
    show(page, board([row("team/app")]), "roll_back", "reject")
    show_image(page, image)
    open_board(page)
    page.get_by_role("button", name="Actions for team/app").click()
    with page.expect_response("**/board/image.json*"):
        page.get_by_role("menuitem", name="Roll back …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("it crashes")
    confirm = dialog.get_by_role("button", name="Roll back")
    if not is_nothing:
        expect(confirm).to_be_enabled()
        expect(dialog.get_by_text("nothing to go back to")).to_have_count(0)
        return
    expect(dialog).to_contain_text("1.0 has shown no other image in prod. There, 0.9 can be used instead.")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("button", name="Reject it …").click()
    expect(dialog).to_contain_text("Reject team/app")
    expect(dialog.get_by_label("Stage")).to_have_value("prod")


def test_who_may_not_reject_is_not_told_to(page: Page) -> None:
    show(page, board([row("team/app")]), "roll_back")
    show_image(page, image_of(["1.0"]))
    open_board(page)
    page.get_by_role("button", name="Actions for team/app").click()
    page.get_by_role("menuitem", name="Roll back …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1.0 has shown no other image in prod.")
    expect(dialog).not_to_contain_text("Reject")


def take_rollbacks(page: Page) -> list[Any]:
    """Be the runs of the DAG that rolls back: each succeeds at once; return what they are started with."""
    sent: list[Any] = []

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            sent.append((route.request.post_data_json or {})["conf"])
        route.fulfill(json={"dag_run_id": "manual__1", "state": "success"})

    page.route("**/api/v2/dags/does_roll_back/dagRuns**", answer)
    return sent


@pytest.mark.parametrize("is_only", [False, True], ids=["stands elsewhere", "stands nowhere"])
def test_a_backup_is_gone_back_to_in_its_own_stage_whatever_the_board_shows_there(page: Page, is_only: bool) -> None:
    empty: dict[str, Any] = {"state": CellState.EMPTY, "tag": None, "digest": None}
    cells = [cell(level, **empty) for level in ((0, 1, 2) if is_only else (2,))]
    backup = "1.0-previous-34378e272cd1"
    show(page, board([row("team/app", cells=cells)]), "roll_back")
    show_image(page, image_of(["1.0"], backups=[backup], row=row("team/app", cells=cells)))
    sent = take_rollbacks(page)
    page.goto("/plugin/board/image?image=team/app&ladder=nightly")
    page.get_by_role("button", name=f"More of {backup}").click(timeout=60_000)
    page.get_by_role("button", name=f"Roll back to {backup} …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("docker-prod/team/app:1.0 goes back")
    expect(dialog.get_by_label("Stage")).to_have_count(0)
    dialog.get_by_label("Reason").fill("it crashes")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("done")
    [conf] = sent
    told = {name: conf[name] for name in ("repository", "tag", "version", "replaces")}
    digest = cell(2).digest
    assert told == {"repository": "docker-prod", "tag": "1.0", "version": digest, "replaces": digest}


def test_a_version_of_one_stage_is_not_chosen_for_another(page: Page) -> None:
    old = f"sha256:{'c' * 64}"
    blank = dict.fromkeys(
        ("replaced", "source", "who", "run", "reason", "approvals", "override", "disagreement", "remark"), ""
    )
    past = {"what": "promoted", "repository": "docker-prod", "stage": "prod", "tag": "1.0", "digest": old, "time": NOW}
    past |= {**blank, "by": None, "verdicts": []}
    show(page, board([row("team/app", cells=[cell(2), cell(1, "2.0", digest=f"sha256:{'d' * 64}")])]), "roll_back")
    show_image(page, image_of(["1.0"], found=9, history=[past]))
    sent = take_rollbacks(page)
    open_board(page)
    page.get_by_role("button", name="Actions for team/app").click()
    page.get_by_role("menuitem", name="Roll back …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Version").select_option(old)
    dialog.get_by_label("Stage").select_option("qa")
    expect(dialog.get_by_label("Version")).to_have_value("")
    dialog.get_by_label("Reason").fill("it crashes")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("done")
    [conf] = sent
    told = {name: conf[name] for name in ("repository", "tag", "version", "replaces")}
    assert told == {"repository": "docker-qa", "tag": "2.0", "version": None, "replaces": f"sha256:{'d' * 64}"}


def test_a_run_that_asks_first_leads_to_its_question(page: Page) -> None:
    show(page, board([row("team/app")]), "roll_back")
    show_image(page, image_of(["1.0"], found=9))
    page.route("**/api/v2/dags/does_roll_back/dagRuns", lambda route: route.fulfill(json={"dag_run_id": "manual__1"}))
    page.route(
        "**/dagRuns/manual__1", lambda route: route.fulfill(json={"dag_run_id": "manual__1", "state": "running"})
    )
    question = {"task_instance": {"dag_id": "does_roll_back", "task_id": "approve", "map_index": -1}}
    page.route("**/dagRuns/manual__1/hitlDetails?*", lambda route: route.fulfill(json={"hitl_details": [question]}))
    open_board(page)
    page.get_by_role("button", name="Actions for team/app").click()
    page.get_by_role("menuitem", name="Roll back …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("it crashes")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("waits for an answer")
    link = dialog.get_by_role("link", name="Look at its plan, and answer")
    expect(link).to_have_attribute(
        "href", re.compile("/dags/does_roll_back/runs/manual__1/tasks/approve/required_actions$")
    )
