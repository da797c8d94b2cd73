"""What the tab of a DAG run shows of its images on their way through the stages: where each is, what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads it
from pydantic import BaseModel

from artifactory_provider.pipelines.standing import ReadReport
from artifactory_provider.tasks.ladders import LADDER
from artifactory_provider.web.airflow_internals import REQUIRES_XCOM_ACCESS, SessionDep
from artifactory_provider.web.airflow_xcoms import XComsUnreadable, read_xcoms
from artifactory_provider.web.board.models import BoardAnswer
from artifactory_provider.web.runs import find_known_run, say_unreadable, send_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from artifactory_provider.pipelines.standing import Row
    from artifactory_provider.web.airflow_internals import Run

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


class ShownImage(BoardAnswer):
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
    :param is_over: whether the run has ended, so that nothing more changes.
    :param images: those of the page, what needs somebody first.
    """

    stages: list[str]
    counts: dict[str, int]
    found: int
    is_over: bool
    images: list[ShownImage]


WantedDep = Annotated[WantedImages, Depends()]


@router.get("/ladders/{dag_id}/{run_id}.json")
def list_images(dag_id: str, run_id: str, session: SessionDep, wanted: WantedDep) -> Images:
    """Return where the images of a run stand, what needs somebody first.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    run, stages, rows = _find(session, dag_id, run_id)
    chosen = _choose(rows, wanted)
    page = chosen[wanted.start : wanted.start + wanted.limit]
    return Images(
        stages=list(stages),
        counts=_count(rows),
        found=len(chosen),
        is_over=run.is_over,
        images=[_show(row, stages) for row in page],
    )


@router.get("/ladders/{dag_id}/{run_id}.csv")
def write_images(dag_id: str, run_id: str, session: SessionDep, wanted: WantedDep) -> Response:
    """Return all of them that are asked for as CSV.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    _, stages, rows = _find(session, dag_id, run_id)
    shown = (_show(row, stages) for row in _choose(rows, wanted))
    return send_rows(ShownImage, shown, name="images")


def _find(session: Session, dag_id: str, run_id: str) -> tuple[Run, tuple[str, ...], list[Row]]:
    """Return a run, its stages and its images.

    :raises HTTPException: where there is no such run, or what its tasks have handed on cannot be read.
    """
    run = find_known_run(session, dag_id, run_id)
    try:
        return run, *_look_up(session, dag_id, run_id)
    except XComsUnreadable as error:
        raise say_unreadable(error) from error


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
