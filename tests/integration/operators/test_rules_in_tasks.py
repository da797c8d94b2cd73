"""What the policy, a hold, a stop or a rejection does to tasks: they fail with the reason, or wait; people lift it."""

from __future__ import annotations

import datetime
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from artifactory_provider.operators import (
    ArtifactoryHoldOperator,
    ArtifactoryLiftOperator,
    ArtifactoryPromoteBatchOperator,
    ArtifactoryPromoteOperator,
    ArtifactoryRejectOperator,
    ArtifactoryRollbackOperator,
)
from artifactory_provider.policy import InvalidPolicy, StopOrder
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionsFailed
from artifactory_provider.promotion.rules import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox

SOON = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=20)


class Store(dict[str, Any]):
    """A task's state store, as far as it is used."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture
def context(connect: Callable[..., None]) -> Any:
    from airflow.sdk.execution_time.context import OutletEventAccessors

    ti = SimpleNamespace(
        dag_id="ops",
        run_id="manual",
        task_id="promote",
        map_index=-1,
        try_number=1,
        max_tries=3,
        xcom_push=lambda **_: None,
    )
    return {"task_state_store": Store(), "outlet_events": OutletEventAccessors(), "ti": ti}


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the policy, as a Variable that comes from the environment."""

    def be(*rules: dict[str, Any]) -> None:
        monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", json.dumps({"version": 1, "rules": rules}))

    return be


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def be(**fields: Any) -> None:
        since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        order = StopOrder(reason="it burns", by="alice", since=since, **fields)
        monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_STOP", json.dumps({"version": 1, "stops": [order.to_dict()]}))

    return be


def frozen(until: datetime.datetime = SOON) -> dict[str, Any]:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    spans = [f"{start:%Y-%m-%dT%H:%M}/{until:%Y-%m-%dT%H:%M}"]
    return {"target": {"repositories": ["docker-qa"]}, "windows": {"timezone": "UTC", "deny": spans}}


def note_first_refusal(context: Any, *, hours_ago: int) -> None:
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours_ago)
    noted = {"since": since.isoformat(), "max_tries": context["ti"].max_tries}
    context["task_state_store"].set("artifactory_refused_since", noted)


def single(image: str, **changes: Any) -> ArtifactoryPromoteOperator:
    fields = {"source_repository": "docker-dev", "target_repository": "docker-qa", "image": image, "tag": "1"}
    return ArtifactoryPromoteOperator(**{"task_id": "promote", "on_conflict": "overwrite", **fields, **changes})


def many(image: str, **changes: Any) -> ArtifactoryPromoteBatchOperator:
    pairs = [{"source": f"docker-dev/{image}:1", "target": f"docker-qa/{image}:1"}]
    return ArtifactoryPromoteBatchOperator(
        **{"task_id": "promote", "promotions": pairs, "on_conflict": "overwrite", **changes}
    )


def whole(image: str, **changes: Any) -> ArtifactoryPromoteOperator:
    return single(image, tag=None, **changes)


ALL = pytest.mark.parametrize("operator", [single, many, whole])


def decision(kind: Any, image: str, **changes: Any) -> Any:
    fields = {"repository": "docker-qa", "image": image, "tag": "1", "reason": "the new one loses orders"}
    return kind(task_id="decide", **{**fields, **changes})


@ALL
def test_a_freeze_fails_a_task_with_its_reason(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], operator: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy(frozen())
    with pytest.raises(Exception, match=r"docker-qa is frozen by the rule") as caught:
        operator(image).execute(context)
    assert not isinstance(caught.value, TaskDeferred)
    assert sandbox.tags("docker-qa", image) == []


@pytest.mark.parametrize("operator", [many, whole])
def test_what_is_refused_is_not_tried_again_among_many(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], operator: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy(frozen())
    with pytest.raises(AirflowFailException, match="docker-qa is frozen"):
        operator(image).execute(context)


