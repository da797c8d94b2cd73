"""Make the pictures in docs/images anew: ``make pictures``. A demo of its own plays what they show."""

from __future__ import annotations

import asyncio
import datetime
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args
from urllib.parse import quote

import httpx
from demo.browser import Theme, open_browser, open_context
from demo.errors import DemoError
from demo.home import Home
from demo.instance import Instance
from demo.report import Progress
from demo.scenario import FAILING, IMAGES, LATE, pass_late
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.airflow_api import AirflowApi
    from playwright.sync_api import Browser, Page

Result = TypeVar("Result")

FOLDER = Path(__file__).parents[1] / "docs" / "images"
NIGHTLY, BACKFILL = "promote_nightly", "retag_backfill"
_PATIENCE = 600.0
_SECONDS_FOR_A_PAGE = 60
_SETTINGS = """
localStorage.i18nextLng = "en";
localStorage["promote_nightly/open-groups"] = '["ladder"]';
localStorage["dag_view-promote_nightly"] = localStorage["default_dag_view"] = '"VIEW"';
for (const [view, size] of [["grid", 27], ["graph", 75]])
  localStorage[`react-resizable-panels:${view}-ltr`] =
    `{"details-panel,main-panel":{"expandToSizes":{},"layout":[${size},${100 - size}]}}`;
"""


class Album:
    """Takes pictures, each in both themes.

    :param browser: the browser.
    :param home: the instance.
    :param progress: where it says what it does.
    """

    def __init__(self, browser: Browser, home: Home, progress: Progress) -> None:
        self._browser = browser
        self._home = home
        self._progress = progress

    def take(
        self,
        name: str,
        address: str,
        arrange: Callable[[Page], object],
        *,
        view: Literal["grid", "graph"] = "grid",
        width: int = 1280,
        height: int = 800,
    ) -> None:
        """Take a picture: ``<name>.png`` and ``<name>-dark.png``.

        :param name: its name.
        :param address: the page's path in Airflow.
        :param arrange: makes the page show what is wanted, and waits until it does.
        :param view: how Airflow shows the DAG beside.
        :param width: pixels.
        :param height: pixels.
        """
        for theme in get_args(Theme):
            file = FOLDER / f"{name}{'' if theme == 'light' else '-dark'}.png"
            with open_context(self._browser, self._home, theme=theme, width=width, height=height) as context:
                context.add_init_script(_SETTINGS.replace("VIEW", view))
                page = context.new_page()
                page.goto(address)
                arrange(page)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=file, animations="disabled", caret="hide")
            shrink(file)
            self._progress.say(f"{file.name}: {file.stat().st_size // 1024} kB")


def shrink(file: Path) -> None:
    """Make a picture a third as large, in 256 colours, which pages have hardly more of."""
    command = ["pngquant", "--force", "--strip", "--skip-if-larger", "--output", str(file), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 98}:  # 98: it would have become larger
        raise DemoError(f"{file.name} could not be made smaller: {done.stderr.strip()}")


