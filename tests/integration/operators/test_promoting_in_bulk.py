"""The operators of a backfill, one after the other, as a run calls them, against a real sandbox."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped

from artifactory_provider.artifactory.errors import AuthenticationFailed, RateLimited
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.operators.batch_report import ArtifactoryBatchReportOperator
from artifactory_provider.operators.plan import ArtifactoryPlanOperator
from artifactory_provider.operators.promote_batch import ArtifactoryPromoteBatchOperator
from artifactory_provider.promotion.errors import BatchInterrupted, InvalidPlan, InvalidPromotion, PromotionsFailed
from artifactory_provider.tasks.plan_rows import CHUNK, ENDS, OTHERS, REPLACED, ToldRows, read_rows
from artifactory_provider.tasks.refusals import PlanRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.integration.gateway import Gateway

    from artifactory_provider.tasks.plan_rows import PlanRow
    from artifactory_sandbox.pytest_plugin import RunningSandbox

PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


class Run:
    """What Airflow keeps for the tasks of one run: XComs, through JSON, as its database would have them."""

    def __init__(self) -> None:
        self.xcoms: dict[tuple[str, int, str], str] = {}
        self.states: dict[str, str] = {}

    def context(self, task: Any, map_index: int = -1, *, try_number: int = 1) -> Any:
        from airflow.sdk.execution_time.context import OutletEventAccessors

        def push(key: str, value: Any) -> None:
            self.xcoms[task.task_id, map_index, key] = json.dumps(value)

        def pull(task_ids: str | list[str], key: str = "return_value") -> Any:
            wanted = [task_ids] if isinstance(task_ids, str) else task_ids
            found = [json.loads(value) for place, value in self.xcoms.items() if place[0] in wanted and place[2] == key]
            return next(iter(found), None) if isinstance(task_ids, str) else found

        ti = SimpleNamespace(
            dag_id="retag_backfill",
            run_id="manual__1",
            task_id=task.task_id,
            map_index=map_index,
            try_number=try_number,
            xcom_push=push,
            xcom_pull=pull,
            get_task_states=lambda **_: {"manual__1": self.states},
        )
        return {"ti": ti, "task": task, "outlet_events": OutletEventAccessors()}

    def plan(self, **fields: Any) -> list[dict[str, Any]]:
        made = ArtifactoryPlanOperator(task_id="plan", **fields)
        context = self.context(made)
        chunks = made.execute(context)
        context["ti"].xcom_push(key="return_value", value=chunks)
        return chunks

    def promote(self, chunk: dict[str, Any], map_index: int, **fields: Any) -> dict[str, Any]:
        fields = {"confirmation_timeout": 0, **fields}
        made = ArtifactoryPromoteBatchOperator(task_id="promote", chunk=chunk, **fields)
        return made.execute(self.context(made, map_index))

    def report(self, **fields: Any) -> dict[str, int]:
        made = ArtifactoryBatchReportOperator(task_id="report", **fields)
        return made.execute(self.context(made))

    def xcom(self, task: str, key: str, map_index: int = -1) -> Any:
        return json.loads(self.xcoms[task, map_index, key])

    def rows(self) -> list[PlanRow]:
        """Return the rows of the plan as the run's page lists them."""
        told = [
            ToldRows(task_id=task_id, map_index=map_index, key=key, value=json.loads(value))
            for (task_id, map_index, key), value in self.xcoms.items()
            if key.startswith((CHUNK, REPLACED, OTHERS))
        ]
        ends = [json.loads(value) for (_, _, key), value in self.xcoms.items() if key == ENDS]
        return read_rows(told, ends, untold="open")


@pytest.fixture
def run() -> Run:
    return Run()


def push(sandbox: RunningSandbox, image: str, tags: Iterable[object]) -> dict[str, str]:
    return {str(tag): sandbox.push_image(f"docker-dev/{image}:{tag}") for tag in tags}


def shown(sandbox: RunningSandbox, image: str) -> dict[str, str | None]:
    return {tag: sandbox.digest(f"docker-qa/{image}:{tag}") for tag in sandbox.tags("docker-qa", image)}


def dev_to_qa(image: str, **changes: Any) -> dict[str, Any]:
    return {"selection": {"repositories": "docker-dev", "images": image}, "target_repository": "docker-qa", **changes}


