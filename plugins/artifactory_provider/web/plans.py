"""The tab of a DAG run that shows its plan, and after the run what became of it: row by row, and in words.

Both are what tasks of the run have handed on; whatever stands in them stays text.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads it
from pydantic import BaseModel

from artifactory_provider.tasks.handover import COUNTS, DRY_RUN, PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY
from artifactory_provider.tasks.plan_rows import ENDINGS, ENDS, KINDS, PlanEnd, PlanKind, PlanRow, read_rows
from artifactory_provider.web.airflow_internals import REQUIRES_XCOM_ACCESS, SessionDep, UserDep, may_trigger
from artifactory_provider.web.airflow_xcoms import XComsUnreadable, read_rows_of_plans, read_xcoms
from artifactory_provider.web.board.models import BoardAnswer
from artifactory_provider.web.markdown import Block, read_blocks
from artifactory_provider.web.runs import find_known_run, say_unreadable, send_rows
from artifactory_provider.web.texts import make_sendable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from artifactory_provider.web.airflow_internals import Run

_MOST_TASKS = 10
_MOST_PARTS = 3000
_MOST_ENDS = 1100

router = APIRouter(dependencies=[REQUIRES_XCOM_ACCESS])


@dataclass(frozen=True, kw_only=True)
class WantedPlanRows:
    """Which rows of a run's plans are asked for.

    :param q: a text that stands in source, target, digests or reasons.
    :param kind: what the plan says of them; empty for all.
    :param end: what became of them; empty for all.
    :param start: how many are passed over.
    :param limit: how many at most; in CSV, all are sent.
    """

    q: Annotated[str, Query(max_length=400)] = ""
    kind: Annotated[str, Query(pattern=f"^({'|'.join(KINDS)}|)$")] = ""
    end: Annotated[str, Query(pattern=f"^({'|'.join(ENDINGS)}|)$")] = ""
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Query(ge=1, le=1000)] = 200


class ShownPlanRow(BoardAnswer):
    """One row of a plan.

    :param source: repository, image and tag; in a plan of deletions, the tag that is meant.
    :param target: what it becomes: repository, image and tag; in a plan of deletions, nothing.
    :param digest: its digest; empty where there is none.
    :param kind: what the plan says of it.
    :param current: the digest that the target showed, where that was another one.
    :param reason: why, where the kind alone does not say it.
    :param end: what became of it; empty where nothing was to be done, or nothing was done, as in a dry run.
    :param why: why it ended so.
    """

    source: str
    target: str
    digest: str
    kind: PlanKind
    current: str
    reason: str
    end: PlanEnd | Literal[""]
    why: str


class PlanRows(BaseModel):
    """What a run plans, and what became of it, row by row.

    :param counts: how many rows there are of each kind, of all of them.
    :param ends: how many have come to each end, of those that have one.
    :param left_out: how many of the plan are not listed.
    :param found: how many meet the conditions.
    :param is_over: whether the run has ended, so that nothing more changes.
    :param rows: those of the page, what somebody has to see to first.
    """

    counts: dict[PlanKind, int]
    ends: dict[PlanEnd, int]
    left_out: int
    found: int
    is_over: bool
    rows: list[ShownPlanRow]


class FormField(BoardAnswer):
    """A field of a run's form.

    :param title: its title.
    :param value: its value as people write it there: lists with one entry a line.
    """

    title: str
    value: str


class RunForReal(BaseModel):
    """What it takes to run a dry run's form for real.

    :param fields: the form as it was, with what was seen where it has fields for that.
    :param conf: what the run is started with.
    :param is_pinned: whether the run does what was seen, or nothing.
    """

    fields: list[FormField]
    conf: dict[str, Any]
    is_pinned: bool


class PlanWords(BaseModel):
    """What tasks say in words of a run's plan.

    :param problems: why there is no plan.
    :param reports: what became of it.
    :param plans: what is planned.
    :param unreadable: why some of it cannot be read; empty where all can.
    :param is_over: whether the run has ended, so that nothing more changes.
    :param for_real: how to run a dry run's form for real; None where that makes no sense, or the user may not.
    """

    problems: list[str]
    reports: list[list[Block]]
    plans: list[list[Block]]
    unreadable: str
    is_over: bool
    for_real: RunForReal | None


WantedDep = Annotated[WantedPlanRows, Depends()]


@router.get("/plans/{dag_id}/{run_id}.json")
def list_plan(dag_id: str, run_id: str, session: SessionDep, wanted: WantedDep) -> PlanRows:
    """Return what a run plans, row by row.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    run, rows, planned = _find(session, dag_id, run_id)
    chosen = _choose(rows, wanted)
    kinds, ends = Counter(row.kind for row in rows), Counter(row.end for row in rows)
    return PlanRows(
        counts={kind: kinds[kind] for kind in KINDS if kinds[kind]},
        ends={end: ends[end] for end in ENDINGS if ends[end]},
        left_out=max(0, planned - len(rows)),
        found=len(chosen),
        is_over=run.is_over,
        rows=[_show(row) for row in chosen[wanted.start : wanted.start + wanted.limit]],
    )