def main() -> int:
    """Play the demo, take all pictures, or those of the parts that are named, and stop everything."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parts = {"board": (take_board, True), "pages": (take_pages, False)}
    try:
        for name in sys.argv[1:] or parts:
            take, with_past = parts[name]
            _play(take, with_past=with_past)
    except (DemoError, httpx.HTTPError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _play(take: Callable[[Album, Instance, Home], None], *, with_past: bool) -> None:
    """Take some pictures of an instance of their own."""
    progress = Progress()
    home = Home.create("pictures", fresh=True)
    instance = Instance(home, progress, with_past=with_past)
    try:
        instance.start()
        FOLDER.mkdir(parents=True, exist_ok=True)
        with open_browser() as browser:
            take(Album(browser, home, progress), instance, home)
    finally:
        instance.stop()


def take_pages(album: Album, instance: Instance, home: Home) -> None:
    """Take the pictures of a night, a backfill and the policy."""
    take_night(album, instance, home)
    take_backfill(album, instance)
    take_policy(album, instance)


def take_night(album: Album, instance: Instance, home: Home) -> None:
    """Take pictures of a night in which one image's tests failed, and another's are still running; let it end."""
    api = instance.api
    api.trigger("service_catalog_check")
    run = _wait(lambda: api.newest_run(NIGHTLY, "asset_triggered"), "the night begins")
    promoted = len(IMAGES) - len({FAILING, LATE})
    in_prod = [("promote_to_prod", "success")] * promoted
    _wait(
        lambda: [step for step in _states(api, NIGHTLY, run) if step in in_prod] == in_prod,
        "all but two images are in prod",
    )
    page = _run_page(NIGHTLY, run)
    album.take("nightly-grid", page, _shows("promote_to_prod"))
    album.take("nightly-graph", page, _wait_for_graph, view="graph")
    with ThreadPoolExecutor() as other_thread:  # the browser has an event loop in this one
        other_thread.submit(asyncio.run, pass_late(home.sandbox_url)).result()
    _wait_for_end(api, NIGHTLY, run)


def take_backfill(album: Album, instance: Instance) -> None:
    """Take pictures of the form, of a plan that is refused, a dry run, an approval, chunks, and a report."""
    api, form = instance.api, {"images": ["csi-attacher", "csi-resizer"], "chunk_size": 4}
    album.take("backfill-form", f"/dags/{BACKFILL}", _open_form, height=1500)
    refused, dry_run = api.trigger(BACKFILL, {"largest": 50}), api.trigger(BACKFILL, form)
    for run in (refused, dry_run):
        _wait_for_end(api, BACKFILL, run)
    album.take(
        "backfill-refused", f"{_run_page(BACKFILL, refused)}/plugin/plan", _board_shows("was refused"), height=420
    )
    album.take("backfill-dry-run", f"{_run_page(BACKFILL, dry_run)}/plugin/plan", _open_again)

    run = api.trigger(BACKFILL, {**form, "dry_run": False, "approval": True, "emit_assets": True})
    page = _run_page(BACKFILL, run)
    _wait(lambda: ("approve", "awaiting_input") in _states(api, BACKFILL, run), "the plan waits for its approval")
    album.take("backfill-approval", f"{page}/tasks/approve/required_actions", _shows("Reject"), height=1000)
    api.answer(BACKFILL, run, "approve", "Approve")
    _wait_for_end(api, BACKFILL, run)
    album.take("backfill-chunks", f"{page}/tasks/promote/mapped", _shows("csi-attacher 1–4"), height=620)
    album.take("backfill-plan", f"{page}/plugin/plan", _board_shows("Report"))


def take_board(album: Album, instance: Instance, home: Home) -> None:
    """Take pictures of the board while a night waits, of an image, the history, and a promotion about to be made."""
    api, name = instance.api, "csi-provisioner"
    api.trigger("service_catalog_check")
    run = _wait(lambda: api.newest_run(NIGHTLY, "asset_triggered"), "the night begins")
    _wait(
        lambda: _states(api, NIGHTLY, run).count(("promote_to_prod", "success")) >= len(IMAGES) // 2,
        "half of the images are in prod",
    )
    _wait(lambda: ("approve_prod", "awaiting_input") in _states(api, NIGHTLY, run), "one waits for its approval")
    album.take("board", f"/plugin/board?ladder={NIGHTLY}", _board_shows(name), width=1440, height=960)
    image = f"/plugin/board/image?image={name}&ladder={NIGHTLY}"
    album.take("board-image", image, _board_shows("History"), width=1440, height=1000)
    album.take("board-history", "/plugin/board/history", _board_shows("promote_nightly"), width=1440, height=760)
    album.take("board-promote", "/plugin/board?q=csi-resizer", _open_promotion, width=1440, height=760)


def take_policy(album: Album, instance: Instance) -> None:
    """Take pictures of a plan that a freeze refuses, and of the form that stops the line."""
    album.take("policy-stop-form", "/dags/stop_the_line", _open_stop_form, height=1100)
    rule = {
        "name": "winter freeze",
        "target": {"repositories": ["docker-prod"]},
        "windows": {"timezone": "Europe/Berlin", "deny": [_around_today()]},
        "override": {"from": ["carol"], "longest": "4h"},
    }
    instance.api.put_variable("artifactory_policy", json.dumps({"version": 1, "rules": [rule]}))
    form = {"images": ["csi-attacher"], "target_repository": "docker-prod", "target_tags": ["frozen-{tag}"]}
    run = instance.api.trigger(BACKFILL, form)
    _wait_for_end(instance.api, BACKFILL, run)
    album.take("policy-refused", f"{_run_page(BACKFILL, run)}/plugin/plan", _board_shows("is frozen by"), height=620)


def _around_today() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    return f"{today - datetime.timedelta(days=3)}/{today + datetime.timedelta(days=14)}"


def _run_page(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/runs/{quote(run_id, safe='')}"


def _shows(text: str) -> Callable[[Page], None]:
    """Wait until a page shows a text."""
    return lambda page: expect(page.get_by_text(text).first).to_be_visible(timeout=_SECONDS_FOR_A_PAGE * 1000)


def _board_shows(text: str) -> Callable[[Page], None]:
    """Wait until a page of the board, once its registry has been looked at, or a tab of a run shows a text."""
    return lambda page: expect(page.locator(".ab-page").get_by_text(text).first).to_be_visible(
        timeout=_SECONDS_FOR_A_PAGE * 1000
    )


def _open_promotion(page: Page) -> None:
    page.get_by_role("button", name="Actions for csi-resizer").click()
    page.get_by_role("menuitem", name="Promote …", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("for a run that you start")


def _wait_for_graph(page: Page) -> None:
    last = page.locator(".react-flow__node").filter(has_text="promote_to_prod").last
    expect(last).to_be_visible(timeout=_SECONDS_FOR_A_PAGE * 1000)


def _open_again(page: Page) -> None:
    _board_shows("Run this for real")(page)
    page.get_by_role("button", name="Run this for real").click()
    _shows("Start the run")(page)


def _open_form(page: Page) -> None:
    page.get_by_test_id("trigger-dag-button").click()
    _shows("Dry run")(page)


def _open_stop_form(page: Page) -> None:
    page.get_by_test_id("trigger-dag-button").click()
    _shows("Rollbacks, too")(page)


def _states(api: AirflowApi, dag_id: str, run_id: str) -> list[tuple[str, str | None]]:
    return [(task.name, task.state) for task in api.tasks(dag_id, run_id)]


def _wait_for_end(api: AirflowApi, dag_id: str, run_id: str) -> None:
    _wait(lambda: api.run_state(dag_id, run_id) in {"success", "failed"}, f"{dag_id} ends")


def _wait(ask: Callable[[], Result | None], what: str) -> Result:
    """Ask until the answer is yes, and return it."""
    deadline = time.monotonic() + _PATIENCE
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise DemoError(f"Within {_PATIENCE:.0f} s it did not come so far that {what}.")
        time.sleep(1)
    return answer


if __name__ == "__main__":
    sys.exit(main())
