"""The plugin that registers what Airflow's UI shows: the board, the way to its history, plans beside their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.plugins_manager import AirflowPlugin

from artifactory_provider.web import URL_PREFIX

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# Relative, as Airflow's UI takes it from where Airflow is, under whatever path that is.
_FILES = f"{URL_PREFIX.removeprefix('/')}/static/board"
BOARD = f"{_FILES}/board.js"


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for one of the pages.

    The web application is imported at its first request: workers load plugins too, and should not pay for it.
    """
    from artifactory_provider.web.application import app

    await app(scope, receive, send)


class ArtifactoryPlugin(AirflowPlugin):
    """Docker promotion through Artifactory."""

    name = "artifactory"
    fastapi_apps = [{"app": pages, "url_prefix": URL_PREFIX, "name": "Artifactory"}]  # noqa: RUF012 - Airflow's shape
    react_apps = [  # noqa: RUF012 - Airflow's shape
        {
            "name": "Board",
            "bundle_url": BOARD,
            "destination": "nav",
            "url_route": "board",
            "nav_top_level": True,
            "icon": f"{_FILES}/board.svg",
            "icon_dark_mode": f"{_FILES}/board-dark.svg",
        },
        {
            "name": "Promotions",
            "bundle_url": BOARD,
            "destination": "nav",
            "category": "browse",
            "url_route": "promotions",
        },
        {"name": "Promotions that need somebody", "bundle_url": BOARD, "destination": "dashboard"},
        {"name": "Plan", "bundle_url": BOARD, "destination": "dag_run", "url_route": "plan"},
        {"name": "Images", "bundle_url": BOARD, "destination": "dag_run", "url_route": "images"},
        {"name": "Waits for", "bundle_url": BOARD, "destination": "task_instance", "url_route": "waits-for"},
    ]

    @property
    def partition_mappers(self) -> list[Any]:  # type: ignore[override]
        """What maps pushes to runs; imported by those who schedule, and by no worker."""
        from artifactory_provider.tasks.push_schedules import TagMapper

        return [TagMapper]
