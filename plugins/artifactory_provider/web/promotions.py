"""The page that shows what was promoted, where to, and by which run.

The history is Airflow's own: every promotion is an event on its target's asset, with the record as its extra. Nobody
sees the promotions of a DAG that they may not read; those that no DAG has made are for all who may read assets.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep  # noqa: TC002 - FastAPI reads it at run time
from airflow.api_fastapi.core_api.security import (
    GetUserDep,
    PermittedAssetEventFilter,
    requires_access_asset,
)
from airflow.configuration import conf
from airflow.models.asset import AssetEvent, AssetModel
from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import select

from artifactory_provider.tasks.assets import SCHEME

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; "
    "form-action 'self'; frame-ancestors 'self'"
)
_templates = Environment(loader=PackageLoader(__package__), autoescape=True, trim_blocks=True, lstrip_blocks=True)


class PromotionEvent(BaseModel):
    """One promotion, as its task recorded it.

    :param timestamp: when.
    :param target: ``repository/image:tag@digest``.
    :param source: the same of where it came from.
    :param outcome: ``promoted`` or ``unchanged``.
    :param dag_id: the DAG that did it.
    :param run_id: its run.
    :param task_id: its task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    """

    timestamp: AwareDatetime
    target: str
    source: str
    outcome: str
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int


router = APIRouter(dependencies=[Depends(requires_access_asset(method="GET"))])

Limit = Annotated[int, Query(ge=1, le=1000)]
Contains = Annotated[str, Query(max_length=400)]


def _readable(user: GetUserDep) -> PermittedAssetEventFilter:
    """Return what leaves only events that the user may see, as Airflow's own list of them does."""
    return PermittedAssetEventFilter(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


Readable = Annotated[PermittedAssetEventFilter, Depends(_readable)]


@router.get("/promotions.json")
def list_promotions(
    session: SessionDep, readable: Readable, limit: Limit = 100, contains: Contains = ""
) -> list[PromotionEvent]:
    """Return the newest promotions first.

    :param limit: how many at most.
    :param contains: only targets whose repository or image holds this text.
    """
    return _promotions(session, readable, limit=limit, contains=contains)


@router.get("/promotions")
def show_promotions(
    session: SessionDep, readable: Readable, limit: Limit = 100, contains: Contains = ""
) -> HTMLResponse:
    """Show the newest promotions first."""
    airflow = (conf.get("api", "base_url", fallback=None) or "").rstrip("/")
    nonce = token_urlsafe()
    page = _templates.get_template("promotions.html").render(
        promotions=_promotions(session, readable, limit=limit, contains=contains),
        contains=contains,
        limit=limit,
        airflow=airflow,
        nonce=nonce,
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY.format(nonce=nonce)})


def _promotions(
    session: Session, readable: PermittedAssetEventFilter, *, limit: int, contains: str
) -> list[PromotionEvent]:
    query = readable.to_orm(
        select(AssetEvent, AssetModel.uri)
        .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        .where(AssetModel.uri.startswith(f"{SCHEME}://", autoescape=True))
        .order_by(AssetEvent.timestamp.desc(), AssetEvent.id.desc())
        .limit(limit)
    )
    if contains:
        query = query.where(AssetModel.uri.contains(contains, autoescape=True))
    return [_promotion(event, uri, record) for event, uri in session.execute(query) for record in _records(event.extra)]


def _records(extra: Any) -> list[dict[str, Any]]:
    """Return the records that an event holds; one that somebody else has emitted may carry anything."""
    found = extra.get("promotions") if isinstance(extra, dict) else None
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else [{}]


def _promotion(event: AssetEvent, uri: str, record: dict[str, Any]) -> PromotionEvent:
    return PromotionEvent(
        timestamp=event.timestamp,
        target=_reference(record.get("target")) or uri.removeprefix(f"{SCHEME}://"),
        source=_reference(record.get("source")),
        outcome=str(record.get("outcome", "")),
        dag_id=event.source_dag_id,
        run_id=event.source_run_id,
        task_id=event.source_task_id,
        map_index=-1 if event.source_map_index is None else event.source_map_index,
    )


def _reference(described: Any) -> str:
    return str(described.get("reference", "")) if isinstance(described, dict) else ""
