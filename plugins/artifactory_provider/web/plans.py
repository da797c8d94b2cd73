"""The tab of a DAG run that shows its plan, and after the run what became of it.

Both are Markdown that tasks of the run have handed on; whatever stands in them, none of it becomes HTML of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from artifactory_provider.tasks.handover import PLAN_SUMMARY, REPORT_SUMMARY
from artifactory_provider.web.airflow_internals import REQUIRES_XCOM_ACCESS, SessionDep, find_run_state, read_xcoms

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"}
_templates = Environment(loader=PackageLoader(__package__), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])

router = APIRouter(dependencies=[REQUIRES_XCOM_ACCESS])


@router.get("/plans/{dag_id}/{run_id}")
def show_plan(dag_id: str, run_id: str, session: SessionDep) -> HTMLResponse:
    """Show a run's plan, and its report.

    :param dag_id: the DAG.
    :param run_id: its run.
    """
    state = find_run_state(session, dag_id=dag_id, run_id=run_id)
    if state is None:
        raise HTTPException(404, "There is no such run.")
    page = _templates.get_template("plan.html").render(
        plans=_texts(session, dag_id, run_id, PLAN_SUMMARY),
        reports=_texts(session, dag_id, run_id, REPORT_SUMMARY),
        is_over=state in {"success", "failed"},
    )
    return HTMLResponse(page, headers=_HEADERS)


def _texts(session: Session, dag_id: str, run_id: str, key: str) -> list[Markup]:
    values = read_xcoms(session, dag_id=dag_id, run_id=run_id, key=key, limit=10)
    # Safe, since the renderer escapes all HTML that it finds.
    return [Markup(_markdown.render(value)) for value in values if isinstance(value, str)]  # noqa: S704
