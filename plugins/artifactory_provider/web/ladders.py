"""The tab of a DAG run that shows its images on their way through the stages: where each is, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from artifactory_provider.pipelines.standing import ENDED, ReadReport
from artifactory_provider.tasks.ladders import LADDER
from artifactory_provider.web import pages
from artifactory_provider.web.airflow_internals import (
    REQUIRES_XCOM_ACCESS,
    SessionDep,
    XComsUnreadable,
    find_run,
    read_xcoms,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from artifactory_provider.pipelines.standing import Row

_MOST_TASKS = 20
_ORDER = ("failed", "late", "refused", "waiting", "climbing", "superseded", "arrived")
"""What needs somebody comes first."""

Text = Annotated[str, Query(max_length=400)]

router = APIRouter(dependencies=[REQUIRES_XCOM_ACCESS])


@dataclass(frozen=True, kw_only=True)
class WantedImages:
    """Which images of a run are asked for.

    :param q: a text that stands in the image, its tag, its digest or the reason.
    :param standing: how they stand; empty for all.
    :param start: how many are passed over.
    :param limit: how many at most.
    """

    q: Text = ""
    standing: Annotated[str, Query(pattern=f"^({'|'.join(_ORDER)}|)$")] = ""
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Query(ge=1, le=1000)] = 200

    def query(self, **changes: Any) -> str:
        """Return it as a query string, without what is not asked for.

        :param changes: other values.
        """
        asked = {**vars(self), **changes}
        return urlencode({name: value for name, value in asked.items() if value and (name, value) != ("limit", 200)})


class ShownImage(BaseModel):
    """Where one image stands.

    :param image: the image name.
    :param tag: its tag in the stage; empty where none was found.
    :param digest: the first 12 hex of its digest.
    :param stage: the name of the stage.
    :param standing: what becomes of it.
    :param reason: what it waits for, or why it has ended.
    :param since: since when it stands there for this run, ISO 8601.
    """

    image: str
    tag: str
    digest: str
    stage: str
    standing: str
    reason: str
    since: str


class Images(BaseModel):
    """Where the images of a run stand.

    :param stages: the names of the stages.
    :param counts: how many stand how, of all images.
    :param found: how many meet the conditions.
    :param images: those of the page.
    """

    stages: list[str]
    counts: dict[str, int]
    found: int
    images: list[ShownImage]


WantedDep = Annotated[WantedImages, Depends()]


@router.get("/ladders/{dag_id}/{run_id}.json")
def list_images(dag_id: str, run_id: str, session: SessionDep, wanted: WantedDep) -> Images:
    """Return where the images of a run stand.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    if find_run(session, dag_id=dag_id, run_id=run_id) is None:
        raise HTTPException(404, "There is no such run.")
    try:
        stages, rows = _look_up(session, dag_id, run_id)
    except XComsUnreadable as error:
        raise HTTPException(503, f"What the tasks have handed on cannot be read: {error}") from error
    chosen = _choose(rows, wanted)
    page = chosen[wanted.start : wanted.start + wanted.limit]
    return Images(
        stages=list(stages), counts=_count(rows), found=len(chosen), images=[_show(row, stages) for row in page]
    )


@router.get("/ladders/{dag_id}/{run_id}", response_class=HTMLResponse)
def show_images(dag_id: str, run_id: str, request: Request, session: SessionDep, wanted: WantedDep) -> HTMLResponse:
    """Show where the images of a run stand, what needs somebody first.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    run = find_run(session, dag_id=dag_id, run_id=run_id)
    if run is None:
        raise HTTPException(404, "There is no such run.")
    stages: tuple[str, ...] = ()
    rows: list[Row] = []
    unreadable = ""
    try:
        stages, rows = _look_up(session, dag_id, run_id)
    except XComsUnreadable as error:
        unreadable = str(error)
    chosen = _choose(rows, wanted)
    end = wanted.start + wanted.limit
    return pages.show(
        "ladder.html",
        request,
        stages=stages,
        counts={name: count for name, count in _count(rows).items() if count},
        total=len(rows),
        found=len(chosen),
        rows=[(row, _show(row, stages)) for row in chosen[wanted.start : end]],
        ended=ENDED,
        wanted=wanted,
        older=end if end < len(chosen) else None,
        unreadable=unreadable,
        is_over=run.state in {"success", "failed"},
    )


def _look_up(session: Session, dag_id: str, run_id: str) -> tuple[tuple[str, ...], list[Row]]:
    """Return the stages, and each image once: where the last task has it that has taken it up.

    :raises XComsUnreadable: where what the tasks have handed on cannot be read.
    """
    stages: tuple[str, ...] = ()
    found: dict[tuple[str, str], Row] = {}
    for told in read_xcoms(session, dag_id=dag_id, run_id=run_id, key=LADDER, limit=_MOST_TASKS):
        try:
            report = ReadReport.from_dict(told)
        except ValueError as error:
            raise XComsUnreadable(str(error)) from error
        stages = report.stages
        for row in report.rows:
            known = found.get((row.image, row.digest))
            if known is None or row.level >= known.level:
                found[row.image, row.digest] = row
    return stages, sorted(found.values(), key=lambda row: (_ORDER.index(row.standing), row.image, row.tag))


def _choose(rows: Iterable[Row], wanted: WantedImages) -> list[Row]:
    text = wanted.q.strip().casefold()
    return [
        row
        for row in rows
        if wanted.standing in {"", row.standing}
        and text in f"{row.image}:{row.tag} {row.digest} {row.reason}".casefold()
    ]


def _count(rows: Iterable[Row]) -> dict[str, int]:
    counts = dict.fromkeys(_ORDER, 0)
    for row in rows:
        counts[row.standing] += 1
    return counts


def _show(row: Row, stages: tuple[str, ...]) -> ShownImage:
    return ShownImage(
        image=row.image,
        tag=row.tag,
        digest=row.digest,
        stage=stages[row.level],
        standing=row.standing,
        reason=row.reason,
        since=row.since.isoformat(timespec="seconds"),
    )
