"""The DAGs of this project, run as Airflow runs them, against a real sandbox."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import set_current_context
from jinja2 import Environment
from tests.integration.dags.runs import states

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from tests.integration.gateway import Gateway

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.mark.parametrize(("dag_id", "first"), [("promote_nightly", "list_images"), ("retag_backfill", "plan")])
def test_a_run_that_was_given_what_no_parameter_takes_fails_at_once_and_promotes_nothing(
    gateway: Gateway, dags: dict[str, DAG], capfd: pytest.CaptureFixture[str], dag_id: str, first: str
) -> None:
    dag_run = dags[dag_id].test(run_conf={"image": ["payments/api"]})
    assert dag_run.state == "failed"
    assert states(dag_run)[first] == "failed"
    ended = {task: state for task, state in states(dag_run).items() if task != "chunks_ended"}  # it waits for any end
    assert set(ended.values()) == {"failed", "upstream_failed"}
    assert "no parameter 'image'. Did you mean 'images'?" in capfd.readouterr().out
    assert gateway.requests == []


def test_blank_lines_and_spaces_in_a_form_count_for_nothing(
    sandbox: RunningSandbox, dags: dict[str, DAG], image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1.10")
    form = {
        "repositories": ["  docker-dev ", ""],
        "images": ["", f" {image}\t", " "],
        "tags": [" 1.10 ", ""],
        "exclude_tags": None,
        "properties": [""],
        "target_repository": " docker-qa ",
        "target_image": " {image} ",
        "target_tags": ["", " {tag} "],
        "largest": 1000.0,
        "report_path": "  ",
        "dry_run": False,
    }
    dag_run = dags["retag_backfill"].test(run_conf=form)
    assert dag_run.state == "success"
    assert sandbox.digest(f"docker-qa/{image}:1.10") == digest
    assert sandbox.tags("docker-qa", image) == ["1.10"]


def test_an_image_that_is_skipped_shows_in_its_name_why(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    image = "livenessprobe"
    sandbox.push_image(f"docker-dev/{image}:1.10.0")
    before = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    context: Any = {"dag_run": SimpleNamespace(run_type="backfill"), "data_interval_end": before}
    select: Any = dags["promote_nightly"].get_task("ladder.select")
    with set_current_context(context), pytest.raises(AirflowSkipException, match=f"no release of {image}"):
        select.python_callable(image)
    rendered = Environment(autoescape=True).from_string(select.map_index_template).render(context)
    assert rendered == f"{image}: no release by that night"
