"""The history of promotions as people see it: in Chromium, inside the UI of Airflow's own API server."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.integration.web.board_api import api_server
from tests.integration.web.board_in_browser import (
    address,
    board,
    browser,
    page,
    row,
    serious_findings,
    session,
    shared_session,
    show,
)
from tests.integration.web.test_promotions_page import DIGEST, OTHER, record, store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["address", "api_server", "browser", "page", "shared_session"]

HISTORY = "/plugin/board/history"
HOSTILE = '"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
LONG = "docker-qa/an-organisation/with-nested-names/and-an-image"
SHORT = "docker-prod/payments/api"


def promotion(place: str, tag: str = "1.0", *, dag: str = "night", run: str = "scheduled__1", **more: Any) -> Any:
    """Return the event of one promotion."""
    of_run = {name: more.pop(name) for name in ("user", "started") if name in more}
    return {"place": place, "records": [record(place, tag, **more)], "dag": dag, "run": run, **of_run}


def some() -> list[Any]:
    """Return the events of a night, of a person, and of one task for many tags."""
    tags = [record("docker-qa/tools/cli", f"2.{minor}.0", digest=OTHER) for minor in range(120)]
    return [
        promotion(SHORT),
        promotion(LONG, "2026.11.29-1", outcome="unchanged"),
        promotion(
            "docker-prod/coredns",
            "v1.11.0",
            dag="by_hand",
            run="manual__2",
            user="Jane.Doe@example.com",
            started="manual",
            digest=f"sha256:{'c' * 64}",
            replaced=OTHER,
            copy=False,
        ),
        {"place": "docker-qa/tools/cli", "records": tags, "dag": "bulk", "run": "manual__3"},
    ]


def open_history(page: Page, query: str = "", *, path: str = HISTORY) -> None:
    page.goto(f"{path}{query}")
    expect(page.get_by_role("heading", name="History of promotions", level=1)).to_be_visible(timeout=60_000)


def rows(page: Page) -> Locator:
    return page.locator(".ab-page tbody tr")


def test_a_promotion_is_found_by_tag_by_digest_and_by_person_and_a_link_shows_the_same(page: Page) -> None:
    store(*some())
    open_history(page)
    expect(rows(page)).to_have_count(4)
    search = page.get_by_role("searchbox")
    for text in ("v1.11", "sha256:cccccccc", "jane.doe"):
        search.fill(text)
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("docker-prod/coredns:v1.11.0")
    page.wait_for_url("**/plugin/board/history?q=jane.doe")
    page.get_by_label("Into").select_option("docker-prod")
    page.wait_for_url("**/plugin/board/history?q=jane.doe&repository=docker-prod")
    page.reload()
    expect(search).to_have_value("jane.doe")
    expect(rows(page)).to_have_count(1)
    for text in ("docker-dev/coredns:v1.11.0", "promoted", "moved", "in place of", "by_hand / Jane.Doe", "2026-11-01"):
        expect(rows(page)).to_contain_text(text)
    page.get_by_label("Into").select_option("docker-qa")
    expect(page.get_by_text("No promotion that an event tells of fits.")).to_be_visible()
    expect(page.get_by_role("link", name="Look for it on the board")).to_have_attribute(
        "href", re.compile(r"/plugin/board\?q=jane\.doe$")
    )
    page.get_by_role("button", name="Show all").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_label("Outcome").select_option("unchanged")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("unchanged")


def test_a_time_is_asked_for_by_its_days(page: Page) -> None:
    store(*some())
    open_history(page)
    page.get_by_label("From", exact=True).fill("2026-11-01")
    page.get_by_label("Before", exact=True).fill("2026-11-02")
    page.wait_for_url("**/plugin/board/history?from=2026-11-01&before=2026-11-02")
    expect(rows(page)).to_have_count(4)
    pages = page.evaluate("history.length")
    for day in ("0002-11-02", "0020-11-02", "0202-11-02", "2026-11-02"):  # as a year is typed
        page.get_by_label("From", exact=True).fill(day)
        page.wait_for_url(f"**/plugin/board/history?from={day}&before=2026-11-02")
    expect(rows(page)).to_have_count(0)
    assert page.evaluate("history.length") == pages, "no digit is a page to go back to"


def test_a_run_with_a_thousand_images_leaves_the_nightly_in_sight_and_pages_lead_through_it(page: Page) -> None:
    bulk = [promotion(f"docker-qa/bulk-{number}", dag="bulk", run="manual__7") for number in range(1000)]
    store(promotion("docker-qa/night"), *bulk)
    open_history(page)
    expect(page.get_by_text("docker-qa/night:1.0")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^docker-qa/bulk-\d+:1\.0$"))).to_have_count(25)
    page.get_by_role("link", name="975 more of this run of bulk").click()
    page.wait_for_url("**/plugin/board/history?dag=bulk&run=manual__7")
    expect(page.get_by_text("Only the run manual__7 of bulk.")).to_be_visible()
    expect(rows(page)).to_have_count(50)
    older = page.get_by_role("link", name="Older")
    older.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "older=" in url)
    expect(page.get_by_text("docker-qa/bulk-949:1.0")).to_be_visible()
    expect(page.get_by_text("docker-qa/bulk-950:1.0")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("docker-qa/bulk-949:1.0")).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(page.get_by_text("docker-qa/bulk-999:1.0")).to_be_visible()
    page.get_by_role("link", name="Show all runs").click()
    expect(page.get_by_text("docker-qa/night:1.0")).to_be_visible()


def test_what_one_task_did_to_many_tags_is_one_row_that_opens(page: Page) -> None:
    store(*some())
    open_history(page)
    summary = page.locator("summary")
    expect(rows(page).first).to_contain_text("120 promoted")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("and 100 more")).to_be_visible()
    expect(rows(page).first.get_by_role("listitem")).to_have_count(21)


def test_no_word_breaks_and_nothing_sticks_out_at_any_width(page: Page) -> None:
    store(*some(), promotion(f"docker-qa/{'never-ends/' * 20}app"))
    open_history(page)
    expect(rows(page)).to_have_count(5)
    for width in (700, 1024, 1440, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        sizes = page.locator(".ab-page").evaluate("page => [page.scrollWidth, page.clientWidth]")
        assert sizes[0] <= sizes[1], (width, sizes)
        for name in (
            "docker-prod/coredns:v1.11.0",
            f"{SHORT}:1.0",
            f"{LONG}:2026.11.29-1" if width == 700 else "night",
        ):
            shown = page.locator(".ab-page").get_by_text(name, exact=True).first
            height, line = shown.evaluate("one => [one.clientHeight, parseFloat(getComputedStyle(one).lineHeight)]")
            assert height < 1.5 * line, (width, name, height, line)
        breaks = page.locator(".ab-state, .ab-link, time").evaluate_all(
            "all => all.filter(one => !/[\\s/]/.test(one.textContent) && one.getClientRects().length > 1)"
            ".map(one => one.textContent)"
        )
        assert [text for text in breaks if "never-ends" not in text] == [], width


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 700)])
def test_a_screen_reader_has_names_for_all_and_axe_finds_nothing_serious(page: Page, theme: str, width: int) -> None:
    store(*some())
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(f"localStorage.theme = '{theme}';")
    show(page, board([row("payments/api")]))
    open_history(page, "?repository=docker-prod")
    expect(rows(page)).to_have_count(2)
    assert serious_findings(page, ".ab-page") == []
    table = page.get_by_role("table", name="Promotions")
    expect(table.get_by_role("columnheader")).to_have_text(["When", "Into", "From", "Digest", "Outcome", "By"])
    # Where rows become cards, a browser takes nothing for a table's part but what says that it is one.
    assert table.locator("tr:not([role=row]), td:not([role=cell]), thead:not([role=rowgroup])").count() == 0
    is_dark = page.evaluate("document.documentElement.classList.contains('dark')")
    assert is_dark == (theme == "dark")


def test_a_digest_is_one_tab_stop_and_is_copied_whole_without_the_mouse(page: Page) -> None:
    store(promotion("docker-prod/coredns", "v1.11.0"))
    show(page, board([row("payments/api")]))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_history(page)
    expect(rows(page).get_by_role("link", name="coredns")).to_be_visible()
    stops = (
        rows(page)
        .locator("a, button, summary, [tabindex]")
        .evaluate_all("all => all.map(one => one.getAttribute('aria-label') ?? one.textContent)")
    )
    assert stops == ["docker-prod", "coredns", f"Copy {DIGEST}", "night"]
    rows(page).get_by_role("link", name="coredns").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == DIGEST


def test_a_promotion_leads_to_its_task_and_to_the_pages_of_its_image_and_its_stage(page: Page) -> None:
    store(promotion(SHORT))
    show(page, board([row("payments/api")]))
    open_history(page)
    for name, where in {
        "payments/api": r"/plugin/board/image\?image=payments%2Fapi&ladder=nightly$",
        "docker-prod": r"/plugin/board/stage\?repository=docker-prod$",
        "night": r"/dags/night/runs/scheduled__1/tasks/promote$",
    }.items():
        expect(rows(page).get_by_role("link", name=name)).to_have_attribute("href", re.compile(where))


def test_hostile_names_stay_text(page: Page) -> None:
    told = {"outcome": HOSTILE, "target": {"reference": HOSTILE}, "source": {"reference": HOSTILE}, "replaced": HOSTILE}
    of_run = {"dag": "night", "run": "manual__hostile", "user": HOSTILE, "started": "manual"}
    store(
        {"place": "docker-prod/x", "records": [told], **of_run},
        {"place": "docker-prod/y", "records": [told, told], "dag": "night", "run": "scheduled__1"},
    )
    open_history(page, "?dag=night&q=%3Cscript%3E")
    expect(rows(page)).to_have_count(2)
    page.locator("summary").click()
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    assert page.evaluate("window.hurt") is None
    assert page.locator(".ab-page img, .ab-page script, [href^='javascript:']").count() == 0


def test_nobody_sees_anything_of_a_dag_that_they_may_not_read(
    browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    store(*some(), {"place": "docker-prod/by-rest", "extra": {"from_rest_api": True}})
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", lambda self, **question: False)
    with session(browser, address, role="viewer") as context:
        page = context.new_page()
        open_history(page)
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("by-rest")
        expect(rows(page)).to_contain_text("outside of DAGs")


def test_files_have_all_that_is_asked_for_and_a_stage_has_its_trail(page: Page) -> None:
    store(*some())
    show(page, board([row("payments/api")]))
    open_history(page, "?repository=docker-qa")
    expect(rows(page)).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    told = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert (len(told), {row["target"].partition("/")[0] for row in told}) == (121, {"docker-qa"})
    for name, file in {
        "JSON": "promotions.json?repository=docker-qa&limit=500",
        "Trail as CSV": "trail.csv?repository=docker-qa",
        "Trail as JSON": "trail.json?repository=docker-qa",
    }.items():
        link = page.get_by_role("link", name=name, exact=True)
        expect(link).to_have_attribute("href", re.compile(rf"/artifactory/{re.escape(file)}$"))
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON", exact=True).click()
    assert len(json.loads(download.value.path().read_text())["promotions"]) == 121
    store(promotion("elsewhere/app"))
    open_history(page, "?repository=elsewhere")
    expect(rows(page).get_by_role("cell", name="elsewhere/app:1.0", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Trail as CSV")).to_have_count(0)


def test_what_cannot_be_asked_for_shows_nothing_that_was_asked_for_before(page: Page) -> None:
    store(*some())
    page.route(
        "**/promotions.json?*q=coredns*", lambda route: route.fulfill(status=503, json={"detail": "It is down."})
    )
    open_history(page)
    expect(rows(page)).to_have_count(4)
    page.get_by_role("searchbox").fill("coredns")
    expect(page.get_by_role("alert")).to_contain_text("The history cannot be loaded. It is down.")
    expect(rows(page)).to_have_count(0)
    page.get_by_role("searchbox").fill("cli")
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("path", ["/artifactory/promotions", "/plugin/promotions"])
def test_old_links_lead_on_to_what_they_asked_for(page: Page, path: str) -> None:
    store(*some())
    open_history(page, "?q=coredns&outcome=promoted", path=path)
    page.wait_for_url("**/plugin/board/history?q=coredns&outcome=promoted")
    expect(rows(page)).to_have_count(1)


def test_the_board_and_airflows_navigation_lead_to_it(page: Page) -> None:
    store(*some())
    show(page, board([row("payments/api")]))
    page.goto("/plugin/board")
    page.get_by_role("link", name="History", exact=True).click(timeout=60_000)
    page.wait_for_url("**/plugin/board/history")
    expect(rows(page)).to_have_count(4)
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Promotions").click()
    page.wait_for_url("**/plugin/board/history")
    page.go_back()
    page.wait_for_url("**/plugin/board/history")


def test_without_a_session_it_leads_to_the_login_and_back(browser: Browser, address: str) -> None:
    store(*some())
    with session(browser, address) as context:
        page = context.new_page()
        open_history(page)
        expect(rows(page)).to_have_count(4)
        context.clear_cookies()
        page.get_by_role("searchbox").fill("coredns")
        expect(page).to_have_url(
            re.compile(r"/auth/login.*next=.*plugin%2Fboard%2Fhistory%3Fq%3Dcoredns"), timeout=30_000
        )
