"""The board as people see it: in Chromium, inside the UI of Airflow's own API server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect
from tests.integration.web.board_api import api_server, headers, pipelines, sandbox, store_dag
from tests.integration.web.board_in_browser import (
    RUN,
    STOP,
    address,
    board,
    browser,
    cell,
    gate,
    page,
    plan,
    row,
    serious_findings,
    session,
    shared_session,
    show,
)
from tests.integration.web.test_ladder_tab import told
from tests.integration.web.test_plan_tab import RUN as RUN_ID
from tests.integration.web.test_plan_tab import store

from artifactory_provider.board.states import CellState, GateState

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page, Route

    from artifactory_provider.pipelines.standing import Standing
    from artifactory_sandbox.pytest_plugin import RunningSandbox

__all__ = ["address", "api_server", "browser", "headers", "page", "pipelines", "sandbox", "shared_session"]

HOSTILE = '"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
EVERYTHING = board(
    [
        row("payments/api"),
        row(
            "payments/web",
            cells=[cell(2, "0.9", state=CellState.BEHIND, word="behind by 1", digest=f"sha256:{'b' * 64}")],
            gates=[gate(1, state=GateState.APPROVAL, reason="One of jane and carol may say yes.", covers=1, link=RUN)],
        ),
        row(
            "payments/jobs", gates=[gate(0, state=GateState.VERIFYING, reason="test.status is not set, 42 min of 4 h")]
        ),
        row("payments/cron", gates=[gate(0, state=GateState.FAILED, reason="test.status is 'failed'", link=RUN)]),
        row(
            "payments/door",
            cells=[cell(2, state=CellState.DRIFT, reason="no promotion explains it", by=None, pushed_by="bob")],
        ),
        row("payments/hold", cells=[cell(1, state=CellState.HELD, reason="held by jane: it crashes")]),
    ],
    stops=[STOP],
)


def open_board(page: Page, query: str = "") -> None:
    page.goto(f"/plugin/board{query}")
    expect(page.get_by_role("heading", name="Board", level=1)).to_be_visible(timeout=60_000)


def table_row(page: Page, image: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=image, exact=True))


def test_what_the_registry_shows_is_found_by_tag_and_by_digest(
    page: Page, pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines(text="images: [team/*]")
    sandbox.push_image("docker-dev/team/web:2.0", content="web")
    digest = sandbox.push_image("docker-dev/team/app:1.1", content="app")
    open_board(page)
    expect(page.get_by_role("rowheader").filter(has_text="team/")).to_have_count(2)
    search = page.get_by_role("searchbox")
    for text in ("1.1", digest[:15]):
        search.fill(text)
        expect(page.get_by_role("rowheader").filter(has_text="team/")).to_have_count(1)
        expect(table_row(page, "team/app")).to_contain_text("1.1")
    page.wait_for_url(lambda url: digest[:15] in url.replace("%3A", ":"))
    page.reload()
    expect(search).to_have_value(digest[:15])
    expect(page.get_by_role("rowheader").filter(has_text="team/")).to_have_count(1)


def test_an_image_a_stage_and_two_stages_have_pages_that_axe_finds_nothing_serious_in(
    page: Page, pipelines: Callable[..., None], sandbox: RunningSandbox
) -> None:
    pipelines(text="images: [team/*]")
    sandbox.push_image("docker-dev/team/app:1.1", content="new")
    digest = sandbox.push_image("docker-qa/team/app:1.0", content="old")
    open_board(page)
    table_row(page, "team/app").get_by_role("rowheader").get_by_role("link").click()
    page.wait_for_url("**/plugin/board/image?image=team%2Fapp&ladder=nightly")
    page.get_by_role("button", name="More of 1.0").click()
    expect(page.get_by_role("definition").filter(has_text=digest)).to_be_visible()
    assert serious_findings(page, ".ab-page") == []

    page.get_by_role("link", name="What would change in qa").click()
    page.wait_for_url("**/plugin/board/difference?from=docker-dev&to=docker-qa&q=team%2Fapp")
    expect(table_row(page, "team/app")).to_contain_text("another tag")
    assert serious_findings(page, ".ab-page") == []

    page.get_by_role("link", name="docker-qa").click()
    page.wait_for_url("**/plugin/board/stage?repository=docker-qa")
    expect(table_row(page, "team/app")).to_contain_text("1.0")
    assert serious_findings(page, ".ab-page") == []
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert digest in download.value.path().read_text()
    page.get_by_role("link", name="Compare with prod").click()
    expect(page.get_by_role("heading", name="docker-qa and docker-prod")).to_be_visible()


def test_each_state_has_its_word_and_reason_and_who_and_when(page: Page) -> None:
    show(page, EVERYTHING)
    open_board(page)
    for image, texts in {
        "payments/api": ("current", "0aaaaaaa", "2 h", "nightly / jane"),
        "payments/web": ("behind by 1", "waits for approval", "One of jane and carol may say yes."),
        "payments/jobs": ("verifying", "42 min of 4 h"),
        "payments/cron": ("failed", "test.status is 'failed'"),
        "payments/door": ("drift", "no promotion explains it", "by bob"),
        "payments/hold": ("held", "held by jane: it crashes"),
    }.items():
        for text in texts:
            expect(table_row(page, image)).to_contain_text(text)
    expect(page.get_by_role("alert")).to_contain_text("The line is stopped: docker-prod. incident 4711 – jane")
    page.get_by_role("button", name="1 drifted").click()
    page.wait_for_url("**/plugin/board?state=drift")
    expect(page.get_by_role("button", name="1 drifted")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    page.wait_for_url("**/plugin/board")


def test_hostile_names_stay_text_and_no_scheme_but_http_becomes_a_link(page: Page) -> None:
    hostile = row(
        HOSTILE,
        cells=[cell(0, HOSTILE, reason=HOSTILE, url="javascript:window.hurt=1", pushed_by=HOSTILE)],
        gates=[gate(0, state=GateState.FAILED, word=HOSTILE, reason=HOSTILE)],
        owner=HOSTILE,
    )
    show(page, board([hostile], trouble=HOSTILE, stops=[STOP.model_copy(update={"reason": HOSTILE})]))
    open_board(page)
    expect(table_row(page, HOSTILE)).to_be_visible()
    assert page.evaluate("window.hurt") is None
    assert page.locator(".ab-page img, .ab-page script, [href^='javascript:']").count() == 0


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 700)])
def test_a_screen_reader_has_names_for_all_and_axe_finds_nothing_serious(page: Page, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(f"localStorage.theme = '{theme}';")
    show(page, EVERYTHING, "promote", "roll_back", "hold", "reject", "stop", "resume", "answer")
    open_board(page)
    expect(table_row(page, "payments/web")).to_be_visible()
    assert serious_findings(page, ".ab-page") == []
    page.get_by_role("button", name="Actions for payments/web").click()
    page.get_by_role("menuitem", name="Promote").click()
    expect(page.get_by_role("dialog")).to_contain_text("qa → prod")
    expect(page.get_by_role("dialog")).to_have_css("opacity", "1")  # half transparent text has less contrast
    assert serious_findings(page, "[role=dialog]") == []


def test_nothing_sticks_out_at_any_width(page: Page) -> None:
    long = row(
        "a-very-long/organisation/with-deeply/nested-names/and-an-image-that-never-ends",
        cells=[cell(0, "2026.11.29-build.1234567890-of-a-branch-with-a-long-name")],
    )
    show(page, board([*EVERYTHING.rows, long], stops=[STOP]), "promote")
    open_board(page)
    expect(table_row(page, "payments/web")).to_be_visible()
    for width in (700, 1024, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        sizes = page.locator(".ab-page").evaluate("page => [page.scrollWidth, page.clientWidth]")
        assert sizes[0] <= sizes[1], (width, sizes)


def test_a_promotion_is_planned_confirmed_and_triggered_without_the_mouse(page: Page) -> None:
    sent: list[Any] = []
    show(page, EVERYTHING, "promote")
    plan(page, lambda *_: {"state": GateState.APPROVAL, "word": "waits for approval"})
    take_runs(page, sent)
    open_board(page)
    page.get_by_role("button", name="Actions for payments/web").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Promote")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Hold")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Promote payments/web")
    expect(dialog).to_contain_text("waits for approval")
    dialog.get_by_role("button", name="Promote to prod").press("Enter")
    expect(dialog).to_contain_text("done")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Actions for payments/web")).to_be_focused()
    assert sent == [
        {
            "logical_date": None,
            "conf": {
                "constant": "promote",
                "image": "payments/web",
                "tag": "1.0",
                "source_repository": "docker-qa",
                "target_repository": "docker-prod",
            },
        }
    ]


def test_each_action_is_the_request_that_airflow_expects(page: Page) -> None:
    sent: list[Any] = []
    show(page, EVERYTHING, "hold", "stop", "resume", "retry", "answer")
    page.route("**/api/v2/dags/**", lambda route: take(route, sent))
    open_board(page)
    dialog = page.get_by_role("dialog")

    def finish(button: str, **fields: str) -> None:
        for label, value in fields.items():
            dialog.get_by_label(label).fill(value)
        dialog.get_by_role("button", name=button, exact=True).click()
        expect(dialog).to_contain_text("done")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)

    page.get_by_role("button", name="Stop the line").click()
    expect(dialog.get_by_role("button", name="Stop the line")).to_be_disabled()
    finish("Stop the line", Reason="incident", Images="payments/* billing/*")
    page.get_by_role("button", name="Let it go on").click()
    finish("Let it go on", Reason="over")
    for image in ("payments/api", "payments/jobs"):
        page.get_by_role("checkbox", name=f"Choose {image}").check()
    page.get_by_role("region", name="Chosen images").get_by_role("button", name="Hold").click()
    dialog.get_by_label("Stage").select_option("prod")
    finish("Hold", Reason="not yet")
    page.get_by_role("button", name="Actions for payments/cron").click()
    page.get_by_role("menuitem", name="Try again").click()
    finish("Try again")
    page.get_by_role("button", name="Approve or reject payments/web for prod").click()
    dialog.get_by_label("Reject").check()
    finish("Reject", Comment="no")

    runs, api = "/api/v2/dags/does_{}/dagRuns", {"image": "payments/api", "tag": "1.0"}
    hold = {"constant": "hold", "repository": "docker-prod", "reason": "not yet"}
    stop = {"reason": "incident", "repositories": ["*"], "images": ["payments/*", "billing/*"]}
    task = f"nightly/dagRuns/{RUN.run_id}/taskInstances/{RUN.task_id}/{RUN.map_index}"
    assert sent == [
        (runs.format("stop"), {"constant": "stop", **stop, "until": None, "also_rollbacks": False}),
        (runs.format("resume"), {"constant": "resume", "reason": "over", "repositories": ["docker-prod"]}),
        (runs.format("hold"), {**hold, **api}),
        (runs.format("hold"), {**hold, **api, "image": "payments/jobs"}),
        (
            "/api/v2/dags/nightly/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": RUN.run_id,
                "only_failed": False,
                "include_downstream": True,
                "task_ids": [[RUN.task_id, RUN.map_index]],
            },
        ),
        (f"/api/v2/dags/{task}/hitlDetails", {"chosen_options": ["Reject"], "params_input": {"comment": "no"}}),
    ]


def take(route: Route, sent: list[Any]) -> None:
    """Be Airflow's API: note what is sent, and let each run succeed at once."""
    if route.request.method != "GET":
        body = route.request.post_data_json or {}
        sent.append((urlsplit(route.request.url).path, body.get("conf", body)))
    route.fulfill(json={"dag_run_id": "manual__1", "state": "success"})


