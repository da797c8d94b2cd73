"""How soon the board shows its first cell in a browser, beside Airflow's own list of DAGs its first row."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from demo.browser import open_browser, open_context
from demo.home import PROJECT

from artifactory_provider.artifactory.references import ImageReference
from benchmarks.airflow_runs import airflow
from benchmarks.registries import sandbox
from benchmarks.result import at_most, told
from benchmarks.sandbox_promotions import opened
from benchmarks.tag_sets import store_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from benchmarks.airflow_runs import Runs
    from benchmarks.result import Result

IMAGES = 5000
_NAME = f"fleet_{IMAGES}"
_DAG = PROJECT / "benchmarks" / "dags" / "pipeline_of_its_name.py"
_PIPELINE = f"""
images: ["{_NAME}/*"]
stages:
  - {{name: dev, repository: docker-dev, checks: [{{property: test.status}}]}}
  - {{name: qa, repository: docker-qa, checks: [{{property: qa.test.status}}]}}
  - {{name: prod, repository: docker-prod}}
"""
_TIMES = 7
_BOUND = 2.0
_PAGES = {"/plugin/board": ".ab-table td .ab-tag", "/dags": f"a[href$='/dags/{_NAME}']"}


def measure() -> Iterator[Result]:
    """Yield it for 5,000 images, each time in a browser session of its own, one page after the other."""
    with tempfile.TemporaryDirectory() as root:
        data, pipeline = Path(root, "sandbox"), Path(root, f"{_NAME}.yaml")
        pipeline.write_text(_PIPELINE)
        dag = Path(shutil.copy(_DAG, Path(root, f"{_NAME}.py")))
        with opened(data) as service:
            store_tags(
                service, [ImageReference("docker-dev", f"{_NAME}/app-{number:04}", "1.0.0") for number in range(IMAGES)]
            )
        with sandbox(data) as server, airflow([dag], server, pipelines=[pipeline]) as runs, open_browser() as browser:
            yield told("board_first_look", _wait_for_board(runs), f"s until {IMAGES:,} images are known")
            times: dict[str, list[float]] = {page: [] for page in _PAGES}
            for _ in range(_TIMES):
                for page, first in _PAGES.items():
                    times[page].append(_time(browser, runs, page, first))
    board, dags = (median(times[page]) for page in _PAGES)
    yield told("board_first_cell", board, "s")
    yield at_most("board_render", board / dags, _BOUND)


def _wait_for_board(runs: Runs) -> float:
    """Wait until the board's first look at the registry has ended, and return how long that took."""
    begun = time.monotonic()
    while True:
        board = runs.api.send("GET", "/artifactory/board.json?limit=1").json()
        if board["as_of"] is not None:
            if board["found"] != IMAGES:
                raise RuntimeError(f"the board has {board['found']} images: {board['trouble']}")
            return time.monotonic() - begun
        time.sleep(0.1)


def _time(browser: Browser, runs: Runs, page: str, first: str) -> float:
    """Return the seconds from asking for a page until its first content is seen."""
    with open_context(browser, runs.home) as context:
        opened_page = context.new_page()
        begun = time.monotonic()
        opened_page.goto(page, wait_until="commit")
        opened_page.locator(first).first.wait_for(timeout=120_000)
        return time.monotonic() - begun
