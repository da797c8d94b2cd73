"""The JSON API of the board: a page of rows, filtered on the server, limited to what the user may read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.board.states import COUNTED
from artifactory_provider.links.artifactory import image_url
from artifactory_provider.web.airflow_internals import REQUIRES_ASSET_ACCESS, ReadableDagsDep, find_dags_folder
from artifactory_provider.web.board.models import Board, Cell, Gate, Ladder, LadderStage, Row
from artifactory_provider.web.board.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from artifactory_provider.board.findings import CellFinding, GateFinding, RowFinding
    from artifactory_provider.web.board.snapshots import Snapshot

Text = Annotated[str, Query(max_length=400)]
Name = Annotated[str, Query(max_length=250)]
_ANY_STATE = f"^({'|'.join(COUNTED)}|)$"

snapshots = Snapshots(lambda: Path(find_dags_folder(), "pipelines"))
router = APIRouter(dependencies=[REQUIRES_ASSET_ACCESS])


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
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Query(ge=1, le=500)] = 100
    refresh: bool = False


WantedDep = Annotated[WantedRows, Depends()]


@router.get("/board.json")
def show_board(wanted: WantedDep, readable: ReadableDagsDep) -> Board:
    """Return a page of the board; it never waits for Artifactory."""
    snapshot, is_refreshing = snapshots.get(refresh=wanted.refresh)
    seen = [row for row in snapshot.rows if row.pipeline.name in readable]
    met = [row for row in seen if _meets(row, wanted)]
    counts = dict.fromkeys(COUNTED, 0)
    for row in met:
        for state in row.states:
            counts[state] += 1
    found = [row for row in met if not wanted.state or wanted.state in row.states]
    favourites = frozenset(filter(None, wanted.images.split(",")))
    found.sort(key=lambda row: row.image not in favourites)  # all else stays in its order
    ladders = [pipeline for pipeline in snapshot.pipelines if pipeline.name in readable]
    return Board(
        as_of=snapshot.as_of,
        is_refreshing=is_refreshing,
        trouble=snapshot.trouble,
        ladders=[
            Ladder(
                name=one.name,
                title=one.title or one.name,
                owner=one.owner,
                stages=[
                    LadderStage(name=stage.name, repository=stage.repository, connection=one.connection)
                    for stage in one.stages
                ],
            )
            for one in ladders
        ],
        owners=sorted({one.owner for one in ladders}),
        counts=counts,
        stops=[],
        found=len(found),
        start=wanted.start,
        rows=_show_rows(found[wanted.start : wanted.start + wanted.limit], snapshot),
    )


def _meets(row: RowFinding, wanted: WantedRows) -> bool:
    if wanted.ladder not in {"", row.pipeline.name} or wanted.owner not in {"", row.pipeline.owner}:
        return False
    words = wanted.q.casefold().split()
    text = " ".join([row.image, *(f"{cell.shown.tag} {cell.shown.digest}" for cell in row.cells if cell.shown)])
    return all(word in text.casefold() for word in words)


def _show_rows(rows: Iterable[RowFinding], snapshot: Snapshot) -> list[Row]:
    return [
        Row(
            image=row.image,
            ladder=row.pipeline.name,
            owner=row.pipeline.owner,
            cells=[_show_cell(row, level, cell, snapshot) for level, cell in enumerate(row.cells)],
            gates=_show_gates(row, row.gates),
        )
        for row in rows
    ]


def _show_cell(row: RowFinding, level: int, cell: CellFinding, snapshot: Snapshot) -> Cell:
    stage, shown = row.pipeline.stages[level], cell.shown
    base = snapshot.base_urls.get(row.pipeline.connection)
    return Cell(
        stage=stage.name,
        repository=stage.repository,
        tag=shown.tag if shown else None,
        digest=shown.digest if shown else None,
        updated=shown.updated if shown else None,
        state=cell.state,
        word=cell.word,
        reason=cell.reason,
        behind=cell.behind,
        by=None,
        pushed_by=None,
        tags=cell.tags,
        url=image_url(base, ImageReference(stage.repository, row.image, shown.tag)) if base and shown else "",
    )


def _show_gates(row: RowFinding, gates: Sequence[GateFinding]) -> list[Gate]:
    stages = row.pipeline.stages
    return [
        Gate(
            from_stage=lower.name,
            to=upper.name,
            state=gate.state,
            word=gate.word,
            reason=gate.reason,
            since=gate.since,
            until=gate.until,
            link=None,
            may_answer=[],
            tag=gate.source.tag if gate.source else None,
            target_tag=gate.target.tag if gate.target else None,
            digest=gate.source.digest if gate.source else None,
        )
        for lower, upper, gate in zip(stages, stages[1:], gates, strict=False)
    ]
