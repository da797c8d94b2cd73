"""The web application behind the pages: nobody sees any of them without logging in."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from artifactory_provider.web import plans, promotions
from artifactory_provider.web.airflow_internals import REQUIRES_LOGIN, AirflowLacks

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


@app.exception_handler(AirflowLacks)
def say_what_airflow_lacks(request: Request, error: AirflowLacks) -> Response:
    """Answer for a page that this Airflow cannot show."""
    log.error("%s", error, exc_info=error)
    if request.url.path.endswith(".json"):
        return JSONResponse({"detail": str(error)}, 503)
    return PlainTextResponse(str(error), 503)
