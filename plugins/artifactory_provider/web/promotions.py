"""The page that shows what was promoted, where to, and by which run.

The history is Airflow's own: promotions are events on their targets' assets. Nobody sees the promotions of a DAG that
they may not read; those that no DAG has made are for all who may read assets.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from artifactory_provider.tasks.assets import SCHEME
from artifactory_provider.web import pages
from artifactory_provider.web.airflow_internals import (
    REQUIRES_ASSET_ACCESS,
    EventFilterDep,
    MayReadRunsDep,
    SessionDep,
    list_asset_events,
    list_asset_uris,
)
from artifactory_provider.web.events import EventQuery
from artifactory_provider.web.history import HistoryEntry, RecordedPromotion, read_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

OUTCOMES = ("promoted", "unchanged")
_MOST_WORDS = 8
_MOST_OF_A_RUN = 25

Text = Annotated[str, Query(max_length=400)]
Name = Annotated[str, Query(max_length=250)]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which promotions are asked for: those that meet all conditions.

    :param q: words, each of which stands in image, tag, digest, source, DAG, run, or the name of who started it.
    :param repository: the target repository's key.
    :param outcome: ``promoted`` or ``unchanged``.
    :param dag: the DAG.
    :param run: its run.
    :param before: where a page ended that they are older than.
    :param limit: how many events at most; each has the promotions of one image by one task.
    """

    q: Text = ""
    repository: Name = ""
    outcome: Annotated[str, Query(pattern="^(|promoted|unchanged)$")] = ""
    dag: Name = ""
    run: Name = ""
    before: Annotated[str, Query(max_length=80)] = ""
    limit: Annotated[int, Query(ge=1, le=500)] = 50

    @property
    def words(self) -> Sequence[str]:
        """The words of ``q``, the first eight."""
        return self.q.split()[:_MOST_WORDS]

    def query(self, **changes: Any) -> str:
        """Return it as a query string, without what is not asked for.

        :param changes: other values.
        """
        asked = {**vars(self), **changes}
        return urlencode({name: value for name, value in asked.items() if value and (name, value) != ("limit", 50)})


class Page(BaseModel):
    """Promotions, the newest first.

    :param promotions: the promotions.
    :param older: ``before`` of the next page, if there may be one.
    """

    promotions: list[RecordedPromotion]
    older: str | None


router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])

WantedDep = Annotated[Wanted, Depends()]


@router.get("/promotions.json")
def list_promotions(
    session: SessionDep, event_filter: EventFilterDep, may_read_runs: MayReadRunsDep, wanted: WantedDep
) -> Page:
    """Return the newest promotions first, all of each run."""
    entries, older = _look_up(session, event_filter, wanted, may_read_runs=may_read_runs, most_of_a_run=None)
    return Page(promotions=[promotion for entry in entries for promotion in entry.promotions], older=older)


@router.get("/promotions", response_class=HTMLResponse)
def show_promotions(
    request: Request,
    session: SessionDep,
    event_filter: EventFilterDep,
    may_read_runs: MayReadRunsDep,
    wanted: WantedDep,
) -> HTMLResponse:
    """Show the newest promotions first, and of a run that has made very many only the newest."""
    most = None if wanted.run else _MOST_OF_A_RUN
    entries, older = _look_up(session, event_filter, wanted, may_read_runs=may_read_runs, most_of_a_run=most)
    uris = list_asset_uris(session, uri_start=f"{SCHEME}://")
    return pages.show(
        "promotions.html",
        request,
        entries=entries,
        older=older,
        wanted=wanted,
        outcomes=OUTCOMES,
        repositories=sorted({uri.removeprefix(f"{SCHEME}://").partition("/")[0] for uri in uris}),
    )


def _look_up(
    session: Session, event_filter: Any, wanted: Wanted, *, may_read_runs: bool, most_of_a_run: int | None
) -> tuple[list[HistoryEntry], str | None]:
    """Return a page's entries, and where the next one begins."""
    asked = EventQuery(
        uri_start=f"{SCHEME}://{wanted.repository}{'/' if wanted.repository else ''}",
        words=wanted.words,
        emitted=f'"{wanted.outcome}"' if wanted.outcome else "",
        dag_id=wanted.dag or None,
        run_id=wanted.run or None,
        before=_read_cursor(wanted.before),
        limit=wanted.limit + 1,
        most_of_a_run=most_of_a_run,
    )
    events = list_asset_events(session, event_filter, asked, may_read_runs=may_read_runs)
    shown = events[: wanted.limit]
    older = f"{shown[-1].timestamp.isoformat()}/{shown[-1].id}" if len(events) > len(shown) else None
    return read_entries(shown, words=wanted.words, outcome=wanted.outcome), older


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
    raise HTTPException(422, f"before is what 'older' of another page says, not {text!r}.")
