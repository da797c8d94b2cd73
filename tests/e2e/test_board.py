"""The board at work: what is pressed in a browser becomes runs of a real Airflow, and the registry follows."""

from __future__ import annotations

import asyncio
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.browser import open_browser, open_context
from demo.pushing import push
from demo.scenario import PASSWORD, USERNAME, VERDICT, sandbox_client, write_verdict
from playwright.sync_api import expect
from tests.e2e.conftest import until

from artifactory_provider.artifactory.references import ImageReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page
    from tests.e2e.conftest import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

IMAGE = f"storefront/board-{secrets.token_hex(4)}"
LADDER, ON_PUSH = "promote_pushed", "promote_pushed_on_push"
SECONDS = 180_000.0


@pytest.fixture(scope="module")
def page(airflow: Airflow) -> Iterator[Page]:
    """The board with the one image, which no run takes up by itself meanwhile."""
    airflow.patch(f"dags/{ON_PUSH}", {"is_paused": True})
    try:
        with open_browser() as browser, open_context(browser, airflow.home, theme="light", height=1200) as context:
            page = context.new_page()
            page.goto(f"/plugin/board?ladder={LADDER}&q={IMAGE}")
            yield page
    finally:
        airflow.patch(f"dags/{ON_PUSH}", {"is_paused": False})


def row(page: Page) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=IMAGE, exact=True))


def refresh(page: Page, text: str | re.Pattern[str]) -> None:
    """Press the board's button until the row says a text."""

    def says() -> bool:
        with page.expect_response(lambda answer: "/board.json" in answer.url):
            page.get_by_role("button", name="Refresh").click()
        found = row(page).text_content(timeout=1000) if row(page).count() else ""
        return re.search(text, found or "") is not None

    until(says, seconds=90, otherwise=lambda: str(page.locator(".ab-page").text_content()))


def open_dialog(page: Page, item: str) -> Locator:
    page.get_by_role("button", name=f"Actions for {IMAGE}").click()
    page.get_by_role("menuitem", name=f"{item} …", exact=True).click()
    return page.get_by_role("dialog")


def finish(dialog: Locator) -> None:
    """Wait until what was begun has ended well, and leave the dialog."""
    expect(dialog.get_by_role("status").first).to_contain_text("done", timeout=SECONDS)
    dialog.get_by_role("button", name="Close").click()


def build(airflow: Airflow, tag: str, content: str) -> str:
    """Push what a build has made, and write that its tests have passed; return its digest."""
    digest = push(airflow.home.sandbox_url, "docker-dev", IMAGE, tag, content=content)

    async def write() -> None:
        async with sandbox_client(airflow.home.sandbox_url) as client:
            await write_verdict(client, ImageReference("docker-dev", IMAGE, tag), VERDICT, "passed")

    with ThreadPoolExecutor() as other_thread:  # the browser has an event loop in this one
        other_thread.submit(asyncio.run, write()).result()
    return digest


def shown(airflow: Airflow, repository: str) -> Any:
    """Return which digest the registry shows under the tag."""
    url = f"{airflow.home.sandbox_url}/api/docker/{repository}/v2/{IMAGE}/manifests/1.0"
    answer = httpx.head(url, auth=(USERNAME, PASSWORD), headers={"Accept": "*/*"}, trust_env=False)
    return answer.headers.get("Docker-Content-Digest")


