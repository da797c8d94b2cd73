"""The DAG that promotes one image on demand, run as Airflow runs it, against a real sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.dags.runs import explain, states, told
from tests.integration.promotion.attaching import Pusher

from artifactory_provider.operators import ArtifactoryPromoteOperator
from artifactory_provider.tasks.handover import DRY_RUN, PLAN_PROBLEM, PLAN_SUMMARY, REPORT_SUMMARY
from artifactory_provider.tasks.plan_rows import ENDS, FIRST_OTHERS

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox


ABSENT = f"sha256:{'0' * 64}"


@pytest.fixture
def dag(dags: dict[str, DAG]) -> DAG:
    return dags["promote_on_demand"]


def form(name: str, **changes: Any) -> dict[str, Any]:
    """Return a whole form: runs of one process share what is not given."""
    fields = {"image": name, "tag": "newest", "source_repository": "docker-dev", "target_repository": "docker-qa"}
    rest = {"dry_run": False, "approval": False, "target_tag": "{tag}", "on_conflict": "fail"}
    return {**fields, **rest, "digest": None, "replaces": None, **changes}


def push(sandbox: RunningSandbox, name: str, *tags: str, repository: str = "docker-dev") -> dict[str, str]:
    return {tag: sandbox.push_image(f"{repository}/{name}:{tag}", content=f"demand {name} {tag}") for tag in tags}


def test_the_newest_release_is_promoted_and_a_second_run_finds_it_done(
    sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    digests = push(sandbox, image, "1.9.0", "1.10.0", "1.11.0-rc.1")
    run = dag.test(run_conf=form(f" {image} ", target_tag=" v{version.major} "))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-qa/{image}:v1") == digests["1.10.0"]
    assert sandbox.tags("docker-qa", image) == ["v1"]
    assert f"To change: `docker-qa/{image}:v1`" in told(run, PLAN_SUMMARY)[0]
    assert f"Done: promoted.** `docker-qa/{image}:v1" in told(run, REPORT_SUMMARY)[0]
    assert told(run, ENDS) == [[{"task_id": "plan", "key": FIRST_OTHERS, "ends": "*p", "reasons": {}}]]

    again = dag.test(run_conf=form(image, target_tag="v{version.major}"))
    assert again.state == "success"
    assert set(states(again).values()) == {"success", "skipped"}
    assert states(again)["promote"] == "skipped"
    assert "Nothing was to be done" in told(again, REPORT_SUMMARY)[0]


@pytest.mark.parametrize(
    ("tag", "meant"),
    [("1.9.0", "1.9.0"), (">=1.8 <1.10", "1.9.0"), ("*-alpine", "1.8.0-alpine"), (" newest ", "1.10.0")],
)
def test_a_tag_a_range_or_a_pattern_says_which_one_is_meant(
    sandbox: RunningSandbox, dag: DAG, image: str, tag: str, meant: str
) -> None:
    digests = push(sandbox, image, "1.8.0-alpine", "1.9.0", "1.10.0")
    run = dag.test(run_conf=form(image, tag=tag))
    assert run.state == "success", explain(run)
    assert sandbox.tags("docker-qa", image) == [meant]
    assert sandbox.digest(f"docker-qa/{image}:{meant}") == digests[meant]


def test_a_dry_run_shows_the_plan_and_offers_to_run_it_as_it_was_seen(
    sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    digest = push(sandbox, image, "1.0.0")["1.0.0"]
    run = dag.test(run_conf=form(image, dry_run=True))
    assert run.state == "success"
    assert {task for task, state in states(run).items() if state == "success"} == {"plan"}
    assert f"`docker-dev/{image}:1.0.0`" in told(run, PLAN_SUMMARY)[0]
    [offer] = told(run, DRY_RUN)
    assert (offer["field"], offer["seen"]) == ("dry_run", {"tag": "1.0.0", "digest": digest, "replaces": "none"})
    assert sandbox.tags("docker-qa", image) == []
    sandbox.push_image(f"docker-dev/{image}:1.0.0", content=f"demand {image} moved since the dry run")
    run = dag.test(run_conf={**form(image), **offer["seen"]})
    assert run.state == "failed"
    assert "the tag was moved since" in told(run, PLAN_PROBLEM)[0]
    assert sandbox.tags("docker-qa", image) == []


def test_a_tag_that_shows_another_image_stays_unless_the_form_says_otherwise(
    sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    new = push(sandbox, image, "1.0.0")["1.0.0"]
    old = sandbox.push_image(f"docker-qa/{image}:1.0.0", content=f"demand {image} old")
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert "“A target tag that shows another image” = 'fail' leaves it" in told(run, PLAN_PROBLEM)[0]
    assert sandbox.digest(f"docker-qa/{image}:1.0.0") == old
    run = dag.test(run_conf=form(image, on_conflict="backup"))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-qa/{image}:1.0.0") == new
    assert sandbox.digest(f"docker-qa/{image}:1.0.0-previous-{old[7:19]}") == old


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": "absent/image"}, "absent/image"),
        ({"tag": "absent"}, "absent"),
        ({"tag": "no tag!"}, "no tag"),
        ({"tag": f"1.0.0@sha256:{'0' * 64}"}, "was to be promoted: the tag was moved since"),
        ({"tag": "1.0.0@sha256:abc"}, "is not a digest"),
        ({"tag": "1.0.0", "digest": ABSENT}, "was to be promoted: the tag was moved since"),
        ({"tag": f"1.0.0@sha256:{'1' * 64}", "digest": ABSENT}, "give one digest"),
        ({"digest": ABSENT}, "'newest' is no tag"),
        ({"tag": ">=1", "digest": ABSENT}, "'>=1' is no tag"),
        ({"replaces": ABSENT}, f"shows nothing by now, and {ABSENT} was to be replaced"),
        ({"source_repository": "docker-absent"}, "docker-absent"),
        ({"target_repository": "docker-absent"}, "docker-absent"),
        ({"target_repository": "generic-local"}, "generic-local"),
        ({"target_repository": "docker-dev"}, "which is itself"),
        ({"target_tag": "{nothing}"}, "{nothing}"),
        ({"target_tag": "no tag"}, "no tag"),
        ({"tags": "1"}, "no parameter 'tags'. Did you mean 'tag'?"),
    ],
)
def test_a_form_that_means_nothing_is_refused_at_once_in_words_and_nobody_is_asked(
    sandbox: RunningSandbox, dag: DAG, image: str, changes: dict[str, Any], said: str
) -> None:
    push(sandbox, image, "1.0.0")
    run = dag.test(run_conf=form(image, **{"approval": True, **changes}))
    assert run.state == "failed"
    ended = {task: state for task, state in states(run).items() if task != "ended"}
    assert ended.pop("plan") == "failed"
    assert set(ended.values()) == {"upstream_failed"}
    assert said in told(run, PLAN_PROBLEM)[0]
    assert sandbox.tags("docker-qa", image) == []


def test_what_the_policy_requires_is_shown_before_anybody_is_asked(
    sandbox: RunningSandbox, dag: DAG, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {
        "target": {"repositories": ["docker-qa"], "images": [image]},
        "require": [{"property": "policy.test"}],
        "approvals": {"count": 1},
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": [rule]}))
    push(sandbox, image, "1.0.0")
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert states(run)["approve"] == "upstream_failed"
    assert "It has not passed its checks: policy.test is not set" in told(run, PLAN_PROBLEM)[0]
    del rule["approvals"]
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": [rule]}))
    sandbox.set_properties(f"docker-dev/{image}:1.0.0", {"policy.test": "passed"})
    run = dag.test(run_conf=form(image))
    assert run.state == "success", explain(run)
    assert sandbox.tags("docker-qa", image) == ["1.0.0"]


def test_an_image_of_a_pipeline_has_to_have_passed_the_checks_of_the_stage_before(
    sandbox: RunningSandbox, dag: DAG
) -> None:
    name = "metrics-server"
    digest = push(sandbox, name, "9.9.1")["9.9.1"]
    run = dag.test(run_conf=form(name, tag="9.9.1"))
    assert run.state == "failed"
    assert "It has not passed its checks: test.status is not set" in told(run, PLAN_PROBLEM)[0]
    sandbox.set_properties(f"docker-dev/{name}:9.9.1", {"test.status": "passed"})
    run = dag.test(run_conf=form(name, tag="9.9.1"))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-qa/{name}:9.9.1") == digest
    for source, problem in {
        "docker-dev": f"docker-prod/{name}:9.9.1 comes from docker-qa alone, and not from docker-dev.",
        "docker-qa": "qa.test.status is not set",
    }.items():
        run = dag.test(run_conf=form(name, tag="9.9.1", source_repository=source, target_repository="docker-prod"))
        assert run.state == "failed", "no stage is passed by"
        assert problem in told(run, PLAN_PROBLEM)[0]


def test_a_freeze_refuses_it_where_nobody_may_override(
    sandbox: RunningSandbox, dag: DAG, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = {
        "target": {"repositories": ["docker-qa"], "images": [image]},
        "windows": {"timezone": "UTC", "deny": ["2020-01-01/2099-01-01"]},
    }
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": [freeze]}))
    push(sandbox, image, "1.0.0")
    run = dag.test(run_conf=form(image))
    assert run.state == "failed"
    assert "docker-qa is frozen" in told(run, PLAN_PROBLEM)[0]
    assert states(run)["override"] == "upstream_failed"


@pytest.mark.parametrize("is_dry", [False, True])
def test_a_tag_that_moves_between_form_and_plan_is_not_promoted_and_both_digests_are_told(
    sandbox: RunningSandbox, dag: DAG, image: str, is_dry: bool
) -> None:
    seen = push(sandbox, image, "1.0.0")["1.0.0"]
    now = sandbox.push_image(f"docker-dev/{image}:1.0.0", content=f"demand {image} moved")
    run = dag.test(run_conf=form(image, tag="1.0.0", digest=seen, dry_run=is_dry))
    assert run.state == "failed"
    [problem] = told(run, PLAN_PROBLEM)
    assert seen in problem
    assert now in problem
    assert sandbox.tags("docker-qa", image) == []


def test_a_tag_that_moves_between_plan_and_promotion_is_not_promoted(
    sandbox: RunningSandbox, dag: DAG, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = push(sandbox, image, "1.0.0")["1.0.0"]

    def move(task: object, context: object) -> None:
        sandbox.push_image(f"docker-dev/{image}:1.0.0", content=f"demand {image} moved")

    monkeypatch.setattr(ArtifactoryPromoteOperator, "pre_execute", move)
    run = dag.test(run_conf=form(image, tag="1.0.0", digest=f" {seen} ", replaces=" none "))
    assert run.state == "failed"
    assert (states(run)["plan"], states(run)["promote"]) == ("success", "failed")
    assert sandbox.tags("docker-qa", image) == []


@pytest.mark.parametrize("field", [{}, {"digest": ""}, {"digest": " ", "replaces": " "}])
def test_an_empty_digest_means_whatever_the_tag_shows(
    sandbox: RunningSandbox, dag: DAG, image: str, field: dict[str, str]
) -> None:
    digest = push(sandbox, image, "1.0.0")["1.0.0"]
    run = dag.test(run_conf=form(image, **field))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-qa/{image}:1.0.0") == digest


def test_the_digest_of_one_platform_is_not_that_of_the_tag(sandbox: RunningSandbox, dag: DAG, image: str) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1.0.0", platforms=["linux/amd64", "linux/arm64"])
    child = Pusher(sandbox, f"docker-dev/{image}").children(index)[0]
    run = dag.test(run_conf=form(image, tag="1.0.0", digest=child))
    assert run.state == "failed"
    assert f"shows {index}, and {child} is one of its platforms" in told(run, PLAN_PROBLEM)[0]
    run = dag.test(run_conf=form(image, tag="1.0.0", digest=index))
    assert run.state == "success", explain(run)
    assert sandbox.digest(f"docker-qa/{image}:1.0.0") == index


@pytest.mark.parametrize("on_conflict", ["fail", "overwrite", "backup"])
def test_what_nobody_has_seen_under_the_target_tag_is_not_replaced(
    sandbox: RunningSandbox, dag: DAG, image: str, on_conflict: str
) -> None:
    target, digest = f"docker-qa/{image}:1.0.0", push(sandbox, image, "1.0.0")["1.0.0"]
    seen = sandbox.push_image(target, content=f"demand {image} seen")
    now = sandbox.push_image(target, content=f"demand {image} since")
    fields = {"tag": "1.0.0", "digest": digest, "on_conflict": on_conflict}
    for replaces in (seen, "none"):
        run = dag.test(run_conf=form(image, **fields, replaces=replaces))
        assert run.state == "failed"
        assert f"shows {now} by now" in told(run, PLAN_PROBLEM)[0]
        assert sandbox.digest(target) == now
    if on_conflict != "fail":
        run = dag.test(run_conf=form(image, **fields, replaces=now))
        assert run.state == "success", explain(run)
        assert sandbox.digest(target) == digest
        again = dag.test(run_conf=form(image, **fields, replaces=now))
        assert again.state == "success", "it is done already"
