"""The plugin that registers what Airflow's UI shows: promotions under Browse, plans beside their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.plugins_manager import AirflowPlugin

from artifactory_provider.web import URL_PREFIX

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


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
    external_views = [  # noqa: RUF012 - Airflow's shape
        {
            "name": "Promotions",
            "href": f"{URL_PREFIX}/promotions",
            "destination": "nav",
            "category": "browse",
            "url_route": "promotions",
        },
        {
            "name": "Plan",
            "href": f"{URL_PREFIX}/plans/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "plan",
        },
        {
            "name": "Images",
            "href": f"{URL_PREFIX}/ladders/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "images",
        },
    ]

    @property
    def partition_mappers(self) -> list[Any]:  # type: ignore[override]
        """What maps pushes to runs; imported by those who schedule, and by no worker."""
        from artifactory_provider.tasks.push_schedules import TagMapper

        return [TagMapper]