def test_a_plan_is_promoted_in_chunks_and_a_second_run_finds_nothing_to_do(
    sandbox: RunningSandbox, gateway: Gateway, image: str, run: Run
) -> None:
    pushed = push(sandbox, image, range(25))
    chunks = run.plan(**dev_to_qa(image, chunk_size="10"))
    assert [(chunk["name"], chunk["promotions"]) for chunk in chunks] == [
        (f"{image} 1–10", 10),
        (f"{image} 11–20", 10),
        (f"{image} 21–25", 5),
    ]
    for number, chunk in enumerate(chunks):
        run.promote(chunk, number)
    assert run.report() == {"promoted": 25, "unchanged": 0, "failed": 0}
    assert shown(sandbox, image) == pushed

    again = Run()
    before = len(gateway.requests)
    assert again.plan(**dev_to_qa(image)) == []
    assert again.report() == {"promoted": 0, "unchanged": 0, "failed": 0}
    assert len(gateway.requests) - before <= 6


@pytest.mark.parametrize("pending_repository", ["docker-transit", "", "None"])
def test_a_chunk_waits_in_a_transit_repository_where_one_is_named(
    sandbox: RunningSandbox, gateway: Gateway, image: str, run: Run, pending_repository: str
) -> None:
    """A field of a form that was left empty comes as nothing, or as the word for it."""
    pushed = push(sandbox, image, range(3))
    [chunk] = run.plan(**dev_to_qa(image))
    made = ArtifactoryPromoteBatchOperator(task_id="promote", chunk=chunk, confirmation_timeout=0)
    made.pending_repository = f" {pending_repository}"  # as rendered
    made.execute(run.context(made, 0))
    assert shown(sandbox, image) == pushed
    promoted = [json.loads(seen.body) for seen in gateway.requests if seen.path.endswith("/promote")]
    waited = {body["targetRepo"] for body in promoted if body["targetTag"].startswith("pending-")}
    assert waited == {"docker-transit" if pending_repository == "docker-transit" else "docker-qa"}


@pytest.mark.parametrize(
    "fields",
    [
        {"pending_repository": "docker transit"},
        {"pending_repository": "docker-transit", "two_phase": False},
        {"pending_repository": "docker transit", "two_phase": "{{ params.two_phase }}"},
    ],
)
def test_a_transit_repository_that_makes_no_sense_is_refused_when_the_dag_is_parsed(fields: dict[str, Any]) -> None:
    with pytest.raises((InvalidPromotion, InvalidReference), match=r"pending_repository|is not a repository key"):
        ArtifactoryPromoteBatchOperator(task_id="promote", promotions=[], **fields)


def test_a_transit_repository_without_two_phases_is_refused_when_only_the_run_knows_of_both(
    gateway: Gateway, image: str, run: Run
) -> None:
    made = ArtifactoryPromoteBatchOperator(
        task_id="promote", promotions=[{"source": f"docker-dev/{image}:1", "target": f"docker-qa/{image}:1"}]
    )
    made.pending_repository, made.two_phase = "docker-transit", "False"  # type: ignore[assignment]  # as rendered
    with pytest.raises(InvalidPromotion, match="set two_phase=True"):
        made.execute(run.context(made))
    assert gateway.requests == []


def test_a_dry_run_shows_the_plan_and_skips_all_that_follows(
    sandbox: RunningSandbox, gateway: Gateway, image: str, run: Run
) -> None:
    push(sandbox, image, "ab")
    with DAG("dry", schedule=None):
        plan = ArtifactoryPlanOperator(task_id="plan", plan_only="True", **dev_to_qa(image))
        promote = ArtifactoryPromoteBatchOperator.partial(task_id="promote").expand(chunk=plan.output)
        promote >> ArtifactoryBatchReportOperator(task_id="report")
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        plan.execute(run.context(plan))
    assert set(skipped.value.tasks) == {"promote", "report"}
    assert "2 promotions: 2 promote" in run.xcom("plan", "plan_summary")
    assert "dry run" in run.xcom("plan", "report_summary")
    assert not sandbox.tags("docker-qa", image)


