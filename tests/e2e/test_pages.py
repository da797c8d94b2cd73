"""The pages as people see them: in a browser, inside the UI of a real Airflow."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from demo.browser import open_browser, open_context
from playwright.sync_api import expect
from tests.e2e.conftest import ENDED, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page
    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

MARK = f"browser-{secrets.token_hex(4)}"
TAG = f"{MARK}-v1.9.4"
FORM = {"images": ["coredns"], "tags": ["v1.9.4"], "target_tags": [f"{MARK}-{{tag}}"], "emit_assets": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def dry_run(airflow: Airflow) -> str:
    """The id of a dry run of one tag."""
    run = airflow.run("retag_backfill", FORM)
    assert airflow.get(run)["state"] == "success"
    return run.rpartition("/")[2]


@pytest.fixture(scope="module")
def real_run(airflow: Airflow, browser: Browser, dry_run: str) -> str:
    """The path of the run that a click on its tab Plan has made of the dry run, once it has ended."""
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        tab = on_plan(page, f"dags/retag_backfill/runs/{quote(dry_run, safe='')}")
        tab.get_by_role("button", name="Run this for real").click()
        dialog = page.get_by_role("dialog", name="Run this for real")
        expect(dialog.get_by_role("definition").first).to_be_visible()
        expect(dialog).to_contain_text(f"{MARK}-{{tag}}")
        dialog.get_by_role("button", name="Start the run").click()
        dialog.get_by_role("link", name="its run").click()
        page.wait_for_url(lambda url: "/runs/" in url and quote(dry_run, safe="") not in url)
        run_id = re.search(r"/runs/([^/]+)", page.url)
    assert run_id is not None
    run = f"dags/retag_backfill/dagRuns/{run_id[1]}"
    until(lambda: airflow.get(run)["state"] in ENDED, seconds=240)
    return run


def open_history(page: Page, query: str = "") -> Locator:
    """Return the history of promotions, as the board shows it."""
    page.goto(f"/plugin/board/history{query}")
    expect(page.locator(".ab-page tbody tr").first).to_be_visible(timeout=60_000)
    return page.locator(".ab-page")


def on_plan(page: Page, run: str) -> Locator:
    """Return what a run's tab Plan shows, once its rows are there."""
    page.goto(f"/{run}/plugin/plan")
    expect(page.locator(".ab-rows")).to_be_visible(timeout=30_000)
    return page.locator(".ab-page")


def colours(shown: Locator) -> Any:
    """Return the colours of a text, and of what is behind all of it."""
    return shown.evaluate("one => [one, document.documentElement].map((each) => getComputedStyle(each).color)")


def test_a_dry_runs_form_is_run_for_real_by_a_click_on_its_tab(airflow: Airflow, dry_run: str, real_run: str) -> None:
    run = airflow.get(real_run)
    assert run["state"] == "success"
    assert run["conf"] == {**FORM, "dry_run": False}
    assert (run["run_type"], run["triggering_user_name"]) == ("manual", "admin")
    (promote,) = airflow.instances(real_run, "promote")
    assert (promote["state"], promote["rendered_map_index"].partition(" ")[0]) == ("success", "coredns")


def test_a_tab_follows_airflows_own_switch_and_not_the_operating_system(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home, theme="light", system="dark") as context:
        opened = context.new_page()
        tab = on_plan(opened, run_page(real_run))
        light = colours(tab)
        opened.get_by_role("button", name="User").click()
        opened.get_by_role("menuitem", name="Appearance").click()
        opened.get_by_role("menuitemradio", name="Dark Mode").click()
        expect(opened.locator("html")).to_have_class(re.compile("dark"))
        dark = colours(tab)
        assert not set(dark) & set(light)
        opened.emulate_media(color_scheme="light")
        assert colours(tab) == dark


@pytest.mark.parametrize("width", [700, 1024, 1600])
def test_nothing_sticks_out_and_no_name_breaks_at_any_width(
    airflow: Airflow, browser: Browser, real_run: str, width: int
) -> None:
    with open_context(browser, airflow.home, theme="light", width=width) as context:
        page = context.new_page()
        history = open_history(page, f"?q={TAG}")
        check_width(history)
        check_width(on_plan(page, run_page(real_run)))


def check_width(root: Locator) -> None:
    """Check that nothing sticks out of what is shown, and that the name of what was promoted stands on one line."""
    assert root.evaluate("root => root.scrollWidth <= root.clientWidth")
    names = root.get_by_text(f"docker-qa/coredns:{TAG}").filter(visible=True).all()
    assert names
    for name in names:
        assert name.evaluate("name => name.getClientRects().length") == 1, name.evaluate("name => name.outerHTML")


def test_a_digest_is_copied_with_one_click_and_without_the_mouse(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        history = open_history(page)
        history.get_by_role("searchbox").fill(TAG)
        page.wait_for_url(f"**/plugin/board/history?q={TAG}")
        expect(history.get_by_text(f"docker-qa/coredns:{TAG}")).to_be_visible()
        button = history.get_by_role("button", name=re.compile("Copy sha256:"))
        expect(button).to_have_count(1)
        button.click()
        expect(button.get_by_role("status")).to_have_text("Copied")
        digest = page.evaluate("navigator.clipboard.readText()")
        assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
        page.evaluate("navigator.clipboard.writeText('')")
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("digest => navigator.clipboard.readText().then(text => text === digest)", arg=digest)


def test_a_promotion_leads_to_its_task(airflow: Airflow, browser: Browser, real_run: str) -> None:
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        history = open_history(page, f"?q={TAG}")
        row = history.get_by_role("row").filter(has_text=f"docker-qa/coredns:{TAG}")
        row.get_by_role("link", name="retag_backfill").click()
        page.wait_for_url(re.compile(rf"/{re.escape(run_page(real_run))}/tasks/promote/mapped/0"))
        expect(page.locator("iframe")).to_have_count(0)


def test_without_a_session_an_old_link_leads_to_the_login_and_on_to_what_it_asked_for(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home, logged_in=False) as context:
        page = context.new_page()
        page.goto(f"/artifactory/promotions?q={TAG}&outcome=promoted")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(airflow.home.secrets.airflow_password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**/plugin/board/history?q={TAG}&outcome=promoted")
        expect(page.get_by_text(f"docker-qa/coredns:{TAG}")).to_be_visible()


def test_a_tab_whose_session_has_ended_leads_to_the_login_and_back(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        tab = on_plan(page, run_page(real_run))
        context.clear_cookies()
        tab.get_by_role("group", name="What is planned").get_by_role("button").first.click()
        expect(page).to_have_url(re.compile(r"/auth/login\?next=.*plugin%2Fplan"), timeout=30_000)


def test_no_page_leaves_an_error_in_the_console(
    airflow: Airflow, browser: Browser, real_run: str, dry_run: str
) -> None:
    said = []
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        for run in (f"dags/retag_backfill/runs/{quote(dry_run, safe='')}", run_page(real_run)):
            on_plan(page, run)
        open_history(page)
    assert said == []


def run_page(run: str) -> str:
    """Return where Airflow's UI shows a run."""
    _, dag_id, _, run_id = run.split("/")
    return f"dags/{dag_id}/runs/{run_id}"
