"""What all pages share: templates, files of their own, headers, and the way to the login."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader

from artifactory_provider import __version__
from artifactory_provider.web import URL_PREFIX

if TYPE_CHECKING:
    from fastapi import Request

STATIC = Path(__file__).with_name("static")
_HEADERS = {
    # No style, script or request but from this very server; Airflow shows the pages in frames of its own.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_templates = Environment(loader=PackageLoader(__package__), autoescape=True, trim_blocks=True, lstrip_blocks=True)


class OwnFiles(StaticFiles):
    """Files that browsers ask for again each time: modules of two versions do not work together."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file, or that it has not changed."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def show(template: str, request: Request, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    :param template: the name of its template.
    :param request: what it answers.
    :param status: its HTTP status.
    :param values: what the template shows.
    """
    airflow = airflow_path(request)
    page = _templates.get_template(template).render(
        airflow=airflow, static=f"{airflow}{URL_PREFIX}/static", version=__version__, **values
    )
    return HTMLResponse(page, status, headers=_HEADERS)


def show_login(request: Request) -> HTMLResponse:
    """Return a page that leads to Airflow's login, and from there back to where the request wanted to go."""
    query = f"?{request.url.query}" if request.url.query else ""
    return show(
        "login.html",
        request,
        status=401,
        login=f"{airflow_path(request)}/api/v2/auth/login",
        wanted=quote(f"{request.url.path}{query}", safe=""),
    )


def airflow_path(request: Request) -> str:
    """Return the path under which this server has Airflow, without a slash at its end.

    :param request: a request for a page.
    """
    return str(request.scope.get("root_path", "")).removesuffix(URL_PREFIX)
