"""The tab of a DAG run that shows its plan, and after the run what became of it.

Both are Markdown that tasks of the run have handed on; whatever stands in them, none of it becomes HTML of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from artifactory_provider.tasks.handover import DRY_RUN, PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY
from artifactory_provider.web import pages
from artifactory_provider.web.airflow_internals import (
    REQUIRES_XCOM_ACCESS,
    SessionDep,
    UserDep,
    find_run,
    may_trigger,
)
from artifactory_provider.web.airflow_xcoms import XComsUnreadable, read_xcoms
from artifactory_provider.web.markdown import render

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_TASKS = 10

router = APIRouter(dependencies=[REQUIRES_XCOM_ACCESS])


@router.get("/plans/{dag_id}/{run_id}", response_class=HTMLResponse)
def show_plan(dag_id: str, run_id: str, request: Request, session: SessionDep, user: UserDep) -> HTMLResponse:
    """Show a run's plan, and its report.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    run = find_run(session, dag_id=dag_id, run_id=run_id)
    if run is None:
        raise HTTPException(404, "There is no such run.")
    told: dict[str, list[Any]] = {}
    unreadable = ""
    for key in (PLAN_SUMMARY, REPORT_SUMMARY, PLAN_PROBLEM, DRY_RUN):
        try:
            told[key] = read_xcoms(session, dag_id=dag_id, run_id=run_id, key=key, limit=_MOST_TASKS)
        except XComsUnreadable as error:
            told[key], unreadable = [], str(error)
    return pages.show(
        "plan.html",
        request,
        plans=[render(text) for text in told[PLAN_SUMMARY] if isinstance(text, str)],
        reports=[render(text) for text in told[REPORT_SUMMARY] if isinstance(text, str)],
        problems=[text for text in told[PLAN_PROBLEM] if isinstance(text, str)],
        unreadable=unreadable,
        is_over=run.is_over,
        again=_again(request, dag_id, run.conf, form)
        if run.state == "success" and (form := _dry_run(told[DRY_RUN])) and may_trigger(user, dag_id)
        else None,
    )


def _dry_run(told: list[Any]) -> dict[str, Any] | None:
    """Return what the plan's task says of the form that made the run a dry run, or None where it was none."""
    form = told[0] if len(told) == 1 else None
    return form if isinstance(form, dict) and isinstance(form.get("field"), str) else None


def _again(request: Request, dag_id: str, conf: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what it takes to run a dry run's form for real.

    :param request: what is answered.
    :param dag_id: the DAG.
    :param conf: the form as the run got it.
    :param form: what the plan's task says of it.
    """
    titles = dict(form.get("titles") or {})
    airflow, dag = pages.airflow_path(request), quote(dag_id, safe="")
    return {
        "fields": [(titles.get(name, name), _shown(value)) for name, value in conf.items() if name != form["field"]],
        "conf": json.dumps({**conf, form["field"]: False}),
        "url": f"{airflow}/api/v2/dags/{dag}/dagRuns",
        "run": f"{airflow}/dags/{dag}/runs/{{run}}",
    }


def _shown(value: Any) -> str:
    """Return a value of a form as people write it there: lists with one entry a line."""
    if isinstance(value, list):
        return "\n".join(map(_shown, value)) or "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value in (None, "") else str(value)
