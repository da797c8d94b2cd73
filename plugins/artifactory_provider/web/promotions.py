"""The page that shows what was promoted, where to, and by which run.

The history is Airflow's own: every promotion is an event on its target's asset, with the record as its extra. Nobody
sees the promotions of a DAG that they may not read; those that no DAG has made are for all who may read assets.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader
from pydantic import AwareDatetime, BaseModel

from artifactory_provider.tasks.assets import SCHEME
from artifactory_provider.web.airflow_internals import (
    REQUIRES_ASSET_ACCESS,
    AssetEvent,
    EventFilterDep,
    SessionDep,
    airflow_url,
    list_asset_events,
)

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


router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])

Limit = Annotated[int, Query(ge=1, le=1000)]
Contains = Annotated[str, Query(max_length=400)]


@router.get("/promotions.json")
def list_promotions(
    session: SessionDep, event_filter: EventFilterDep, limit: Limit = 100, contains: Contains = ""
) -> list[PromotionEvent]:
    """Return the newest promotions first.

    :param limit: how many at most.
    :param contains: only targets whose repository or image holds this text.
    """
    return _promotions(session, event_filter, limit=limit, contains=contains)


@router.get("/promotions")
def show_promotions(
    session: SessionDep, event_filter: EventFilterDep, limit: Limit = 100, contains: Contains = ""
) -> HTMLResponse:
    """Show the newest promotions first."""
    nonce = token_urlsafe()
    page = _templates.get_template("promotions.html").render(
        promotions=_promotions(session, event_filter, limit=limit, contains=contains),
        contains=contains,
        limit=limit,
        airflow=airflow_url(),
        nonce=nonce,
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY.format(nonce=nonce)})


def _promotions(
    session: SessionDep, event_filter: EventFilterDep, *, limit: int, contains: str
) -> list[PromotionEvent]:
    events = list_asset_events(session, event_filter, uri_start=f"{SCHEME}://", contains=contains, limit=limit)
    return [_promotion(event, record) for event in events for record in _records(event.extra)]


def _records(extra: Any) -> list[dict[str, Any]]:
    """Return the records that an event holds; one that somebody else has emitted may carry anything."""
    found = extra.get("promotions") if isinstance(extra, dict) else None
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else [{}]


def _promotion(event: AssetEvent, record: dict[str, Any]) -> PromotionEvent:
    return PromotionEvent(
        timestamp=event.timestamp,
        target=_reference(record.get("target")) or event.uri.removeprefix(f"{SCHEME}://"),
        source=_reference(record.get("source")),
        outcome=str(record.get("outcome", "")),
        dag_id=event.dag_id,
        run_id=event.run_id,
        task_id=event.task_id,
        map_index=event.map_index,
    )


def _reference(described: Any) -> str:
    return str(described.get("reference", "")) if isinstance(described, dict) else ""