@pytest.fixture(scope="module")
def approved(airflow: Airflow, page: Page) -> str:
    """The digest that was promoted to qa from the board, once somebody had approved it there."""
    push(airflow.home.sandbox_url, "docker-dev", IMAGE, "1.0", content="first")
    refresh(page, r"verifying.*test\.status is not set")
    first = build(airflow, "1.0", "first")
    refresh(page, "ready")
    dialog = open_dialog(page, "Promote")
    dialog.get_by_label("Ask somebody for approval").check()
    dialog.get_by_role("button", name="Promote to qa").click()
    expect(dialog.get_by_role("link", name="its run")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    refresh(page, "waits for approval")
    assert shown(airflow, "docker-qa") is None
    page.get_by_role("button", name=f"Approve or reject {IMAGE} for qa").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    finish(page.get_by_role("dialog"))
    return first


@pytest.fixture(scope="module")
def rolled_back(airflow: Airflow, page: Page, approved: str) -> str:
    """The digest that qa shows again, after another one had taken its place from the board."""
    until(lambda: shown(airflow, "docker-qa") == approved, seconds=120)
    second = build(airflow, "1.0", "second")
    refresh(page, "conflict")
    dialog = open_dialog(page, "Promote")
    dialog.get_by_label("shows another image").select_option("backup")
    dialog.get_by_role("button", name="Promote to qa").click()
    finish(dialog)
    assert shown(airflow, "docker-qa") == second
    # What a rollback takes out is what the board shows by then, in both stages.
    short = second.removeprefix("sha256:")[:8]
    refresh(page, f"^(?!.*conflict).*{short}.*{short}")  # the words of a conflict name the digest, too
    dialog = open_dialog(page, "Roll back")
    dialog.get_by_label("Reason").fill("it crashes <b>often</b>")
    dialog.get_by_label("Show the plan and ask first").uncheck()
    dialog.get_by_label("Stage").select_option("qa")
    dialog.get_by_role("button", name="Roll back").click()
    finish(dialog)
    return approved


def test_why_an_image_is_stuck_stands_there_and_once_it_is_approved_there_it_is_promoted(
    airflow: Airflow, page: Page, approved: str
) -> None:
    until(lambda: shown(airflow, "docker-qa") == approved, seconds=120)
    refresh(page, "promote_on_demand / admin")


def test_a_rollback_gives_the_tag_what_it_showed_and_holds_it(airflow: Airflow, page: Page, rolled_back: str) -> None:
    assert shown(airflow, "docker-qa") == rolled_back
    refresh(page, "held.*it crashes <b>often</b>")


def test_what_has_changed_since_yesterday_is_told_with_who_did_it(page: Page, rolled_back: str) -> None:
    refresh(page, "held")
    page.get_by_role("button", name="changed since yesterday").click()
    page.wait_for_url("**since=**")
    changes = page.get_by_role("list", name=f"What has changed of {IMAGE}")
    for text in (r"rolled back.*in qa.*by rollback / admin", r"held.*in qa.*by admin.*it crashes <b>often</b>"):
        expect(changes.get_by_role("listitem").filter(has_text=re.compile(text, re.DOTALL))).to_have_count(1)
    page.get_by_role("button", name="changed since").click()
    page.wait_for_url(lambda url: "since" not in url)


def test_everything_is_stopped_and_goes_on_from_the_board(airflow: Airflow, page: Page, rolled_back: str) -> None:
    page.get_by_role("button", name="Stop the line").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Images").fill(IMAGE)  # other tests promote others
    dialog.get_by_label("Reason").fill("incident 4711")
    dialog.get_by_role("button", name="Stop the line").click()
    finish(dialog)
    refresh(page, "refused by a rule.*The line is stopped.*incident 4711")
    expect(page.get_by_role("alert")).to_contain_text("incident 4711 – admin")
    form = {"image": IMAGE, "tag": "1.0", "source_repository": "docker-dev", "target_repository": "docker-prod"}
    run = airflow.run("promote_on_demand", form)
    assert airflow.get(run)["state"] == "failed"
    assert shown(airflow, "docker-prod") is None

    page.get_by_role("button", name="Let it go on").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("it is over")
    dialog.get_by_role("button", name="Let it go on").click()
    finish(dialog)
    refresh(page, r"^(?!.*The line is stopped)")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_hold_is_lifted_and_a_digest_rejected(page: Page, rolled_back: str) -> None:
    refresh(page, "held")
    dialog = open_dialog(page, "Lift the hold")
    dialog.get_by_label("Reason").fill("it is known now")
    dialog.get_by_role("button", name="Lift").click()
    finish(dialog)
    dialog = open_dialog(page, "Reject")
    dialog.get_by_label("Stage").select_option("qa")
    dialog.get_by_label("Reason").fill("never again")
    dialog.get_by_role("button", name="Reject").click()
    finish(dialog)
    refresh(page, "rejected.*never again")


def test_what_is_pushed_past_airflow_shows_within_a_refresh(airflow: Airflow, page: Page, approved: str) -> None:
    push(airflow.home.sandbox_url, "docker-prod", IMAGE, "0.9", content="from elsewhere")
    refresh(page, "drift.*by admin|drift")
    page.get_by_role("button", name=re.compile("drifted")).click()
    page.wait_for_url("**state=drift**")
    expect(row(page)).to_be_visible()


def test_the_page_of_an_image_tells_what_happened_to_it(page: Page, rolled_back: str) -> None:
    page.goto(f"/plugin/board?ladder={LADDER}&q={IMAGE}")
    row(page).get_by_role("rowheader").get_by_role("link", name=IMAGE).click()
    page.wait_for_url("**/plugin/board/image?**")
    history = page.locator(".ab-history")
    for text in ("promoted", "rolled back", "it is known now", "never again", "promote_on_demand / admin"):
        expect(history).to_contain_text(text)


def test_airflows_home_says_what_needs_somebody(page: Page, rolled_back: str) -> None:
    page.goto("/")
    card = page.get_by_role("region", name="Promotions that need somebody")
    expect(card).to_be_visible(timeout=60_000)
    card.get_by_role("link", name=re.compile("drifted")).click()
    page.wait_for_url("**/plugin/board?state=drift")
    expect(row(page)).to_be_visible()
