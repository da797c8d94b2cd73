"""The rollback DAG, run as Airflow runs it, against a real sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.dags.runs import explain, states, told

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.tasks.handover import PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox

ABSENT = f"sha256:{'0' * 64}"


@pytest.fixture
def dag(dags: dict[str, DAG]) -> DAG:
    return dags["rollback"]


@pytest.fixture
def replaced(sandbox: RunningSandbox, image: str) -> list[str]:
    """A tag of prod that was promoted to three times: the digests in their order."""
    digests = []
    for number in range(3):
        digests.append(sandbox.push_image(f"docker-qa/{image}:1", content=f"rollback {image} {number}"))
        ArtifactoryHook().promote(
            Promotion(
                source=ImageReference("docker-qa", image, "1"),
                target=ImageReference("docker-prod", image, "1"),
                options=PromotionOptions(on_conflict="backup"),
            )
        )
    return digests


def form(name: str, **changes: Any) -> dict[str, Any]:
    """Return a whole form: runs of one process share what is not given."""
    fields = {"repository": "docker-prod", "image": name, "tag": "1", "reason": "it loses orders"}
    return {**fields, "version": None, "replaces": None, "approval": False, **changes}


def test_a_tag_is_given_back_what_it_showed_and_a_second_run_does_not_bring_back_what_was_taken_out(
    sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str]
) -> None:
    _, old, new = replaced
    run = dag.test(run_conf=form(f" {image} ", version=" "))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-prod/{image}:1") == old
    [summary], [report] = told(run, PLAN_SUMMARY), told(run, REPORT_SUMMARY)
    assert new[:19] in summary
    assert f"`docker-prod/{image}:1-previous-{old[7:19]}`" in summary
    assert f"`docker-qa/{image}:1`" in summary, "where both came from"
    assert "`it loses orders`" in summary
    assert f"showed before: `{new}`" in report

    again = dag.test(run_conf=form(image))
    assert again.state == "success"
    assert states(again) == {"plan": "success", **dict.fromkeys(set(states(run)) - {"plan"}, "skipped")}
    assert sandbox.digest(f"docker-prod/{image}:1") == old
    assert "it was rolled back to this already" in told(again, REPORT_SUMMARY)[0]


def test_the_tag_is_held_from_then_on_for_the_reason_of_the_form(
    sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str]
) -> None:
    assert dag.test(run_conf=form(image)).state == "success"
    properties = sandbox.properties(f"docker-prod/{image}:1")
    assert properties["promotion.hold"] == ["it loses orders"]


def test_an_older_version_is_named_by_its_digest_or_by_its_backup(
    sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str]
) -> None:
    oldest, _, newest = replaced
    for version, digest in ((oldest, oldest), (f"1-previous-{newest[7:19]}", newest)):
        for outcome in ("success", "skipped"):
            run = dag.test(run_conf=form(image, version=version))
            assert (run.state, states(run)["roll_back"]) == ("success", outcome), explain(run)
            assert sandbox.digest(f"docker-prod/{image}:1") == digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repository": "docker-absent"}, "docker-absent"),
        ({"image": "absent/image"}, "absent/image"),
        ({"tag": "absent"}, "absent"),
        ({"version": ABSENT}, "there is no backup of it"),
        ({"version": "1-previous-000000000000"}, "1-previous-000000000000"),
        ({"version": "2-previous-000000000000"}, "“Version” is the whole digest to go back to"),
        ({"image": "team//app"}, "is not an image name"),
        ({"versions": "1"}, "no parameter 'versions'. Did you mean 'version'?"),
    ],
)
def test_a_form_that_means_nothing_is_refused_at_once_in_words_and_nobody_is_asked(
    sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str], changes: dict[str, Any], said: str
) -> None:
    run = dag.test(run_conf=form(image, **{"approval": True, **changes}))
    assert run.state == "failed"
    ended = {task: state for task, state in states(run).items() if task != "ended"}
    assert ended.pop("plan") == "failed"
    assert set(ended.values()) == {"upstream_failed"}
    assert said in told(run, PLAN_PROBLEM)[0]
    assert sandbox.digest(f"docker-prod/{image}:1") == replaced[-1]


def test_a_tag_that_was_never_replaced_has_nothing_to_go_back_to(sandbox: RunningSandbox, dag: DAG, image: str) -> None:
    digest = sandbox.push_image(f"docker-prod/{image}:1", content=f"first {image}")
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert "There is nothing to go back to." in told(run, PLAN_PROBLEM)[0]
    assert sandbox.digest(f"docker-prod/{image}:1") == digest


def test_a_rejected_version_is_not_restored(sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str]) -> None:
    backup = ImageReference("docker-prod", image, f"1-previous-{replaced[1][7:19]}")
    ArtifactoryHook().reject(backup, reason="worse still", by="carol")
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert "worse still" in told(run, PLAN_PROBLEM)[0]
    assert sandbox.digest(f"docker-prod/{image}:1") == replaced[-1]


def test_a_stop_of_rollbacks_and_a_freeze_that_names_them_refuse_it_and_say_who_can_lift_them(
    sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = {
        "target": {"repositories": ["docker-prod"], "images": [image]},
        "windows": {"timezone": "UTC", "deny": ["2020-01-01/2099-01-01"]},
        "applies_to": ["rollback"],
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": [freeze]}))
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert "docker-prod is frozen" in told(run, PLAN_PROBLEM)[0]
    assert "artifactory_policy" in told(run, PLAN_PROBLEM)[0]
    monkeypatch.delenv("AIRFLOW_VAR_ARTIFACTORY_POLICY")
    order = {
        "reason": "nothing moves",
        "by": "alice",
        "since": "2026-01-01T00:00:00Z",
        "applies_to": ["person", "rollback"],
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps({"version": 1, "stops": [order]}))
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert "nothing moves" in told(run, PLAN_PROBLEM)[0]
    assert sandbox.digest(f"docker-prod/{image}:1") == replaced[-1]


def test_what_nobody_has_seen_is_not_rolled_back(
    sandbox: RunningSandbox, dag: DAG, image: str, replaced: list[str]
) -> None:
    first, old, new = replaced
    run = dag.test(run_conf=form(image, version=first, replaces=old))
    assert run.state == "failed"
    assert f"shows {new} by now, and {old} was to be replaced" in told(run, PLAN_PROBLEM)[0]
    assert sandbox.digest(f"docker-prod/{image}:1") == new
    run = dag.test(run_conf=form(image, replaces=new))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-prod/{image}:1") == old
    again = dag.test(run_conf=form(image, replaces=new))
    assert again.state == "success", "it is done already"
    assert sandbox.digest(f"docker-prod/{image}:1") == old
