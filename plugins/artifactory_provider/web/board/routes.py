"""The JSON API of the board: pages of rows, filtered on the server, limited to what the user may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Response

from artifactory_provider.board.states import COUNTED
from artifactory_provider.web.airflow_internals import REQUIRES_ASSET_ACCESS, SessionDep, UserDep
from artifactory_provider.web.board import demand, images, stages, waiting
from artifactory_provider.web.board.access import (
    ANSWER_HEADERS,
    Limit,
    Name,
    RightsDep,
    Start,
    Text,
    split_words,
    view_board,
)
from artifactory_provider.web.board.actions import find_actions
from artifactory_provider.web.board.models import Actions, Board
from artifactory_provider.web.board.showing import show_ladder, show_row, show_stop
from artifactory_provider.web.board.views import count

if TYPE_CHECKING:
    from artifactory_provider.web.board.views import SeenRow, View

Ladders = Annotated[Sequence[Name], Query(max_length=500)]
DagIds = Annotated[Sequence[Name], Query(max_length=20)]
_ANY_STATE = f"^({'|'.join(COUNTED)}|)$"


def set_headers(response: Response) -> None:
    """Keep what one user may see out of shared caches, and JSON from being taken for anything else."""
    response.headers.update(ANSWER_HEADERS)


router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS, Depends(set_headers)])
router.include_router(stages.router)
router.include_router(images.router)
router.include_router(waiting.router)
router.include_router(demand.router)


@dataclass(frozen=True, kw_only=True)
class WantedRows:
    """Which rows are asked for: those that meet all conditions.

    :param ladder: the ladder's name; empty for all.
    :param owner: whose they are; empty for all.
    :param state: a state that one of their cells or gates is in; empty for any.
    :param q: words, each of which stands in image, tag, digest, run or person.
    :param images: favourites, separated by commas: these come first.
    :param start: how many are passed over.
    :param limit: how many at most.
    :param refresh: whether the registry is to be looked at anew.
    """

    ladder: Name = ""
    owner: Name = ""
    state: Annotated[str, Query(pattern=_ANY_STATE)] = ""
    q: Text = ""
    images: Annotated[str, Query(max_length=8000)] = ""
    start: Start = 0
    limit: Limit = 100
    refresh: bool = False


WantedDep = Annotated[WantedRows, Depends()]


@router.get("/board.json", response_model=Board)
def show_board(wanted: WantedDep, rights: RightsDep) -> Response:
    """Return a page of the board; it never waits for Artifactory."""
    view, is_refreshing = view_board(rights, refresh=wanted.refresh)
    body = view.remember(
        (replace(wanted, refresh=False), is_refreshing),
        lambda: _make_board(view, wanted, is_refreshing=is_refreshing).model_dump_json(by_alias=True).encode(),
    )
    return Response(body, media_type="application/json", headers=ANSWER_HEADERS)


def _make_board(view: View, wanted: WantedRows, *, is_refreshing: bool) -> Board:
    met, counts = _find(view, wanted)
    found = [row for row in met if wanted.state in row.states] if wanted.state else met
    favourites = frozenset(filter(None, wanted.images.split(",")))
    if favourites:
        found = sorted(found, key=lambda row: row.finding.image not in favourites)  # all else stays in its order
    snapshot = view.snapshot
    return Board(
        as_of=snapshot.as_of,
        is_refreshing=is_refreshing,
        trouble=snapshot.trouble,
        ladders=[show_ladder(one, snapshot) for one in view.pipelines],
        owners=sorted({one.owner for one in view.pipelines}),
        counts=counts,
        stops=[show_stop(order) for order in snapshot.stops],
        found=len(found),
        start=wanted.start,
        rows=[show_row(row, snapshot) for row in found[wanted.start : wanted.start + wanted.limit]],
    )


@router.get("/board/actions.json")
def show_actions(
    user: UserDep, session: SessionDep, rights: RightsDep, ladder: Ladders = (), dag: DagIds = ()
) -> Actions:
    """Return what the user may do: runs of ladders and what concerns their tasks, where some are named.

    :param ladder: the ladders' names.
    :param dag: other DAGs whose tasks are meant.
    """
    view, _ = view_board(rights)
    meant = [one for one in view.pipelines if one.name in ladder]
    others = [one for one in dag if one in rights.dags]
    return Actions(actions=find_actions(session, user, meant, others), user=str(user.get_name()))


def _find(view: View, wanted: WantedRows) -> tuple[list[SeenRow], dict[str, int]]:
    """Return the rows that meet all conditions but that of their states, and how many are in each state."""
    words = split_words(wanted.q)
    if not (wanted.ladder or wanted.owner or words):
        return view.rows, view.counts
    texts = view.texts if words else [""] * len(view.rows)
    met = [
        row
        for row, text in zip(view.rows, texts, strict=True)
        if wanted.ladder in {"", row.finding.pipeline.name}
        and wanted.owner in {"", row.finding.pipeline.owner}
        and all(word in text for word in words)
    ]
    return met, count(met)
