"""The JSON API of the board: pages of rows, filtered on the server, limited to what the user may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Response

from artifactory_provider.web.airflow_internals import REQUIRES_ASSET_ACCESS, SessionDep, UserDep
from artifactory_provider.web.board import demand, images, stages, waiting
from artifactory_provider.web.board.access import ANSWER_HEADERS, Name, RightsDep, view_board
from artifactory_provider.web.board.actions import find_actions
from artifactory_provider.web.board.models import Actions, Board
from artifactory_provider.web.board.searching import WantedRows, search_rows, show_changes, show_met
from artifactory_provider.web.board.showing import show_ladder, show_row, show_stop

if TYPE_CHECKING:
    from artifactory_provider.web.board.views import View

Ladders = Annotated[Sequence[Name], Query(max_length=500)]
DagIds = Annotated[Sequence[Name], Query(max_length=20)]


def set_headers(response: Response) -> None:
    """Keep what one user may see out of shared caches, and JSON from being taken for anything else."""
    response.headers.update(ANSWER_HEADERS)


router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS, Depends(set_headers)])
router.include_router(stages.router)
router.include_router(images.router)
router.include_router(waiting.router)
router.include_router(demand.router)


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
    found, snapshot = search_rows(view, wanted), view.snapshot
    return Board(
        as_of=snapshot.as_of,
        is_refreshing=is_refreshing,
        trouble=snapshot.trouble,
        ladders=[show_ladder(one, snapshot) for one in view.pipelines],
        owners=sorted({one.owner for one in view.pipelines}),
        counts=found.counts,
        since=found.since,
        changed=found.changed,
        stops=[show_stop(order) for order in snapshot.stops],
        found=len(found.rows),
        start=wanted.start,
        rows=[
            show_row(row, snapshot, met=show_met(view, row, wanted.q), changes=show_changes(view, row, wanted.since))
            for row in found.rows[wanted.start : wanted.start + wanted.limit]
        ],
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
