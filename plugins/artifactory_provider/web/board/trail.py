"""The routes of the trail: the promotions into a stage in a time, from its images and from Airflow's events.

What stands in the stage is what the board knows of it; nobody learns more of it here than the board shows them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import Response, StreamingResponse

from artifactory_provider.audit.trail import COLUMNS, Period, TrailRow, make_trail
from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.web.airflow_internals import REQUIRES_ASSET_ACCESS, EventFilterDep, SessionDep
from artifactory_provider.web.board.access import (
    ANSWER_HEADERS,
    Moment,
    Name,
    RightsDep,
    find_stage,
    read_moment,
    view_board,
)
from artifactory_provider.web.trail.airflow_internals import TooManyEvents, find_makers, read_promotions

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.web.board.views import Rights

_ROWS_A_PART = 500


@dataclass(frozen=True, kw_only=True)
class WantedTrail:
    """Which promotions are asked for.

    :param repository: the repository key of the stage that they went to.
    :param start: not before this moment, such as ``2026-11-01T00:00+01:00``; without a zone, in UTC.
    :param before: before this moment.
    """

    repository: Name
    start: Annotated[str, Query(max_length=60, alias="from")] = ""
    before: Moment = ""


router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])

WantedDep = Annotated[WantedTrail, Depends()]


@router.get("/trail.json")
def send_json(session: SessionDep, event_filter: EventFilterDep, rights: RightsDep, wanted: WantedDep) -> Response:
    """Send the trail as a JSON document, in parts: when the images were looked at, and the promotions."""
    as_of, trouble, rows = _find(session, event_filter, rights, wanted)

    def parts() -> Iterator[str]:
        head = {"repository": wanted.repository, "as_of": _show(as_of), "trouble": trouble}
        yield f'{json.dumps(head)[:-1]}, "promotions": ['
        for start in range(0, len(rows), _ROWS_A_PART):
            documents = ",\n".join(json.dumps(row.as_dict()) for row in rows[start : start + _ROWS_A_PART])
            yield f"{',' if start else ''}\n{documents}"
        yield "\n]}\n"

    return StreamingResponse(parts(), media_type="application/json", headers=ANSWER_HEADERS)


@router.get("/trail.csv")
def send_csv(session: SessionDep, event_filter: EventFilterDep, rights: RightsDep, wanted: WantedDep) -> Response:
    """Send the trail as CSV, in parts; no cell is taken for a formula."""
    as_of, _, rows = _find(session, event_filter, rights, wanted)

    def parts() -> Iterator[str]:
        yield write_csv(COLUMNS, ())
        for start in range(0, len(rows), _ROWS_A_PART):
            cells = (tuple(row.as_dict().values()) for row in rows[start : start + _ROWS_A_PART])
            yield write_csv(COLUMNS, cells).partition("\n")[2]

    headers = {
        **ANSWER_HEADERS,
        "Content-Disposition": 'attachment; filename="trail.csv"',
        "X-As-Of": _show(as_of) or "",
    }
    return StreamingResponse(parts(), media_type="text/csv; charset=utf-8", headers=headers)


class _Found(NamedTuple):
    as_of: datetime.datetime | None
    trouble: str | None
    rows: Sequence[TrailRow]


def _find(session: Session, event_filter: Any, rights: Rights, wanted: WantedTrail) -> _Found:
    """Return the trail as a user may see it.

    :raises HTTPException: when there is no such stage, the time is none, or the images were not looked at yet.
    """
    view, _ = view_board(rights)
    place = find_stage(view, wanted.repository)
    stock = view.snapshot.find_stock(place)
    survey = stock.survey(wanted.repository) if stock else None
    if survey is None:
        reason = view.snapshot.trouble or "They are looked at now: ask again in some seconds."
        raise HTTPException(503, f"What stands in the stage is not known. {reason}", {"Retry-After": "5"})
    as_of = view.snapshot.times.get(place.connection)
    meant = [one.images for one in view.ladders_at(place)]

    def was_read(image: str) -> bool:
        return any(patterns.match(image.partition("/")[2]) for patterns in meant)

    try:
        period = Period(read_moment(wanted.start, "from"), read_moment(wanted.before, "before"))
        period = period.known_at(as_of)
        rows = make_trail(
            (tag for tag in survey if was_read(f"{tag.place.repository}/{tag.place.image}")),
            read_promotions(session, event_filter, wanted.repository, period, may_read_runs=rights.runs),
            period=period,
            find_makers=lambda runs: find_makers(session, runs, readable_dags=rights.dags, may_read_runs=rights.runs),
            was_read=was_read,
        )
    except TooManyEvents as error:
        raise HTTPException(413, str(error)) from error
    return _Found(as_of, view.snapshot.trouble, rows)


def _show(moment: datetime.datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