def test_ten_bad_tags_among_a_thousand_are_explained_and_the_others_are_promoted(
    sandbox: RunningSandbox, image: str, run: Run, tmp_path: Path
) -> None:
    pushed = push(sandbox, image, range(1000))
    chunks = run.plan(**dev_to_qa(image, chunk_size=250, plan_path=f"file://{tmp_path}/plans/plan.csv"))
    missing, conflicting, unreadable, forbidden = (
        ["10", "20", "30"],
        ["300", "310", "320"],
        ["500", "510"],
        ["800", "810"],
    )
    for tag in missing:
        sandbox.delete(f"docker-dev/{image}:{tag}")
    for tag in conflicting:
        sandbox.push_image(f"docker-qa/{image}:{tag}", content="theirs")
    for tag in unreadable:
        sandbox.add_fault("status", path=f"*/{image}/manifests/{pushed[tag]}", status=404)
    for tag in forbidden:
        sandbox.add_fault("status", path=f"*/{image}/*{pushed[tag]}*", status=403)
    try:
        errors = []
        for number, chunk in enumerate(chunks):
            try:
                run.promote(chunk, number, report_path=f"file://{tmp_path}/reports")
            except (AirflowFailException, PromotionsFailed) as error:
                errors.append(str(error))
        with pytest.raises(AirflowFailException) as failed:
            run.report()
    finally:
        sandbox.clear_faults()
    outcomes = [run.xcom("promote", "outcome", number) for number in range(4)]
    explained = {failure["target"]: failure["reason"] for outcome in outcomes for failure in outcome["failures"]}
    bad = [*missing, *conflicting, *unreadable, *forbidden]
    assert sorted(explained) == sorted(f"docker-qa/{image}:{tag}" for tag in bad)
    assert all(explained.values())
    assert sum(outcome["counts"]["promoted"] for outcome in outcomes) == 990
    assert all(sandbox.digest(f"docker-qa/{image}:{tag}") == pushed[tag] for tag in pushed if tag not in bad)
    assert "10 promotions failed" in str(failed.value)
    assert all(f"docker-qa/{image}:{tag}" in str(failed.value) for tag in bad)
    assert "990 promoted, 0 found unchanged, 10 failed" in run.xcom("report", "report_summary")
    rows = [row for path in sorted((tmp_path / "reports").glob("*.csv")) for row in csv.DictReader(path.open())]
    assert [len(rows), sum(row["outcome"] == "failed" for row in rows)] == [1000, 10]
    assert len((tmp_path / "plans" / "plan.csv").read_text().splitlines()) == 1001


def test_conflicts_and_missing_tags_of_the_plan_fail_the_run_after_the_rest_is_promoted(
    sandbox: RunningSandbox, image: str, run: Run
) -> None:
    pushed = push(sandbox, image, "abc")
    theirs = sandbox.push_image(f"docker-qa/{image}:b", content="theirs")
    selection = {"repositories": ["docker-dev"], "images": [image], "tags": ["a", "b", "c", "absent"]}
    for number, chunk in enumerate(run.plan(selection=selection, target_repository="docker-qa")):
        run.promote(chunk, number)
    with pytest.raises(AirflowFailException) as failed:
        run.report()
    assert re.search(rf"The plan had 1 in conflict:\n  .*docker-qa/{image}:b shows", str(failed.value))
    assert re.search(rf"The plan had 1 missing:\n  docker-dev/{image}:absent", str(failed.value))
    assert shown(sandbox, image) == {"a": pushed["a"], "b": theirs, "c": pushed["c"]}
    assert run.report(on_problems="report")["promoted"] == 2


def test_a_failure_that_may_be_gone_later_is_tried_again_and_only_that_is(
    sandbox: RunningSandbox, gateway: Gateway, image: str, run: Run
) -> None:
    pushed = push(sandbox, image, range(10))
    [chunk] = run.plan(**dev_to_qa(image))
    sandbox.add_fault("status", path="*/promote", status=503, skip=4)
    try:
        with pytest.raises(PromotionsFailed, match="Another try promotes what is left"):
            run.promote(chunk, 0, two_phase=False)
    finally:
        sandbox.clear_faults()
    before = len(shown(sandbox, image))
    assert 0 < before < 10
    outcome = run.promote(chunk, 0, two_phase=False)
    assert outcome["counts"] == {"promoted": 10 - before, "unchanged": before, "failed": 0}
    assert shown(sandbox, image) == pushed
    assert run.report() == outcome["counts"]