@router.get("/plans/{dag_id}/{run_id}.csv")
def send_plan(dag_id: str, run_id: str, session: SessionDep, wanted: WantedDep) -> Response:
    """Return all of it that is asked for as CSV.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    _, rows, _ = _find(session, dag_id, run_id)
    return send_rows(ShownPlanRow, map(_show, _choose(rows, wanted)), name="plan")


@router.get("/plans/{dag_id}/{run_id}/words.json")
def tell_plan(dag_id: str, run_id: str, session: SessionDep, user: UserDep) -> PlanWords:
    """Return what tasks say in words of a run's plan, and of what became of it.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    run = find_known_run(session, dag_id, run_id)
    told: dict[str, list[Any]] = {}
    unreadable = ""
    for key in (PLAN_SUMMARY, REPORT_SUMMARY, PLAN_PROBLEM, DRY_RUN):
        try:
            told[key] = read_xcoms(session, dag_id=dag_id, run_id=run_id, key=key, limit=_MOST_TASKS)
        except XComsUnreadable as error:
            told[key], unreadable = [], str(error)
    form = _read_dry_run(told[DRY_RUN]) if run.state == "success" else None
    return PlanWords(
        problems=_texts(told[PLAN_PROBLEM]),
        reports=list(map(read_blocks, _texts(told[REPORT_SUMMARY]))),
        plans=list(map(read_blocks, _texts(told[PLAN_SUMMARY]))),
        unreadable=unreadable,
        is_over=run.is_over,
        for_real=_offer(run.conf, form) if form and may_trigger(user, dag_id) else None,
    )


def _find(session: Session, dag_id: str, run_id: str) -> tuple[Run, list[PlanRow], int]:
    """Return a run, the rows of its plans, and how many these have in all.

    :raises HTTPException: where there is no such run, or what its tasks have handed on cannot be read.
    """
    run = find_known_run(session, dag_id, run_id)
    try:
        told = read_rows_of_plans(session, dag_id=dag_id, run_id=run_id, limit=_MOST_PARTS)
        ends = read_xcoms(session, dag_id=dag_id, run_id=run_id, key=ENDS, limit=_MOST_ENDS)
        counts = read_xcoms(session, dag_id=dag_id, run_id=run_id, key=COUNTS, limit=_MOST_TASKS)
        try:
            rows = read_rows(told, ends, untold=_end_untold(run, is_told=bool(ends)))
        except ValueError as error:
            raise XComsUnreadable(str(error)) from error
    except XComsUnreadable as error:
        raise say_unreadable(error) from error
    return run, rows, sum(map(_sum, counts)) if rows else 0


def _end_untold(run: Run, *, is_told: bool) -> PlanEnd | Literal[""]:
    """Return what is shown as the end of what no task has told of: of a dry run nothing, as all is as it should be."""
    if not run.is_over:
        return "open"
    return "no word" if is_told or run.state == "failed" else ""


def _sum(counts: Any) -> int:
    found = counts.values() if isinstance(counts, dict) else ()
    return sum(number for number in found if isinstance(number, int))


def _choose(rows: Sequence[PlanRow], wanted: WantedPlanRows) -> list[PlanRow]:
    text = wanted.q.strip().casefold()
    return [
        row
        for row in rows
        if wanted.kind in {"", row.kind} and wanted.end in {"", row.end} and (not text or text in _texts_of(row))
    ]


def _texts_of(row: PlanRow) -> str:
    return f"{row.source} {row.target} {row.digest} {row.current} {row.reason} {row.why}".casefold()


def _show(row: PlanRow) -> ShownPlanRow:
    return ShownPlanRow(**{name: getattr(row, name) for name in ShownPlanRow.model_fields})


def _texts(told: Sequence[Any]) -> list[str]:
    return [make_sendable(text) for text in told if isinstance(text, str)]


def _read_dry_run(told: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return what the plan's task says of the form that made the run a dry run, or None where it was none."""
    form = told[0] if len(told) == 1 else None
    return form if isinstance(form, dict) and isinstance(form.get("field"), str) else None


def _offer(conf: Mapping[str, Any], form: Mapping[str, Any]) -> RunForReal | None:
    """Return what it takes to run a dry run's form for real; None where it could not be sent as it was.

    :param conf: the form as the run got it.
    :param form: what the plan's task says of it.
    """
    titles = form.get("titles")
    titles = titles if isinstance(titles, dict) else {}
    seen = form.get("seen")
    seen = seen if isinstance(seen, dict) else {}
    conf = {**conf, **seen}
    try:
        json.dumps(conf, allow_nan=False, ensure_ascii=False).encode()
    except (RecursionError, TypeError, ValueError):
        return None
    return RunForReal(
        fields=[
            FormField(title=str(titles.get(name, name)), value=_as_text(value))
            for name, value in conf.items()
            if name != form["field"]
        ],
        conf={**conf, form["field"]: False},
        is_pinned=bool(seen),
    )


def _as_text(value: Any) -> str:
    """Return a value of a form as people write it there: lists with one entry a line."""
    if isinstance(value, list):
        return "\n".join(map(_as_text, value)) or "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value in (None, "") else str(value)
