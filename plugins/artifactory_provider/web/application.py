"""The web application behind the pages: nobody sees any of them without logging in. Webhooks show a secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from artifactory_provider.web import ladders, pages, plans, webhooks
from artifactory_provider.web.airflow_internals import REQUIRES_LOGIN, AirflowLacks
from artifactory_provider.web.board import promotions, trail
from artifactory_provider.web.board import routes as board

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

app = FastAPI(
    title="Artifactory promotions",
    dependencies=[REQUIRES_LOGIN],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)
app.include_router(promotions.router)
app.include_router(plans.router)
app.include_router(ladders.router)
app.include_router(board.router)
app.include_router(trail.router)
app.mount("/webhooks", webhooks.app)  # An application of its own: it has no login, and what has one keeps it.
app.mount("/static", pages.OwnFiles(directory=pages.STATIC))


@app.middleware("http")
async def refuse_nul(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse a NUL byte wherever it stands in a URL: databases and file systems take none."""
    texts = [request.scope["path"], *(text for pair in request.query_params.multi_items() for text in pair)]
    if any("\0" in text for text in texts):
        return JSONResponse({"detail": "A NUL byte is no part of any name."}, 400)
    return await call_next(request)


@app.exception_handler(HTTPException)
async def ask_for_login(request: Request, error: HTTPException) -> Response:
    """Lead a person without a session to the login; programs, which ask for JSON or bring a token, get the error."""
    has_no_session = error.status_code == 401 or (error.status_code, error.detail) == (403, "Invalid JWT token")
    is_program = request.url.path.endswith(".json") or "authorization" in request.headers
    if has_no_session and not is_program:
        return pages.show_login(request)
    return await http_exception_handler(request, error)


@app.exception_handler(AirflowLacks)
def say_what_airflow_lacks(request: Request, error: AirflowLacks) -> Response:
    """Answer for a page that this Airflow cannot show."""
    log.error("%s", error, exc_info=error)
    if request.url.path.endswith(".json"):
        return JSONResponse({"detail": str(error)}, 503)
    return PlainTextResponse(str(error), 503)