def test_a_failure_that_no_other_try_can_mend_fails_at_once(sandbox: RunningSandbox, image: str, run: Run) -> None:
    push(sandbox, image, "ab")
    [chunk] = run.plan(**dev_to_qa(image))
    sandbox.push_image(f"docker-qa/{image}:b", content="theirs")
    with pytest.raises(AirflowFailException, match="Another try cannot mend 1"):
        run.promote(chunk, 0)


def test_promotions_need_no_plan(sandbox: RunningSandbox, image: str, run: Run) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    promotions = [{"source": f"docker-dev/{image}:1", "target": f"docker-qa/{image}:{tag}"} for tag in "xy"]
    made = ArtifactoryPromoteBatchOperator(task_id="promote", promotions=promotions)
    assert made.execute(run.context(made))["counts"]["promoted"] == 2
    assert shown(sandbox, image) == {"x": digest, "y": digest}


def test_a_move_without_digests_is_refused_before_anything_is_sent(gateway: Gateway, image: str, run: Run) -> None:
    promotions = [{"source": f"docker-dev/{image}:1", "target": f"docker-qa/{image}:1"}]
    made = ArtifactoryPromoteBatchOperator(task_id="promote", promotions=promotions, copy=False)
    with pytest.raises(InvalidPromotion, match="A move needs the digest"):
        made.execute(run.context(made))
    assert gateway.requests == []


def test_a_chunk_that_is_not_whole_is_refused(sandbox: RunningSandbox, image: str, run: Run) -> None:
    push(sandbox, image, "ab")
    [chunk] = run.plan(**dev_to_qa(image))
    for key in ({**chunk, "promotions": 3}, {**chunk, "key": "chunk_0009"}):
        with pytest.raises(InvalidPromotion, match="clear that task, which plans anew"):
            run.promote(key, 0)


@pytest.mark.parametrize("nothing", [None, "", "None", "[]", {}, 5, ["x"], [{"source": None, "target": None}]])
@pytest.mark.parametrize("field", ["chunk", "promotions"])
def test_a_task_that_is_handed_no_promotions_fails_and_does_not_say_that_all_is_done(
    gateway: Gateway, run: Run, field: str, nothing: Any
) -> None:
    templated: dict[str, Any] = {field: "{{ rendered_later }}"}
    made = ArtifactoryPromoteBatchOperator(task_id="promote", **templated)
    setattr(made, field, nothing)
    with pytest.raises(InvalidPromotion):
        made.execute(run.context(made))
    assert gateway.requests == []


@pytest.mark.parametrize("emit", [True, False])
def test_other_dags_are_woken_only_where_that_is_asked_for(
    sandbox: RunningSandbox, image: str, run: Run, emit: bool
) -> None:
    pushed = push(sandbox, image, "ab")
    [chunk] = run.plan(**dev_to_qa(image))
    made = ArtifactoryPromoteBatchOperator(task_id="promote", chunk=chunk, emit_assets=str(emit))
    context = run.context(made, 0)
    made.execute(context)
    events = [event for outlet in made.outlets for event in context["outlet_events"][outlet].asset_alias_events]
    assert len(events) == emit, "one for each image, however many tags it has: they stay few in a large run"
    targets = {one["target"]["reference"] for event in events for one in event.extra["promotions"]}
    assert targets == ({f"docker-qa/{image}:{tag}@{digest}" for tag, digest in pushed.items()} if emit else set())


