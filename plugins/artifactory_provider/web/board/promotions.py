"""What was promoted, where to, and by which run: a page of the board shows it, and others have it as JSON and as CSV.

The history is Airflow's own: promotions are events on their targets' assets. Nobody sees the promotions of a DAG that
they may not read; those that no DAG has made are for all who may read assets.
"""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from artifactory_provider.promotion.csv_text import write_csv
from artifactory_provider.tasks.assets import SCHEME
from artifactory_provider.web import pages
from artifactory_provider.web.airflow_internals import (
    REQUIRES_ASSET_ACCESS,
    EventFilterDep,
    MayReadRunsDep,
    SessionDep,
    list_asset_events,
    list_asset_places,
)
from artifactory_provider.web.board.access import ANSWER_HEADERS, Moment, Name, Text, read_moment, split_words
from artifactory_provider.web.events import EventQuery
from artifactory_provider.web.history import RecordedPromotion, read_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.web.events import AssetEvent
    from artifactory_provider.web.history import HistoryEntry

COLUMNS = tuple(RecordedPromotion.model_fields)
_PAGE = "/plugin/board/history"
_MOST_OF_A_RUN = 25
_MOST_OF_AN_IMAGE = 20
_EVENTS_A_QUERY = 1000
_MOST_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which promotions are asked for: those that meet all conditions.

    :param q: words, each of which stands in image, tag, digest, source, DAG, run, or the name of who started it.
    :param repository: the target repository's key.
    :param outcome: ``promoted`` or ``unchanged``.
    :param dag: the DAG.
    :param run: its run.
    :param start: not before this moment, such as ``2026-11-01T00:00+01:00``; without a zone, in UTC.
    :param before: before this moment.
    """

    q: Text = ""
    repository: Name = ""
    outcome: Annotated[str, Query(pattern="^(|promoted|unchanged)$")] = ""
    dag: Name = ""
    run: Name = ""
    start: Annotated[str, Query(max_length=60, alias="from")] = ""
    before: Moment = ""

    @property
    def words(self) -> Sequence[str]:
        """The words of ``q``, the first eight."""
        return split_words(self.q)


@dataclass(frozen=True, kw_only=True)
class WantedPage:
    """Which page of them.

    :param older: where a page ended that they are older than, as it says.
    :param limit: how many events at most; each has the promotions of one image by one task.
    :param brief: whether only the newest 25 events of a run are listed, where none is asked for, and the first 20
        promotions of an event.
    """

    older: Annotated[str, Query(max_length=80)] = ""
    limit: Annotated[int, Query(ge=1, le=500)] = 50
    brief: bool = False


class PromotionGroup(BaseModel):
    """The promotions of one image by one task: an event of Airflow's.

    :param event: the event's number.
    :param image: ``repository/image``.
    :param listed: how many of them are listed; the next group's come after them.
    :param outcomes: how many of them there are of each outcome, those that are not listed counted.
    :param left_out: how many more events of the same run there are, where those after it are not listed.
    """

    event: int
    image: str
    listed: int
    outcomes: dict[str, int]
    left_out: int


class PromotionPage(BaseModel):
    """Promotions, the newest first.

    :param promotions: the promotions.
    :param groups: the events that tell of them, in their order.
    :param repositories: the repositories that anything was promoted into.
    :param older: where it ends, for the next page; None where there is none.
    """

    promotions: list[RecordedPromotion]
    groups: list[PromotionGroup]
    repositories: list[str]
    older: str | None


router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])

WantedDep = Annotated[Wanted, Depends()]
WantedPageDep = Annotated[WantedPage, Depends()]


@router.get("/promotions.json")
def list_promotions(
    response: Response,
    session: SessionDep,
    event_filter: EventFilterDep,
    may_read_runs: MayReadRunsDep,
    wanted: WantedDep,
    page: WantedPageDep,
) -> PromotionPage:
    """Return a page of promotions, the newest first."""
    response.headers.update(ANSWER_HEADERS)
    entries, older = _find_page(session, event_filter, wanted, page, may_read_runs=may_read_runs)
    most = _MOST_OF_AN_IMAGE if page.brief else None
    return PromotionPage(
        promotions=[promotion for entry in entries for promotion in entry.promotions[:most]],
        groups=[
            PromotionGroup(
                event=entry.event.id,
                image=entry.image,
                listed=len(entry.promotions[:most]),
                outcomes=Counter(promotion.outcome for promotion in entry.promotions),
                left_out=entry.event.left_out,
            )
            for entry in entries
        ],
        repositories=list_asset_places(session, uri_start=f"{SCHEME}://"),
        older=older,
    )


@router.get("/promotions.csv")
def send_csv(
    session: SessionDep, event_filter: EventFilterDep, may_read_runs: MayReadRunsDep, wanted: WantedDep
) -> Response:
    """Send all promotions that are asked for as CSV, the newest first; no cell is taken for a formula."""
    parts, rows = [write_csv(COLUMNS, ())], 0
    page = WantedPage(limit=_EVENTS_A_QUERY)
    for entries, _ in _go_through(session, event_filter, wanted, page, may_read_runs=may_read_runs):
        for entry in entries:
            rows += len(entry.promotions)
            if rows > _MOST_ROWS:
                raise HTTPException(413, f"There are more than {_MOST_ROWS:,} such promotions: ask for a shorter time.")
            parts.append(write_csv(COLUMNS, map(_as_cells, entry.promotions)).partition("\n")[2])
    headers = {**ANSWER_HEADERS, "Content-Disposition": 'attachment; filename="promotions.csv"'}
    return Response("".join(parts), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/promotions", response_class=RedirectResponse)
def lead_to_history(request: Request) -> RedirectResponse:
    """Lead on to the board's page, which asks for the same by the same names.

    Where an address of the page that was here before says ``before``, it means where a page ended.
    """
    asked = [("older" if name == "before" else name, value) for name, value in request.query_params.multi_items()]
    query = f"?{urlencode(asked)}" if asked else ""
    return RedirectResponse(f"{pages.airflow_path(request)}{_PAGE}{query}", headers=ANSWER_HEADERS)


def _as_cells(promotion: RecordedPromotion) -> tuple[object, ...]:
    """Return the cells of a promotion's row; the index of a task that is not mapped is none."""
    told = promotion.model_dump(mode="json")
    return tuple((told | {"map_index": told["map_index"] if promotion.map_index >= 0 else None}).values())