def take_runs(page: Page, sent: list[Any]) -> None:
    """Be the runs of the DAG that promotes: each succeeds at once."""

    def begin(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(json={"dag_run_id": "manual__1"})

    page.route("**/api/v2/dags/does_promote/dagRuns", begin)
    page.route(
        "**/dagRuns/manual__1", lambda route: route.fulfill(json={"dag_run_id": "manual__1", "state": "success"})
    )


@pytest.mark.parametrize(("role", "offered"), [("viewer", 0), ("user", 6)])
def test_nobody_is_offered_what_they_may_not_do(browser: Browser, address: str, role: str, offered: int) -> None:
    for dag_id in ("promote_on_demand", "stop_the_line", "hold_or_reject", "rollback"):
        store_dag(dag_id)
    with session(browser, address, role=role) as context:
        page = context.new_page()
        show(page, EVERYTHING)
        with page.expect_response("**/board/actions.json*"):
            open_board(page)
        expect(table_row(page, "payments/web")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("Actions for"))).to_have_count(offered)
        expect(page.get_by_role("checkbox")).to_have_count(offered)
        expect(page.get_by_role("button", name="Stop the line")).to_have_count(min(offered, 1))
        expect(page.get_by_role("button", name="Let it go on")).to_have_count(min(offered, 1))


