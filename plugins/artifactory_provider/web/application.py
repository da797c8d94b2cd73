"""The web application behind the pages: nobody sees any of them without logging in."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI

from artifactory_provider.web import plans, promotions

app = FastAPI(
    title="Artifactory promotions",
    dependencies=[Depends(get_user)],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)
app.include_router(promotions.router)
app.include_router(plans.router)