@pytest.mark.parametrize("before", [None, "content before"])
def test_other_dags_hear_of_what_an_earlier_try_has_promoted_from_the_one_that_ends_well(
    sandbox: RunningSandbox, image: str, run: Run, before: str | None
) -> None:
    """Airflow takes no event of a try that fails or dies."""
    pushed = push(sandbox, image, "abcd")
    replaced = sandbox.push_image(f"docker-qa/{image}:a", content=before) if before else None
    sandbox.push_image(f"docker-qa/{image}:c", content=f"docker-dev/{image}:c")
    promotions = [{"source": f"docker-dev/{image}:{tag}", "target": f"docker-qa/{image}:{tag}"} for tag in pushed]

    def promote(promotions: list[dict[str, str]], try_number: int) -> list[dict[str, Any]]:
        made = ArtifactoryPromoteBatchOperator(
            task_id="promote", promotions=promotions, on_conflict="backup", emit_assets=True
        )
        context = run.context(made, try_number=try_number)
        made.execute(context)
        events = [event for outlet in made.outlets for event in context["outlet_events"][outlet].asset_alias_events]
        return [record for event in events for record in event.extra["promotions"]]

    promote(promotions[:2], 1)
    told = {record["target"]["tag"]: record for record in promote(promotions, 2)}
    assert {tag: (record["outcome"], record["digest"]) for tag, record in told.items()} == {
        tag: ("promoted", pushed[tag]) for tag in "abd"
    }, "c was there before, and is no promotion of this run"
    assert {record["replaced"] for record in told.values()} == {replaced, None}


def test_a_task_that_is_asked_to_stop_ends_cleanly_and_a_retry_goes_on(
    sandbox: RunningSandbox, image: str, run: Run
) -> None:
    pushed = push(sandbox, image, range(40))
    [chunk] = run.plan(**dev_to_qa(image))
    sandbox.add_fault("latency", path="*/promote", seconds=0.3)
    made = ArtifactoryPromoteBatchOperator(task_id="promote", chunk=chunk, at_once=4)
    was = signal.signal(signal.SIGTERM, lambda *_: made.on_kill())
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        with pytest.raises(BatchInterrupted, match="another try promotes what is left"):
            made.execute(run.context(made, 0))
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, was)
        sandbox.clear_faults()
    counts = run.promote(chunk, 0)["counts"]
    assert counts["failed"] == 0
    assert shown(sandbox, image) == pushed


def test_a_server_that_limits_requests_for_good_is_a_reason_to_try_again(
    sandbox: RunningSandbox, image: str, run: Run
) -> None:
    push(sandbox, image, "a")
    [chunk] = run.plan(**dev_to_qa(image))
    sandbox.add_fault("status", path="*/search/aql", status=429)
    try:
        with pytest.raises((RateLimited, PromotionsFailed)):
            run.promote(chunk, 0)
    finally:
        sandbox.clear_faults()


@pytest.mark.parametrize(("switch", "offered"), [("dry_run", True), ("trial", False)])
def test_a_dry_run_tells_which_switch_of_the_form_made_it_one(
    sandbox: RunningSandbox, image: str, run: Run, switch: str, offered: bool
) -> None:
    push(sandbox, image, "a")
    form = {switch: Param(True, type="boolean", title="Dry run"), "images": Param("", title="Images")}
    with DAG("dry", schedule=None, params=form):
        plan = ArtifactoryPlanOperator(task_id="plan", plan_only="True", **dev_to_qa(image))
        plan >> ArtifactoryBatchReportOperator(task_id="report")
    context: Any = {**run.context(plan), "params": {switch: True, "images": image}}
    with pytest.raises(DownstreamTasksSkipped):
        plan.execute(context)
    assert (("plan", -1, "dry_run") in run.xcoms) == offered
    if offered:
        titles = {"dry_run": "Dry run", "images": "Images"}
        assert run.xcom("plan", "dry_run") == {"field": "dry_run", "titles": titles, "seen": {}}


def test_a_run_without_a_plan_says_so(run: Run) -> None:
    with pytest.raises(PlanRefused, match=r"There is no plan.* The log of the task plan says why"):
        run.report()


def test_a_refused_plan_says_why_in_the_forms_own_words_and_so_does_the_report(
    sandbox: RunningSandbox, image: str, run: Run
) -> None:
    push(sandbox, image, "abc")
    form = {"largest": Param(2, type="integer", title="Most promotions"), "images": Param("", title="Images")}
    with DAG("refused", schedule=None, params=form):
        plan = ArtifactoryPlanOperator(task_id="plan", largest=2, **dev_to_qa(image))
    with pytest.raises(PlanRefused, match="say “Most promotions” = 3"):
        plan.execute(run.context(plan))
    told = run.xcom("plan", "plan_problem")
    assert told.startswith("The plan was refused. 3 promotions are meant, and 2 are the most that were confirmed")
    assert "largest" not in told
    with pytest.raises(PlanRefused, match=r"There is no plan.*The plan was refused\. 3 promotions"):
        run.report()