def test_an_image_on_another_server_is_offered_nothing_that_would_act_on_this_one(page: Page) -> None:
    rows = [row("team/here"), row("team/there", connection="artifactory_elsewhere")]
    show(page, board(rows), "promote", "run", "roll_back", "hold", "reject")
    open_board(page)
    for image, offered in (("team/here", 5), ("team/there", 1)):
        page.get_by_role("button", name=f"Actions for {image}").click()
        expect(page.get_by_role("menuitem")).to_have_count(offered)
        page.keyboard.press("Escape")
        expect(page.get_by_role("menuitem")).to_have_count(0)
    page.get_by_role("checkbox", name="Choose team/there").check()
    chosen = page.get_by_role("region", name="Chosen images").get_by_role("button")
    expect(chosen).to_have_text(["Run the ladder …", "Clear"])


def test_favourites_come_first_and_are_kept_and_pages_are_the_servers(page: Page) -> None:
    rows = [row(f"team/app-{number:02}") for number in range(50)]
    asked = show(page, board(rows, found=10_000))
    open_board(page)
    expect(page.get_by_text("1–50 of 10,000")).to_be_visible()
    page.get_by_role("button", name="Favourite team/app-07").click()
    expect(page.get_by_role("rowheader").nth(0)).to_have_text("Favourites")
    expect(page.get_by_role("rowheader").nth(1)).to_contain_text("team/app-07")
    page.get_by_role("button", name="Next").click()
    page.wait_for_url("**/plugin/board?start=50")
    page.reload()
    expect(page.get_by_role("button", name="Favourite team/app-07")).to_have_attribute("aria-pressed", "true")
    assert asked[-1] == {"start": ["50"], "images": ["team/app-07"], "limit": ["50"]}


