"""The tab of a run that shows its plan, as people see it: in Chromium, inside the UI of Airflow's own API server."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.integration.web.board_api import api_server
from tests.integration.web.board_in_browser import address, browser, page, serious_findings, session, shared_session
from tests.integration.web.test_plan_tab import DRY, OTHER, RUN, ended, hand_on, planned, store

from artifactory_provider.tasks.handover import DRY_RUN, PLAN_PROBLEM, REPORT_SUMMARY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

__all__ = ["address", "api_server", "browser", "page", "shared_session"]

HOSTILE = '"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
TAB = f"/dags/backfill/runs/{quote(RUN, safe='')}/plugin/plan"
PLANNED = hand_on(
    planned("payments/api"),
    planned("payments/web", current=OTHER),
    planned("payments/jobs", "conflict", current=OTHER),
    planned("payments/cron", "refused", reason=f"docker-qa is frozen. {HOSTILE}"),
)
CONF = {"images": ["payments/*"], "largest": 72, "dry_run": True}


def open_tab(page: Page) -> Locator:
    """Open the tab, and return what it shows."""
    page.goto(TAB)
    expect(page.get_by_role("heading", name="Plan", level=1)).to_be_visible(timeout=60_000)
    expect(page.locator("iframe")).to_have_count(0)
    return page.locator(".ab-page")


@pytest.mark.parametrize(("theme", "width"), [("light", 1600), ("dark", 1100)])
def test_a_run_shows_each_row_with_what_became_of_it_in_airflows_theme(page: Page, theme: str, width: int) -> None:
    report = {("report", REPORT_SUMMARY): f"**1 promoted, 1 failed**\n\n### Failed\n\n- `payments/web` {HOSTILE}\n"}
    store("failed", {**PLANNED, **ended(("promoted", ""), ("failed", f"it broke {HOSTILE}")), **report})
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(f"localStorage.theme = '{theme}';")
    tab = open_tab(page)
    rows = tab.locator(".ab-rows tbody").get_by_role("row")
    expect(rows).to_have_count(4)
    for text in ("docker-dev/payments/web:1.0", "docker-qa/payments/web:1.0", "replaces", "failed", f"broke {HOSTILE}"):
        expect(rows.first).to_contain_text(text)
    expect(tab.get_by_role("heading", name="Failed", level=3)).to_be_visible()
    expect(tab.get_by_role("listitem")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hurt") is None
    assert tab.locator("img, script").count() == 0
    assert page.evaluate("document.documentElement.classList.contains('dark')") == (theme == "dark")
    assert tab.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert serious_findings(page, ".ab-page") == []
    tab.get_by_text("The plan in words").click()
    expect(tab.get_by_text("4 promotions: 2 promote")).to_be_visible()
    assert serious_findings(page, ".ab-page") == []


@pytest.mark.parametrize("width", [700, 1024, 1600])
def test_nothing_sticks_out_and_a_name_that_fits_stands_on_one_line(page: Page, width: int) -> None:
    tag = "browser-29b460c3-v1.9.4"
    store(
        "success",
        {
            **hand_on(planned("coredns", tag=tag)),
            **ended(("promoted", "")),
            ("report", REPORT_SUMMARY): f"- `docker-dev/coredns:{tag}` → `docker-qa/coredns:{tag}`\n",
        },
    )
    page.set_viewport_size({"width": width, "height": 900})
    tab = open_tab(page)
    assert tab.evaluate("one => one.scrollWidth <= one.clientWidth")
    names = tab.get_by_text(f"docker-qa/coredns:{tag}").filter(visible=True).all()
    assert names
    for name in names:
        assert name.evaluate("one => one.getClientRects().length") == 1


def test_rows_are_filtered_searched_and_sent_as_csv(page: Page) -> None:
    store("failed", {**PLANNED, **ended(("promoted", ""), ("failed", "it broke"))})
    tab = open_tab(page)
    rows = tab.locator(".ab-rows tbody").get_by_role("row")
    expect(rows).to_have_count(4)
    kinds, ends = tab.get_by_role("group", name="What is planned"), tab.get_by_role("group", name="What became of it")
    kinds.get_by_role("button", name="1 in conflict").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("payments/jobs")
    kinds.get_by_role("button", name="1 in conflict").click()
    ends.get_by_role("button", name="1 promoted").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("payments/api")
    with page.expect_download() as download:
        tab.get_by_role("link", name="CSV").click()
    [sent] = csv.DictReader(io.StringIO(download.value.path().read_text()))
    assert (sent["source"], sent["end"]) == ("docker-dev/payments/api:1.0", "promoted")
    ends.get_by_role("button", name="1 promoted").click()
    tab.get_by_role("searchbox").fill("FROZEN")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("payments/cron")
    tab.get_by_role("searchbox").fill("no such")
    expect(tab.get_by_text("No row is meant by this search.")).to_be_visible()


def test_a_run_that_goes_on_is_asked_again_and_one_without_a_plan_says_so(page: Page) -> None:
    store("running")
    tab = open_tab(page)
    expect(tab.get_by_text("This run has made no plan yet.")).to_be_visible()
    store("running", PLANNED)
    expect(tab.get_by_role("button", name="2 open")).to_be_visible(timeout=20_000)
    store("failed", {("plan", PLAN_PROBLEM): f"The plan was refused. {HOSTILE}"})
    expect(tab.get_by_role("alert")).to_contain_text(f"The plan was refused. {HOSTILE}", timeout=20_000)
    assert page.evaluate("window.hurt") is None


def test_rows_that_cannot_be_read_are_said_to_be_and_the_report_is_shown(page: Page) -> None:
    store("failed", {**PLANNED, ("plan", "chunk_0001"): "odd", ("report", REPORT_SUMMARY): "the **report**"})
    tab = open_tab(page)
    expect(tab.get_by_role("alert")).to_contain_text("What the tasks have handed on cannot be read")
    expect(tab.get_by_text("the report")).to_be_visible()
    expect(tab.get_by_text("4 promotions: 2 promote")).to_be_visible()


def test_a_page_that_is_there_no_more_leads_back_to_the_last_that_is(page: Page) -> None:
    store("running", hand_on(*(planned(f"team/app-{number:03}") for number in range(150))))
    tab = open_tab(page)
    rows = tab.locator(".ab-rows tbody").get_by_role("row")
    expect(rows).to_have_count(100)
    tab.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(50)
    store("running", hand_on(*(planned(f"team/app-{number:03}") for number in range(20))))
    expect(rows).to_have_count(20, timeout=30_000)


def test_a_search_that_fails_shows_no_rows_of_the_search_before_and_can_be_taken_back(page: Page) -> None:
    store("failed", PLANNED)
    page.route("**/artifactory/plans/**q=web*", lambda route: route.fulfill(status=503, json={"detail": "It is down."}))
    tab = open_tab(page)
    rows = tab.locator(".ab-rows tbody").get_by_role("row")
    expect(rows).to_have_count(4)
    tab.get_by_role("searchbox").fill("web")
    expect(tab.get_by_role("alert")).to_contain_text("The rows of the plan cannot be loaded. It is down.")
    expect(rows).to_have_count(0)
    tab.get_by_role("searchbox").fill("jobs")
    expect(rows).to_have_count(1)
    expect(tab.get_by_role("alert")).to_have_count(0)


def test_a_dry_run_is_run_for_real_without_the_mouse(page: Page) -> None:
    sent: list[Any] = []

    def begin(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(json={"dag_run_id": "manual__2"})

    page.route("**/api/v2/dags/backfill/dagRuns", begin)
    page.route("**/dagRuns/manual__2", lambda route: route.fulfill(json={"state": "success"}))
    store("success", {**PLANNED, ("plan", REPORT_SUMMARY): "This was a dry run", ("plan", DRY_RUN): DRY}, conf=CONF)
    tab = open_tab(page)
    expect(tab.get_by_role("group", name="What became of it")).to_have_count(0)
    opener = tab.get_by_role("button", name="Run this for real")
    opener.press("Enter")
    dialog = page.get_by_role("dialog", name="Run this for real")
    expect(dialog.get_by_role("definition")).to_have_text(["payments/*", "72"])
    expect(dialog).to_have_css("opacity", "1")
    assert serious_findings(page, "[role=dialog]") == []
    dialog.get_by_role("button", name="Start the run").press("Enter")
    expect(dialog).to_contain_text("done")
    assert dialog.get_by_role("link", name="its run").get_attribute("href") == "/dags/backfill/runs/manual__2"
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    assert sent == [{"logical_date": None, "conf": {**CONF, "dry_run": False}}]


def test_who_may_not_trigger_the_dag_is_not_offered_to(browser: Browser, address: str) -> None:
    store("success", {**PLANNED, ("plan", REPORT_SUMMARY): "This was a dry run", ("plan", DRY_RUN): DRY}, conf=CONF)
    with session(browser, address, role="viewer") as context:
        tab = open_tab(context.new_page())
        expect(tab.get_by_text("This was a dry run")).to_be_visible()
        expect(tab.get_by_role("button", name="Run this for real")).to_have_count(0)