@ALL
def test_a_task_that_waits_gives_its_worker_back_until_the_freeze_ends(
    sandbox: RunningSandbox,
    image: str,
    context: Any,
    policy: Callable[..., None],
    operator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    policy(frozen())
    task = operator(image, when_refused="wait")
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    trigger = caught.value.trigger
    assert isinstance(trigger, DateTimeTrigger)
    assert trigger.moment == SOON.replace(second=0, microsecond=0)
    assert caught.value.method_name == "resume"
    monkeypatch.delenv("AIRFLOW_VAR_ARTIFACTORY_POLICY")
    operator(image, when_refused="wait").resume(context, {})
    assert sandbox.digest(f"docker-qa/{image}:1") == digest


@ALL
def test_a_task_waits_no_longer_than_it_is_told(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], operator: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy(frozen())
    note_first_refusal(context, hours_ago=3)
    with pytest.raises(Exception, match="docker-qa is frozen") as caught:
        operator(image, when_refused="wait", longest_wait=datetime.timedelta(hours=2)).execute(context)
    assert not isinstance(caught.value, TaskDeferred)


@ALL
def test_a_task_that_somebody_has_cleared_waits_anew(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], operator: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy(frozen())
    note_first_refusal(context, hours_ago=72)
    context["ti"].max_tries += 1  # as Airflow does when a task is cleared
    with pytest.raises(TaskDeferred):
        operator(image, when_refused="wait").execute(context)


@pytest.mark.parametrize("noted", ["yesterday", {"since": "yesterday", "max_tries": 3}, {"max_tries": 3}, [], 7])
def test_what_a_user_has_written_into_the_state_of_a_task_ends_no_wait(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], noted: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy(frozen())
    context["task_state_store"].set("artifactory_refused_since", noted)
    with pytest.raises(TaskDeferred):
        single(image, when_refused="wait").execute(context)


@ALL
def test_a_stop_without_an_end_is_looked_at_each_minute(
    sandbox: RunningSandbox, image: str, context: Any, stop: Callable[..., None], operator: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    stop()
    before = datetime.datetime.now(datetime.UTC)
    with pytest.raises(TaskDeferred) as caught:
        operator(image, when_refused="wait").execute(context)
    moment = caught.value.trigger.moment
    assert datetime.timedelta(seconds=59) < moment - before < datetime.timedelta(seconds=90)
    with pytest.raises(Exception, match=r"stopped for docker-qa .*by alice .*it burns"):
        operator(image).execute(context)


@pytest.mark.parametrize("operator", [single, many])
def test_a_policy_that_is_broken_lets_nothing_move(
    sandbox: RunningSandbox, image: str, context: Any, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    monkeypatch.setenv("AIRFLOW_VAR_ARTIFACTORY_POLICY", '{"version": 1, "rules": [{"target": {}}]}')
    before = len(sandbox.requests)
    with pytest.raises(InvalidPolicy, match="artifactory_policy has"):
        operator(image, when_refused="wait").execute(context)
    assert len(sandbox.requests) == before


@ALL
def test_what_the_policy_requires_has_to_have_passed(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], operator: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    check = {"kind": "property", "name": "qa.status"}
    policy({"target": {"repositories": ["docker-qa"]}, "require": [check]})
    with pytest.raises(Exception, match=r"qa\.status is not set"):
        operator(image).execute(context)
    assert sandbox.tags("docker-qa", image) == []
    sandbox.set_properties(f"docker-dev/{image}:1", {"qa.status": "passed"})
    operator(image).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert "qa.status" in sandbox.properties(f"docker-qa/{image}:1")["promotion.verdicts"][0]


def test_one_request_for_a_whole_image_is_refused_where_tags_have_to_pass_checks(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None]
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy({"target": {"repositories": ["docker-qa"]}, "require": [{"kind": "property", "name": "qa.status"}]})
    with pytest.raises(InvalidPromotion, match="promote tag by tag"):
        whole(image, one_request=True).execute(context)


@ALL
def test_what_needs_approvals_is_refused_without(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], operator: Any
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    policy({"target": {"repositories": ["docker-qa"]}, "approvals": {"count": 2}})
    for approval in (None, {"approval": 1, "answers": [{"by": "bob"}]}):
        for when_refused in ("fail", "wait"):
            with pytest.raises(Exception, match="2 people have to approve") as caught:
                operator(image, approval=approval, when_refused=when_refused).execute(context)
            assert not isinstance(caught.value, TaskDeferred), "nobody is asked any more"
    assert sandbox.tags("docker-qa", image) == []


def test_a_rollback_stays_until_somebody_lifts_its_hold(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None], stop: Callable[..., None]
) -> None:
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new")
    single(image, on_conflict="backup").execute(context)
    policy(frozen())
    stop()
    ArtifactoryRollbackOperator(
        task_id="roll_back", repository="docker-qa", image=image, tag="1", reason="it loses orders"
    ).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == old

    policy({"target": {"repositories": ["docker-other"]}, "approvals": {"count": 1}})
    stop(until=datetime.datetime.now(datetime.UTC))
    with pytest.raises(Refused, match=r"is held.*it loses orders"):
        single(image).execute(context)
    with pytest.raises(Exception, match=r"is held.*it loses orders"):
        many(image).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    decision(ArtifactoryLiftOperator, image).execute(context)
    single(image).execute(context)
    assert sandbox.digest(f"docker-qa/{image}:1") == new


def test_a_rejected_digest_under_ten_tags_in_three_stages_is_refused_everywhere(
    sandbox: RunningSandbox, image: str, context: Any
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    for number in range(10):
        sandbox.tag(f"docker-dev/{image}:1", f"docker-dev/{image}:also-{number}")
    whole(image).execute(context)
    prod = [{"source": f"docker-qa/{image}:also-1@{digest}", "target": f"docker-prod/{image}:1"}]
    many(image, promotions=prod).execute(context)
    decided = decision(ArtifactoryRejectOperator, image, repository="docker-prod").execute(context)
    assert len(decided["places"]) == 11 + 11 + 1
    for number in range(10):
        for source, target in (("docker-dev", "docker-prod"), ("docker-qa", "docker-prod")):
            with pytest.raises(Refused, match=r"is rejected.*the new one loses orders"):
                single(image, source_repository=source, target_repository=target, tag=f"also-{number}").execute(context)
    everything = [
        {"source": f"docker-qa/{image}:also-{number}", "target": f"docker-prod/{image}:also-{number}"}
        for number in range(10)
    ]
    with pytest.raises(Exception, match="10 of 10 promotions"):
        many(image, promotions=everything).execute(context)
    decision(ArtifactoryLiftOperator, image, repository="docker-prod", lifted="rejection").execute(context)
    many(image, promotions=everything).execute(context)
    assert len(sandbox.tags("docker-prod", image)) == 11


def test_decisions_say_what_they_did_and_by_whom(sandbox: RunningSandbox, image: str, context: Any) -> None:
    digest = sandbox.push_image(f"docker-qa/{image}:1")
    decided = decision(ArtifactoryHoldOperator, image).execute(context)
    assert decided == {
        "reference": f"docker-qa/{image}:1",
        "reason": "the new one loses orders",
        "by": "person",
        "places": [f"docker-qa/{image}:1@{digest}"],
    }


@pytest.mark.parametrize("changes", [{"reason": ""}, {"image": "Not/An//Image"}, {"lifted": "everything"}])
def test_a_decision_that_makes_no_sense_is_refused_at_parse_time(image: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"A reason is|is not an image name|lifted is"):
        decision(ArtifactoryLiftOperator, **{"image": image, **changes})


@pytest.mark.parametrize("operator", [single, many])
def test_what_a_refusal_leads_to_is_checked_at_parse_time(image: str, operator: Any) -> None:
    with pytest.raises(InvalidPromotion, match="when_refused is 'fail' or 'wait', not 'ask'"):
        operator(image, when_refused="ask")


def test_checks_of_the_policy_and_of_the_task_both_count(
    sandbox: RunningSandbox, image: str, context: Any, policy: Callable[..., None]
) -> None:
    from artifactory_provider.verification import PropertyCheck

    sandbox.push_image(f"docker-dev/{image}:1")
    sandbox.set_properties(f"docker-dev/{image}:1", {"qa.status": "passed"})
    policy({"target": {"repositories": ["docker-qa"]}, "require": [{"kind": "property", "name": "qa.status"}]})
    with pytest.raises(PromotionsFailed, match=r"own\.status is not set"):
        many(image, checks=[PropertyCheck(name="own.status")]).execute(context)
    sandbox.set_properties(f"docker-dev/{image}:1", {"own.status": "failed"})
    with pytest.raises(Exception, match=r"own\.status is 'failed'"):
        many(image, checks=[PropertyCheck(name="own.status")]).execute(context)