def test_a_board_that_is_looked_at_now_is_asked_for_again_until_it_is_there(page: Page) -> None:
    show(page, [board([], as_of=None, is_refreshing=True), EVERYTHING])
    open_board(page)
    expect(page.get_by_text("for the first time")).to_be_visible()
    expect(table_row(page, "payments/web")).to_be_visible()


def test_a_page_whose_registry_is_not_looked_at_is_not_asked_for_every_other_second(page: Page) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, json={"detail": "It is down."})

    page.route("**/artifactory/board/image.json*", answer)
    page.clock.install()
    page.goto("/plugin/board/image?image=team/app")
    expect(page.get_by_role("alert")).to_contain_text("It is down.", timeout=60_000)
    before = len(asked)
    page.clock.run_for(30_000)
    with page.expect_response("**/artifactory/board/image.json*"):
        page.get_by_role("button", name="Try again").click()
    assert len(asked) == before + 1


def test_a_board_that_cannot_be_renewed_is_said_to_be_old_and_another_question_is_not_answered_by_it(
    page: Page,
) -> None:
    show(page, EVERYTHING)
    open_board(page)
    expect(table_row(page, "payments/web")).to_be_visible()
    page.route("**/artifactory/board.json*", lambda route: route.fulfill(status=503, json={"detail": "It is down."}))
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("alert").filter(has_text="It is down.")).to_contain_text("What is shown may be old.")
    expect(table_row(page, "payments/web")).to_be_visible()
    page.get_by_role("searchbox").fill("jobs")
    failed = page.get_by_role("alert").filter(has_text="The board cannot be loaded.")
    expect(failed).to_contain_text("It is down.")
    expect(table_row(page, "payments/web")).to_have_count(0)


