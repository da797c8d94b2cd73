"""The retention DAG, run as Airflow runs it, against a real sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.dags.conftest import DAGS
from tests.integration.dags.runs import explain, states, told
from tests.integration.retention.stages import DEV, PROD, push

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.retention import read_retention
from artifactory_provider.tasks.assets import removals_asset
from artifactory_provider.tasks.handover import PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY
from artifactory_provider.tasks.plan_rows import ENDS

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture
def dag(dags: dict[str, DAG]) -> DAG:
    return dags["retention"]


@pytest.fixture
def old(sandbox: RunningSandbox, image: str) -> list[str]:
    """Seven tags of dev, of which the five newest stay; the oldest has reached prod."""
    for number in range(7):
        push(sandbox, f"{DEV}/{image}:build-{number}", days=100 - number)
    ends = [ImageReference(key, image, "build-0") for key in (DEV, PROD)]
    ArtifactoryHook().promote(Promotion(source=ends[0], target=ends[1]))
    return [f"{DEV}/{image}:build-{number}" for number in range(7)]


def form(image: str, **changes: Any) -> dict[str, Any]:
    """Return a whole form: runs of one process share what is not given."""
    fields = {"dry_run": False, "repositories": [], "images": [image], "largest": 1000, "approval": False}
    return {**fields, "report_path": None, **changes}


def removals(dag_run: Any) -> list[str]:
    """Return the tags that the events of a run say are gone on purpose."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    uri = removals_asset(DEV).uri
    query = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id).where(AssetModel.uri == uri)
    with create_session() as session:
        extras = session.scalars(query.where(AssetEvent.source_run_id == dag_run.run_id)).all()
        return sorted(removal["target"] for extra in extras for removal in extra["removals"])


def test_a_dry_run_shows_the_plan_and_deletes_nothing(
    sandbox: RunningSandbox, dag: DAG, image: str, old: list[str]
) -> None:
    run = dag.test(run_conf=form(image, dry_run=True))
    assert run.state == "success", explain(run)
    assert set(states(run).values()) == {"success", "skipped"}
    [summary], [report] = told(run, PLAN_SUMMARY), told(run, REPORT_SUMMARY)
    assert "tags to delete, 0 kept though their time has come" in summary
    assert f"`{old[0]}`" in summary
    assert "`docker-prod shows its digest`" in summary
    assert f"`{old[1]}`" in summary
    assert f"`{old[2]}`" not in summary
    assert "nothing was deleted" in report
    assert len(sandbox.tags(DEV, image)) == 7


def test_a_run_deletes_what_its_plan_says_and_the_next_finds_nothing(
    sandbox: RunningSandbox, dag: DAG, image: str, old: list[str], tmp_path: Any
) -> None:
    run = dag.test(run_conf=form(image, report_path=str(tmp_path)))
    assert run.state == "success", explain(run)
    assert sandbox.tags(DEV, image) == [f"build-{number}" for number in range(2, 7)]
    assert "**2 deleted.**" in told(run, REPORT_SUMMARY)[0]
    [[ends]] = told(run, ENDS)
    assert (ends["task_id"], ends["key"], ends["ends"]) == ("plan", "chunk_0001", "dd")
    [folder] = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["plan.csv", "report.csv"]
    assert "deleted,docker-dev" in (folder / "report.csv").read_text()
    assert removals(run) == [f"{DEV}/{image}:build-0", f"{DEV}/{image}:build-1"]
    again = dag.test(run_conf=form(image))
    assert (again.state, told(again, REPORT_SUMMARY)) == ("success", ["**Nothing was to be deleted.**\n"])


def test_a_plan_that_is_larger_than_the_form_lets_it_be_is_refused(
    sandbox: RunningSandbox, dag: DAG, image: str, old: list[str]
) -> None:
    run = dag.test(run_conf=form(image, largest=1))
    assert run.state == "failed"
    assert "2 tags would go, and 1 may" in told(run, PLAN_PROBLEM)[0]
    assert len(sandbox.tags(DEV, image)) == 7


def test_what_nobody_has_approved_stays_where_the_policy_asks_for_approvals(
    sandbox: RunningSandbox, image: str, old: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    approvals = "{count: 1, from: [jane], not_the_trigger: false}"
    policy = f"version: 1\nrules:\n  - {{target: {{repositories: [docker-dev]}}, approvals: {approvals}}}\n"
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", policy)
    rules = read_retention((DAGS / "retention_rules.yaml").read_text())
    plan = ArtifactoryHook().plan_retention(rules, images=Patterns((image,)))
    assert plan.counts["delete"] == 2
    report = ArtifactoryHook().delete_planned(rules, plan.to_delete())
    assert {one.outcome for one in report.results} == {"refused"}
    assert "Nobody was asked to approve this." in report.results[0].reason
    assert len(sandbox.tags(DEV, image)) == 7


@pytest.mark.parametrize("skipped", ["approve", "find_rule|approve"])
def test_an_approval_that_the_form_asks_for_cannot_be_passed_by_marking_tasks_as_done(
    sandbox: RunningSandbox, dag: DAG, image: str, old: list[str], skipped: str
) -> None:
    run = dag.test(run_conf=form(image, approval=True), mark_success_pattern=skipped)
    assert run.state == "failed", explain(run)
    assert states(run)["delete"] in {"failed", "up_for_retry"}
    assert len(sandbox.tags(DEV, image)) == 7


def test_a_stop_keeps_what_would_go_and_the_plan_says_so(
    sandbox: RunningSandbox, dag: DAG, image: str, old: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {"reason": "fire", "by": "jane", "since": "2026-01-01T00:00Z", "targets": {"repositories": [DEV]}}
    stop = {"version": 1, "stops": [order]}
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps(stop))
    run = dag.test(run_conf=form(image))
    assert run.state == "success", explain(run)
    assert "### Refused: a stop or the policy forbids it now" in told(run, PLAN_SUMMARY)[0]
    assert len(sandbox.tags(DEV, image)) == 7


def test_what_is_held_is_kept_and_told(sandbox: RunningSandbox, dag: DAG, image: str, old: list[str]) -> None:
    ArtifactoryHook().hold(ImageReference.parse(old[1]), reason="an audit", by="jane")
    run = dag.test(run_conf=form(image))
    assert run.state == "success", explain(run)
    assert "`it is held: an audit (by jane" in told(run, PLAN_SUMMARY)[0]
    assert sandbox.tags(DEV, image) == [f"build-{number}" for number in range(1, 7)]
