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

    from playwright.sync_api import Browser, FrameLocator, Page
    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

MARK = f"browser-{secrets.token_hex(4)}"
TAG = f"{MARK}-v1.9.4"
FORM = {"images": ["coredns"], "tags": ["v1.9.4"], "target_tags": [f"{MARK}-{{tag}}"], "emit_assets": True}
DARK, LIGHT = "oklch(0.232 0.032 266.44)", "rgb(255, 255, 255)"


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
        tab = inside(page, f"/dags/retag_backfill/runs/{quote(dry_run, safe='')}/plugin/plan")
        tab.get_by_text("Run this for real").click()
        expect(tab.locator("dl")).to_contain_text(f"{MARK}-{{tag}}")
        tab.get_by_role("button", name="Start the run").click()
        page.wait_for_url(lambda url: "/runs/" in url and quote(dry_run, safe="") not in url)
        run_id = re.search(r"/runs/([^/]+)", page.url)
    assert run_id is not None
    run = f"dags/retag_backfill/dagRuns/{run_id[1]}"
    until(lambda: airflow.get(run)["state"] in ENDED, seconds=240)
    return run


def inside(page: Page, address: str) -> FrameLocator:
    """Return the inside of Airflow's frame at an address."""
    page.goto(address)
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1, h2").first).to_be_visible(timeout=30_000)
    return frame


def background(frame: FrameLocator) -> Any:
    return frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")


def test_a_dry_runs_form_is_run_for_real_by_a_click_on_its_tab(airflow: Airflow, dry_run: str, real_run: str) -> None:
    run = airflow.get(real_run)
    assert run["state"] == "success"
    assert run["conf"] == {**FORM, "dry_run": False}
    assert (run["run_type"], run["triggering_user_name"]) == ("manual", "admin")
    (promote,) = airflow.instances(real_run, "promote")
    assert (promote["state"], promote["rendered_map_index"].partition(" ")[0]) == ("success", "coredns")


@pytest.mark.parametrize("page", ["promotions", "plan"])
def test_the_pages_follow_airflows_own_switch_and_not_the_operating_system(
    airflow: Airflow, browser: Browser, real_run: str, page: str
) -> None:
    address = "/plugin/promotions" if page == "promotions" else f"/{run_page(real_run)}/plugin/plan"
    with open_context(browser, airflow.home, theme="light", system="dark") as context:
        opened = context.new_page()
        frame = inside(opened, address)
        assert background(frame) == LIGHT
        opened.get_by_role("button", name="User").click()
        opened.get_by_role("menuitem", name="Appearance").click()
        opened.get_by_role("menuitemradio", name="Dark Mode").click()
        expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
        assert background(frame) == DARK
        opened.emulate_media(color_scheme="light")
        assert background(frame) == DARK


def test_without_a_choice_in_airflow_the_operating_system_counts(airflow: Airflow, browser: Browser) -> None:
    with open_context(browser, airflow.home, system="dark") as context:
        page = context.new_page()
        frame = inside(page, "/plugin/promotions")
        assert background(frame) == DARK
        page.emulate_media(color_scheme="light")
        expect(frame.locator("html")).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("width", [700, 1024, 1600])
def test_nothing_sticks_out_and_no_name_breaks_at_any_width(
    airflow: Airflow, browser: Browser, real_run: str, width: int
) -> None:
    with open_context(browser, airflow.home, theme="light", width=width) as context:
        page = context.new_page()
        for address in ("/plugin/promotions", f"/{run_page(real_run)}/plugin/plan"):
            frame = inside(page, address)
            root = frame.locator("html")
            assert root.evaluate("html => html.scrollWidth <= html.clientWidth"), address
            names = frame.get_by_text(f"docker-qa/coredns:{TAG}").all()
            assert names
            for name in names:
                assert name.evaluate("name => name.getClientRects().length") == 1, (address, width)


def test_a_digest_is_copied_with_one_click_and_without_the_mouse(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        frame = inside(page, "/plugin/promotions")
        frame.get_by_placeholder("Image, tag, digest").fill(TAG)
        frame.get_by_role("button", name="Show").click()
        page.wait_for_function("tag => frames[0].location.search.includes(tag)", arg=TAG)
        button = frame.get_by_role("button", name=re.compile("Copy sha256:"))
        expect(button).to_have_count(1)
        button.click()
        expect(button).to_have_text("copied")
        digest = page.evaluate("navigator.clipboard.readText()")
        assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
        page.evaluate("navigator.clipboard.writeText('')")
        frame.get_by_role("button", name="Show").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(frame.get_by_role("status")).to_have_text(f"Copied {digest}")
        assert page.evaluate("navigator.clipboard.readText()") == digest


def test_a_promotion_leads_out_of_the_frame_to_its_task(airflow: Airflow, browser: Browser, real_run: str) -> None:
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        frame = inside(page, "/plugin/promotions")
        row = frame.get_by_role("row").filter(has_text=TAG)
        row.get_by_role("link", name="retag_backfill").click()
        page.wait_for_url(re.compile(rf"/{re.escape(run_page(real_run))}/tasks/promote/mapped/0"))
        expect(page.locator("iframe")).to_have_count(0)


def test_without_a_session_the_page_leads_to_the_login_and_back(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home, logged_in=False) as context:
        page = context.new_page()
        page.goto(f"/artifactory/promotions?q={TAG}&outcome=promoted")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(airflow.home.secrets.airflow_password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**/artifactory/promotions?q={TAG}&outcome=promoted")
        expect(page.get_by_text(f"docker-qa/coredns:{TAG}")).to_be_visible()


def test_a_frame_whose_session_has_ended_sends_the_whole_of_airflow_to_the_login(
    airflow: Airflow, browser: Browser, real_run: str
) -> None:
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        frame = inside(page, "/plugin/promotions")
        context.clear_cookies()
        frame.get_by_role("button", name="Show").click()
        page.wait_for_url(re.compile(r"/auth/login\?next=.*plugin%2Fpromotions"))
        expect(page.locator("iframe")).to_have_count(0)


def test_no_page_breaks_its_own_policy(airflow: Airflow, browser: Browser, real_run: str, dry_run: str) -> None:
    plans = [f"/dags/retag_backfill/runs/{quote(dry_run, safe='')}/plugin/plan", f"/{run_page(real_run)}/plugin/plan"]
    said = []
    with open_context(browser, airflow.home) as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        for address in ("/plugin/promotions", *plans):
            inside(page, address)
    assert said == []


def run_page(run: str) -> str:
    """Return where Airflow's UI shows a run."""
    _, dag_id, _, run_id = run.split("/")
    return f"dags/{dag_id}/runs/{run_id}"