def _find_page(
    session: Session, event_filter: Any, wanted: Wanted, page: WantedPage, *, may_read_runs: bool
) -> tuple[list[HistoryEntry], str | None]:
    """Return a page's entries, and where the next one begins: of what there is, none is empty."""
    for entries, older in _go_through(session, event_filter, wanted, page, may_read_runs=may_read_runs):
        if found := list(entries):
            shown = found[: page.limit]
            return shown, older if len(shown) == len(found) else _cursor_of(shown[-1].event)
    return [], None


def _go_through(
    session: Session, event_filter: Any, wanted: Wanted, page: WantedPage, *, may_read_runs: bool
) -> Iterator[tuple[Iterator[HistoryEntry], str | None]]:
    """Yield the entries of one page after the other, and where the next one begins.

    The database finds words in all that was emitted, the names of its fields among it: a page may be left with nothing.
    """
    while True:
        entries, older = _look_up(session, event_filter, wanted, page, may_read_runs=may_read_runs)
        yield entries, older
        if older is None:
            return
        session.expunge_all()  # What was read of thousands of events is not kept.
        page = replace(page, older=older, limit=_EVENTS_A_QUERY)


def _look_up(
    session: Session, event_filter: Any, wanted: Wanted, page: WantedPage, *, may_read_runs: bool
) -> tuple[Iterator[HistoryEntry], str | None]:
    """Return a page's entries, each read when it is asked for, and where the next one begins."""
    asked = EventQuery(
        uri_start=f"{SCHEME}://{wanted.repository}{'/' if wanted.repository else ''}",
        words=wanted.words,
        emitted=f'"{wanted.outcome}"' if wanted.outcome else "",
        dag_id=wanted.dag or None,
        run_id=wanted.run or None,
        since=read_moment(wanted.start, "from"),
        until=read_moment(wanted.before, "before"),
        older_than=_read_cursor(page.older),
        limit=page.limit + 1,
        most_of_a_run=_MOST_OF_A_RUN if page.brief and not wanted.run else None,
    )
    events = list_asset_events(session, event_filter, asked, may_read_runs=may_read_runs)
    shown = events[: page.limit]
    older = _cursor_of(shown[-1]) if len(events) > len(shown) else None
    entries = (read_entries([event], words=wanted.words, outcome=wanted.outcome) for event in shown)
    return chain.from_iterable(entries), older


def _cursor_of(event: AssetEvent) -> str:
    return f"{event.timestamp.isoformat()}/{event.id}"


def _read_cursor(text: str) -> tuple[datetime.datetime, int] | None:
    """Return where a page ended, as ``older`` says it.

    :raises HTTPException: when it is nothing of the kind.
    """
    if not text:
        return None
    moment, _, number = text.rpartition("/")
    try:
        if number.isdecimal() and len(number) < 19:
            return datetime.datetime.fromisoformat(moment).astimezone(datetime.UTC), int(number)
    except (ValueError, OverflowError):
        pass
    raise HTTPException(422, f"older is what 'older' of another page says, not {text!r}.")
