"""Pipelines run as Airflow runs them, against a real sandbox: as a chain, and as a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.pipelines.climbing import DEV, PROD, QA, judge, push, shown

from artifactory_provider.pipelines.standing import ReadReport
from artifactory_provider.tasks.ladders import LADDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def states(run: Any) -> dict[str, str]:
    return {
        one.task_id.removeprefix("ladder.") + (f"[{one.map_index}]" if one.map_index >= 0 else ""): str(one.state)
        for one in run.get_task_instances()
    }


def report(run: Any, task_id: str = "climb_to_prod") -> ReadReport:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, task_ids=task_id, key=LADDER)
        [found] = session.scalars(query)
        return ReadReport.from_dict(XComModel.deserialize_value(found))


def test_a_chain_takes_each_image_through_tasks_of_its_own(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    first = push(sandbox, "chain/a:1.0", dev="passed", qa="passed")
    push(sandbox, "chain/b:2.0", dev="failed")

    run = dags["chain"].test()

    assert shown(sandbox, "chain/a:1.0") == dict.fromkeys((DEV, QA, PROD), first.digest)
    assert sandbox.digest(f"{PROD}/chain/a:1") == first.digest
    assert sandbox.digest(f"{QA}/chain/b:2.0") is None
    told = states(run)
    assert {told[f"{task}[0]"] for task in ("verify_dev", "promote_to_qa", "verify_qa", "promote_to_prod_2")} == {
        "success"
    }
    assert (told["verify_dev[1]"], told["promote_to_prod[1]"]) == ("failed", "upstream_failed")


def test_the_form_of_a_chain_says_up_to_which_stage(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    start = push(sandbox, "chain/a:3.0", dev="passed", qa="passed")
    run = dags["chain"].test(run_conf={"images": ["chain/a:3.0"], "stage": "qa"})
    assert str(run.state) == "success"
    assert states(run)["verify_qa[0]"] == states(run)["promote_to_prod[0]"] == "skipped"
    assert shown(sandbox, "chain/a:3.0") == {DEV: start.digest, QA: start.digest, PROD: None}


def test_a_fleet_takes_all_images_that_match_up_in_one_task(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    ready = push(sandbox, "fleet/ready:1.4.2", dev="passed", qa="passed")
    push(sandbox, "fleet/ready:1.3.0", dev="passed", qa="passed")
    push(sandbox, "fleet/late:1.0", dev="passed")
    push(sandbox, "fleet/failed:1.0", dev="failed")
    push(sandbox, "fleet/nothing:latest", dev="passed")

    run = dags["fleet"].test()

    assert states(run) == {"select": "success", "climb_to_prod": "failed"}
    assert shown(sandbox, "fleet/ready:1.4.2") == dict.fromkeys((DEV, QA, PROD), ready.digest)
    assert sandbox.digest(f"{PROD}/fleet/ready:1") == ready.digest
    assert sandbox.tags(QA, "fleet/late") == ["1.0"]
    told = {row.image: (row.standing, row.level, row.reason) for row in report(run).rows}
    assert told["fleet/ready"] == ("arrived", 2, "")
    assert told["fleet/late"] == ("late", 1, "It has waited for 3 seconds: qa.test.status is not set.")
    assert told["fleet/failed"] == ("failed", 0, "test.status is 'failed'.")
    assert told["fleet/nothing"][0] == "failed"
    assert "no released version" in told["fleet/nothing"][2]


def test_a_fleet_can_be_told_what_it_is_about_and_how_high(sandbox: RunningSandbox, dags: dict[str, DAG]) -> None:
    start = push(sandbox, "fleet/one:1.0", dev="passed", qa="passed")
    run = dags["fleet"].test(run_conf={"images": ["fleet/one"], "stage": "qa"})
    assert states(run) == {"select": "success", "climb_to_prod": "success"}
    assert shown(sandbox, "fleet/one:1.0") == {DEV: start.digest, QA: start.digest, PROD: None}
    assert [row.standing for row in report(run).rows] == ["arrived"]


@pytest.mark.parametrize("mode", ["chain", "fleet"])
def test_a_form_that_names_digests_promotes_these_or_nothing(
    sandbox: RunningSandbox, dags: dict[str, DAG], mode: str
) -> None:
    names = [f"{mode}/a:7.0", f"{mode}/b:7.0"]
    seen = [push(sandbox, name, dev="passed").digest for name in names]
    sandbox.push_image(f"{DEV}/{names[0]}", content="pushed since")
    judge(sandbox, f"{DEV}/{names[0]}", "dev", "passed")
    images = [f"{name}@{digest}" for name, digest in zip(names, seen, strict=True)]
    run = dags[mode].test(run_conf={"images": images, "stage": "qa"})
    assert str(run.state) == "failed"
    assert sandbox.digest(f"{QA}/{names[0]}") is None
    assert sandbox.digest(f"{QA}/{names[1]}") == seen[1]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"images": ["other/image"]}, "Nothing was selected: other/image: "),
        ({"images": ["fleet/one:1.0@latest"]}, "latest"),
        ({"image": "fleet/one"}, "Did you mean 'images'?"),
        ({"images": ["fleet/absent"]}, "Nothing was selected: fleet/absent: "),
    ],
)
def test_a_form_that_makes_no_sense_fails_at_once_in_words(
    dags: dict[str, DAG], capfd: pytest.CaptureFixture[str], form: dict[str, Any], said: str
) -> None:
    run = dags["fleet"].test(run_conf=form)
    assert states(run) == {"select": "failed", "climb_to_prod": "upstream_failed"}
    assert said in capfd.readouterr().out


def test_images_climb_to_the_stage_below_an_approval_and_wait_for_people_there(
    sandbox: RunningSandbox, dags: dict[str, DAG]
) -> None:
    start = push(sandbox, "approved/a:1.0", dev="passed", qa="passed")
    run = dags["approved"].test(run_conf={"images": ["approved/a"], "stage": "qa"})
    assert states(run) == dict.fromkeys(("select", "climb_to_qa", "approve_prod", "climb_to_prod"), "success")
    assert shown(sandbox, "approved/a:1.0") == {DEV: start.digest, QA: start.digest, PROD: None}