def test_the_tab_of_a_run_shows_where_its_images_stand_what_needs_somebody_first(page: Page) -> None:
    images: list[tuple[str, int, Standing, str]] = [
        ("payments/api", 2, "arrived", ""),
        ("payments/web", 1, "waiting", f"qa.test.status is not set. {HOSTILE}"),
    ]
    store("running", told(*images))
    page.goto(f"/dags/backfill/runs/{quote(RUN_ID, safe='')}/plugin/images")
    expect(page.get_by_role("heading", name="Images", level=1)).to_be_visible(timeout=60_000)
    rows = page.locator(".ab-page").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("payments/web")
    expect(rows.nth(1)).to_contain_text(f"qa.test.status is not set. {HOSTILE}")
    page.get_by_role("button", name="1 arrived").click()
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("payments/api")
    assert page.evaluate("window.hurt") is None
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "payments/api" in download.value.path().read_text()


@pytest.mark.parametrize("lost", ["React", "ChakraUI.Dialog"])
def test_what_an_airflow_lacks_is_said_in_words(browser: Browser, address: str, lost: str) -> None:
    with session(browser, address) as context:
        context.route("**/static/board/board.js*", lambda route: without(route, lost))
        page = context.new_page()
        page.goto("/plugin/board")
        expect(page.get_by_text(f"this version of Airflow does not give plugins {lost}")).to_be_visible(timeout=60_000)


def without(route: Route, lost: str) -> None:
    """Have the bundle run where something is missing that Airflow gives to plugins."""
    code = route.fetch().text()
    name, _, part = lost.partition(".")
    shadow = f"{{...globalThis, {name}: {f'{{...globalThis.{name}, {part}: undefined}}' if part else 'undefined'}}}"
    code = code.replace("globalThis[name];\n    if (found", f"({shadow})[name];\n    if (found")
    route.fulfill(body=code, content_type="text/javascript")


def test_a_file_that_cannot_be_loaded_is_said_in_words(browser: Browser, address: str) -> None:
    with session(browser, address) as context:
        context.route("**/static/board/cells.js", lambda route: route.abort())
        page = context.new_page()
        page.goto("/plugin/board")
        expect(page.get_by_text("one of its files cannot be loaded")).to_be_visible(timeout=60_000)


def test_without_a_session_the_whole_page_leads_to_the_login_and_back(browser: Browser, address: str) -> None:
    with session(browser, address) as context:
        page = context.new_page()
        show(page, EVERYTHING)
        open_board(page, "?q=api")
        page.unroute_all()
        context.clear_cookies()
        page.get_by_role("button", name="Refresh").click()
        expect(page).to_have_url(re.compile(r"/auth/login.*next=.*plugin%2Fboard%3Fq%3Dapi"), timeout=30_000)


def test_the_board_follows_airflows_switch_of_the_theme(page: Page) -> None:
    show(page, EVERYTHING)
    open_board(page)
    before = head_colour(page)
    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_role("menuitemradio", name="Dark Mode").click()
    page.wait_for_function("() => document.documentElement.classList.contains('dark')")
    assert head_colour(page) != before


def head_colour(page: Page) -> Any:
    return page.locator(".ab-table thead th").first.evaluate("one => getComputedStyle(one).backgroundColor")
