"""Where people read on in Airflow: the addresses of runs, tasks, tabs and open questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import conf

from artifactory_provider.notifications.messages import Link

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_links(dag_id: str, run_id: str, *, tab: str | None = None) -> Iterator[Link]:
    """Give the links to a run, none where nobody knows Airflow's own address.

    :param dag_id: the DAG.
    :param run_id: the run.
    :param tab: the tab of the run that is told about, such as ``images``.
    """
    if url := _run_url(dag_id, run_id):
        if tab is not None:
            yield Link(text=tab.capitalize(), url=f"{url}/plugin/{tab}")
        yield Link(text="Run", url=url)


def task_links(ti: Any, *, asks: bool = False) -> Iterator[Link]:
    """Give the links to a task instance: to its answer where it asks, else to its log.

    :param ti: the task instance.
    :param asks: whether it waits for people.
    """
    if url := _run_url(ti.dag_id, ti.run_id):
        number = f"/mapped/{ti.map_index}" if (ti.map_index if ti.map_index is not None else -1) >= 0 else ""
        url = f"{url}/tasks/{quote(ti.task_id, safe='')}{number}"
        yield Link(text="Answer", url=f"{url}/required_actions") if asks else Link(text="Task and log", url=url)


def image_links(task: Any) -> Iterator[Link]:
    """Give the link to a task's image in Artifactory, where the task has come so far.

    :param task: the task.
    """
    url = getattr(task, "image_url", None)
    if isinstance(url, str) and urlsplit(url).scheme in {"http", "https"}:
        yield Link(text="Image", url=url)


def explain_no_links() -> str | None:
    """Return why there are no links to Airflow, or None where there are."""
    return None if _base_url() else "There are no links to Airflow: [api] base_url does not say its address here."


def _run_url(dag_id: str, run_id: str) -> str | None:
    base = _base_url()
    return base and f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def _base_url() -> str | None:
    """Return Airflow's own address, as this machine has it; None where it has none."""
    base = str(conf.get("api", "base_url", fallback="") or "").strip().rstrip("/")
    try:
        parts = urlsplit(base)
    except ValueError:
        return None
    return base if parts.scheme in {"http", "https"} and parts.hostname else None
