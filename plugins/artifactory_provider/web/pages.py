"""What comes beside the answers of routes: the files of the board, and the way to the login."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader

from artifactory_provider.web import URL_PREFIX

if TYPE_CHECKING:
    from fastapi import Request

STATIC = Path(__file__).with_name("static")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_templates = Environment(loader=PackageLoader(__package__), autoescape=True)


class OwnFiles(StaticFiles):
    """Files that browsers ask for again each time: modules of two versions do not work together."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file, or that it has not changed."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def show_login(request: Request) -> HTMLResponse:
    """Return a page that leads to Airflow's login, and from there back to where the request wanted to go."""
    query = f"?{request.url.query}" if request.url.query else ""
    page = _templates.get_template("login.html").render(
        login=f"{airflow_path(request)}/api/v2/auth/login", wanted=quote(f"{request.url.path}{query}", safe="")
    )
    return HTMLResponse(page, 401, headers=_HEADERS)


def airflow_path(request: Request) -> str:
    """Return the path under which this server has Airflow, without a slash at its end.

    :param request: a request for a page.
    """
    return str(request.scope.get("root_path", "")).removesuffix(URL_PREFIX)