def test_a_plan_that_the_server_keeps_from_being_made_says_so_too(
    connect: Callable[..., None], image: str, run: Run
) -> None:
    connect(password="wrong")
    with pytest.raises(AuthenticationFailed):
        run.plan(**dev_to_qa(image))
    assert "The plan could not be made." in run.xcom("plan", "plan_problem")
    assert "credentials" in run.xcom("plan", "plan_problem")
    assert "wrong" not in run.xcom("plan", "plan_problem").replace("wrong or expired", "")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"chunk_size": "many"}, "The plan was refused. “Promotions in a chunk” is a whole number, not 'many'."),
        ({"selection": {"repositories": []}}, "The plan was refused. “Source repositories” is a list of repository"),
        ({"selection": {"repositories": "docker-dev", "created_from": "x"}}, "“Created from” is a moment such as"),
        ({"selection": {"repositories": "docker-dev", "properties": "x"}}, "“Properties” has one 'name=value' a line"),
        ({"target_repository": "no such"}, "The plan was refused. 'no such' is not a repository key"),
    ],
)
def test_every_refusal_of_what_the_form_gives_is_in_its_words(run: Run, fields: dict[str, Any], told: str) -> None:
    titles = {
        "chunk_size": "Promotions in a chunk",
        "repositories": "Source repositories",
        "created_from": "Created from",
        "properties": "Properties",
    }
    with DAG("refused", schedule=None, params={name: Param(None, title=title) for name, title in titles.items()}):
        plan = ArtifactoryPlanOperator(task_id="plan", **dev_to_qa("any/image"))
    for name, value in fields.items():
        setattr(plan, name, value)  # as rendering does
    with pytest.raises(InvalidPromotion):
        plan.execute(run.context(plan))
    assert told in run.xcom("plan", "plan_problem")


def test_a_plan_that_was_not_approved_is_reported_as_such(sandbox: RunningSandbox, image: str, run: Run) -> None:
    push(sandbox, image, "a")
    run.plan(**dev_to_qa(image))
    run.states = {"promote": "skipped"}
    assert run.report() == {"promoted": 0, "unchanged": 0, "failed": 0}
    assert "not approved" in run.xcom("report", "report_summary")
    assert [(row.end, row.why) for row in run.rows()] == [("held back", "The plan was not approved.")]


def test_each_row_of_a_plan_says_what_became_of_it(sandbox: RunningSandbox, image: str, run: Run) -> None:
    pushed = push(sandbox, image, "abcd")
    theirs = sandbox.push_image(f"docker-qa/{image}:b", content="theirs")
    selection = {"repositories": ["docker-dev"], "images": [image], "tags": [*"abcd", "absent"]}
    chunks = run.plan(selection=selection, target_repository="docker-qa", chunk_size=2)
    assert {row.end for row in run.rows()} == {"", "open"}
    sandbox.delete(f"docker-dev/{image}:d")
    run.promote(chunks[0], 0)
    with pytest.raises(AirflowFailException):
        run.promote(chunks[1], 1)
    rows = run.rows()
    assert [(row.source.rpartition(":")[2], row.kind, row.end) for row in rows] == [
        ("d", "new", "failed"),
        ("b", "conflict", ""),
        ("absent", "missing", ""),
        ("a", "new", "promoted"),
        ("c", "new", "promoted"),
    ]
    assert rows[0].why == run.xcom("promote", "outcome", 1)["failures"][0]["reason"]
    assert [row.current for row in rows] == ["", theirs, "", "", ""]
    assert [row.digest for row in rows] == [pushed["d"], pushed["b"], "", pushed["a"], pushed["c"]]


