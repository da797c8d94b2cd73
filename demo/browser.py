"""A browser that looks at a running instance, as the pictures and the tests of the pages need it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from demo.airflow_api import AirflowApi
from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.home import Home

Theme = Literal["light", "dark"]
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium, without a window.

    :raises DemoError: when there is none.
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise DemoError("Chromium is not installed: 'scripts/install-tools.sh pictures chromium' does it on Debian.")
    # Chromium's own sandbox does not work for root, as whom containers run.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_context(
    browser: Browser,
    home: Home,
    *,
    theme: Theme | None = None,
    system: Theme = "light",
    width: int = 1440,
    height: int = 900,
    logged_in: bool = True,
) -> Iterator[BrowserContext]:
    """Give a session of its own.

    :param browser: the browser.
    :param home: the instance.
    :param theme: what Airflow's user has chosen; None for nothing yet.
    :param system: the theme of the operating system.
    :param width: pixels.
    :param height: pixels.
    :param logged_in: whether it is ``admin``'s.
    """
    context = browser.new_context(
        base_url=home.airflow_url,
        viewport={"width": width, "height": height},
        color_scheme=system,
        timezone_id="UTC",
        locale="en-GB",
        reduced_motion="reduce",
    )
    try:
        if logged_in:
            api = AirflowApi(home.airflow_url, home.secrets.airflow_password)
            context.add_cookies([{"name": "_token", "value": api.log_in(), "url": home.airflow_url}])
            api.close()
        if theme is not None:
            context.add_init_script(f"if (!localStorage.theme) localStorage.theme = '{theme}';")
        yield context
    finally:
        context.close()