def test_a_chunk_that_has_told_nothing_fails_the_run_by_its_name(sandbox: RunningSandbox, image: str, run: Run) -> None:
    push(sandbox, image, "abc")
    run.promote(run.plan(**dev_to_qa(image, chunk_size=2))[0], 0)
    with pytest.raises(AirflowFailException, match=rf"1 chunk has told nothing; .*\n  {image} 3$"):
        run.report()


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"selection": {"repositories": []}}, InvalidPlan),
        ({"selection": {"repositories": "docker-dev", "images": "regex:("}}, InvalidPlan),
        ({"selection": {"repositories": "docker-dev", "created_from": "yesterday"}}, InvalidPromotion),
        ({"selection": {"repository": "docker-dev"}}, InvalidPromotion),
        ({"target_tags": "{secret}"}, InvalidPlan),
        ({"target_image": "{tag}"}, InvalidPlan),
        ({"largest": "many"}, InvalidPromotion),
        ({"chunk_size": -1}, InvalidPromotion),
        ({"on_conflict": "ask"}, InvalidPromotion),
        ({"target_repository": "a/b"}, ValueError),
    ],
)
def test_plain_arguments_that_make_no_sense_are_refused_when_the_dag_is_parsed(
    fields: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        ArtifactoryPlanOperator(task_id="plan", **{**dev_to_qa("app"), **fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target_tags": [1.10]}, "target_tags: 1.1 is a number, not a tag"),
        ({"target_image": 1.10}, "1.1 is a number, not an image name"),
        ({"target_repository": True}, "True is a boolean, not a repository key"),
        ({"selection": {"repositories": ["docker-dev"], "exclude_tags": [1.10]}}, "exclude_tags: 1.1 is a number"),
        ({"selection": {"repositories": ["docker-dev"], "tags": [True]}}, "tags: True is a boolean, not a tag"),
    ],
)
def test_names_that_yaml_has_changed_are_refused_when_the_dag_is_parsed_and_when_the_task_runs(
    gateway: Gateway, run: Run, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        ArtifactoryPlanOperator(task_id="plan", **{**dev_to_qa("app"), **fields})
    made = ArtifactoryPlanOperator(task_id="plan", **dev_to_qa("app"))
    for name, value in fields.items():
        setattr(made, name, value)  # as a native template does
    with pytest.raises(ValueError, match=said.rpartition(": ")[2]):
        made.execute(run.context(made))
    assert gateway.requests == []


@pytest.mark.parametrize("end", ["source", "target"])
@pytest.mark.parametrize("value", [1.10, True, None])
def test_a_promotion_whose_end_is_no_text_is_refused_with_which_it_is(
    gateway: Gateway, run: Run, end: str, value: Any
) -> None:
    promotions = [{"source": "docker-dev/app:1", "target": "docker-qa/app:1", end: value}]
    made = ArtifactoryPromoteBatchOperator(task_id="promote", promotions=promotions)
    with pytest.raises(InvalidPromotion, match=rf"^The {end} of a promotion: {value} is .*not an image reference"):
        made.execute(run.context(made))
    assert gateway.requests == []


@pytest.mark.parametrize("path", ["http://example.com/reports", "s3://aws_default@bucket/reports"])
def test_a_place_for_reports_that_is_of_no_use_is_refused_before_anything_is_asked_or_promoted(
    sandbox: RunningSandbox, gateway: Gateway, image: str, run: Run, path: str
) -> None:
    push(sandbox, image, "a")
    chunks = run.plan(**dev_to_qa(image))
    before = len(gateway.requests)
    with pytest.raises(InvalidPromotion, match=r"^report_path cannot be used: .* Nothing was promoted"):
        run.promote(chunks[0], 0, report_path=path)
    with pytest.raises(InvalidPromotion, match=r"^plan_path cannot be used: .* Nothing was promoted"):
        run.plan(**dev_to_qa(image, plan_path=f"{path}/plan.csv"))
    assert len(gateway.requests) == before
    assert shown(sandbox, image) == {}


def test_a_batch_whose_record_could_not_be_written_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidPromotion, match="no property name"):
        ArtifactoryPromoteBatchOperator(task_id="promote", promotions=[], property_prefix="my prefix")


def test_a_batch_needs_a_chunk_or_promotions() -> None:
    neither_and_both: list[dict[str, Any]] = [{}, {"chunk": {}, "promotions": []}]
    for fields in neither_and_both:
        with pytest.raises(InvalidPromotion, match="either a chunk"):
            ArtifactoryPromoteBatchOperator(task_id="promote", **fields)
