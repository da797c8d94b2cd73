"""What the Variables of an Airflow say, as a task asks them: read once or anew, never past what cannot be read."""

from __future__ import annotations

import asyncio
import datetime
import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import (
    Approval,
    ApprovalRule,
    InvalidPolicy,
    OverrideRule,
    Stop,
    StopOrder,
    fingerprint,
    read_stop,
)
from artifactory_provider.policy.overrides import Override
from artifactory_provider.policy.responses import Response
from artifactory_provider.policy.seals import derive_key
from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.rules import Answers, Starter, VariableRules

NOW = datetime.datetime(2026, 12, 19, 3, 0, tzinfo=datetime.UTC)
DIGEST = f"sha256:{'a' * 64}"
PROD = ImageReference("docker-prod", "payments/api", "1.4.2")
CHANGE = Change(ImageReference("docker-qa", "payments/api", "1.4.2", DIGEST), PROD)
KEY = derive_key("password")
FREEZE = {
    "target": {"repositories": ["docker-prod"]},
    "windows": {"timezone": "Europe/Berlin", "deny": ["2026-12-18/2027-01-04"]},
    "applies_to": ["schedule", "event", "backfill"],
}


def policy(*rules: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "rules": rules})


def order(**changes: Any) -> StopOrder:
    return StopOrder(**{"reason": "it burns", "by": "alice", "since": NOW, **changes})


@dataclass
class Variables:
    """Airflow's Variables; every read is counted."""

    texts: dict[str, str] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> str | None:
        self.read.append(name)
        return self.texts.get(name)


class Unstopped:
    """Stops that are known at once."""

    async def read(self) -> Stop:
        return read_stop("")


def rules_of(found: Variables, origin: Any = "schedule", user: str | None = None, **names: str) -> VariableRules:
    rules = VariableRules.read(
        policy_variable=names.get("policy"),
        stop_variable=names.get("stop"),
        starter=Starter(origin, user, "nightly"),
        key=lambda: KEY,
        read=found,
    )
    rules._now = lambda: NOW
    return rules


async def ask(rules: VariableRules, *changes: Change) -> list[str]:
    return [str(refusal or "") for refusal in await rules.find_refusals(changes or [CHANGE])]


async def test_without_variables_nothing_is_refused() -> None:
    assert await ask(rules_of(Variables()).with_answers([CHANGE], None)) == [""]


@pytest.mark.parametrize(("origin", "is_refused"), [("schedule", True), ("backfill", True), ("person", False)])
async def test_a_freeze_holds_for_whom_it_names(origin: str, is_refused: bool) -> None:
    [said] = await ask(rules_of(Variables({"artifactory_policy": policy(FREEZE)}), origin))
    assert ("docker-prod is frozen" in said) == is_refused


async def test_the_policy_is_read_once_and_the_stops_each_time() -> None:
    found = Variables({"artifactory_policy": policy(FREEZE)})
    rules = rules_of(found)
    for _ in range(3):
        await ask(rules, CHANGE, CHANGE)
    assert found.read == ["artifactory_policy", *["artifactory_stop"] * 3]


async def test_a_stop_that_is_set_between_two_questions_holds_for_the_second() -> None:
    found = Variables()
    rules = rules_of(found, "person", "alice")
    assert await ask(rules) == [""]
    found.texts["artifactory_stop"] = json.dumps({"version": 1, "stops": [order().to_dict()]})
    [said] = await ask(rules)
    assert "it burns" in said
    del found.texts["artifactory_stop"]
    assert await ask(rules) == [""]


async def test_nobody_gets_an_answer_that_was_read_before_they_asked() -> None:
    begun, may_end = threading.Event(), threading.Event()
    texts: list[str | None] = [None]
    reads: list[str | None] = []

    def read(name: str) -> str | None:
        if name == "artifactory_policy":
            return None
        text = texts[0]
        reads.append(text)
        if len(reads) == 1:
            begun.set()
            assert may_end.wait(10)
        return text

    rules = VariableRules.read(
        policy_variable=None, stop_variable=None, starter=Starter("person", "a"), key=lambda: KEY, read=read
    )
    first = asyncio.create_task(ask(rules))
    await asyncio.to_thread(begun.wait, 10)
    texts[0] = json.dumps({"version": 1, "stops": [order().to_dict()]})
    later = [asyncio.create_task(ask(rules)) for _ in range(100)]
    await asyncio.sleep(0)
    may_end.set()
    assert await first == [""]
    assert all("it burns" in said for [said] in await asyncio.gather(*later))
    assert len(reads) == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2, "stops": []}', '{"version": 1, "stops": [{}]}'])
async def test_a_stop_that_nobody_can_read_stops_everything(text: str) -> None:
    [said] = await ask(rules_of(Variables({"artifactory_stop": text}), "person", "alice"))
    assert said.startswith("Nothing is promoted, as nobody can tell what is stopped: artifactory_stop has ")


@pytest.mark.parametrize("text", ["", "  ", "{", '{"version": 1}', '{"version": 1, "rules": []}'])
def test_a_policy_that_is_empty_or_none_lets_nothing_begin(text: str) -> None:
    with pytest.raises(InvalidPolicy, match="artifactory_policy has "):
        rules_of(Variables({"artifactory_policy": text}))


def test_a_policy_that_the_connection_names_has_to_be_there() -> None:
    with pytest.raises(RulesUnreadable, match="names the policy 'of_payments', and there is no such Variable"):
        rules_of(Variables({"artifactory_policy": policy(FREEZE)}), policy="of_payments")


async def test_a_connection_may_name_variables_of_its_own() -> None:
    found = Variables({"of_payments": policy(FREEZE), "stops": json.dumps({"version": 1, "stops": []})})
    [said] = await ask(rules_of(found, policy="of_payments", stop="stops"))
    assert "docker-prod is frozen" in said
    assert found.read == ["of_payments", "stops"]


def approval(changes: list[Change], *people: str, key: bytes = KEY) -> dict[str, Any]:
    return Approval(
        of=(fingerprint(changes),),
        subject="payments",
        rule=ApprovalRule(),
        answers=tuple(Response(by=one, at=NOW) for one in people),
        run="release/manual/approve",
        triggered_by="alice",
    ).as_dict(key)


TWO = {"target": {"repositories": ["docker-prod"]}, "approvals": {"count": 2, "from": ["alice", "bob", "carol"]}}


async def test_what_needs_approvals_goes_with_them_and_not_without() -> None:
    rules = rules_of(Variables({"artifactory_policy": policy(TWO)}), "person", "alice")
    other = CHANGE.source.unpinned().pinned(f"sha256:{'b' * 64}")
    enough = Answers(approval=approval([CHANGE], "bob", "carol"))
    assert await ask(rules.with_answers([CHANGE], enough)) == [""]
    for answers in (
        None,
        Answers(approval=approval([CHANGE], "bob")),
        Answers(approval=approval([CHANGE], "alice", "bob")),
        Answers(approval=approval([Change(other, PROD)], "bob", "carol")),
        Answers(approval=approval([CHANGE], "bob", "carol", key=derive_key("guessed"))),
        Answers(approval={"approval": 1}),
    ):
        said, again = await ask(rules.with_answers([CHANGE], answers), CHANGE, CHANGE)
        assert "2 of alice, bob, carol have to approve" in said
        assert said == again


def test_the_record_says_who_has_approved_and_nothing_of_what_was_forged() -> None:
    promotion = Promotion(source=CHANGE.source, target=PROD)
    rules = rules_of(Variables(), "person", "alice")
    for key, said in ((KEY, "2 of 1 in release/manual/approve; bob"), (derive_key("guessed"), "")):
        answers = Answers(approval=approval([CHANGE], "bob", "carol", key=key))
        [recorded] = rules.with_answers([CHANGE], answers).record_answers([promotion])
        assert recorded.options.approvals.startswith(said)
        assert bool(recorded.options.approvals) == bool(said)
    assert rules.record_answers([promotion]) == (promotion,)


def test_the_record_says_nothing_of_approvals_that_are_of_something_else() -> None:
    promotion = Promotion(source=CHANGE.source, target=PROD)
    other = Change(CHANGE.source.unpinned().pinned(f"sha256:{'b' * 64}"), PROD)
    answers = Answers(approval=approval([other], "bob", "carol"))
    rules = rules_of(Variables(), "person", "alice").with_answers([CHANGE], answers)
    assert rules.record_answers([promotion]) == (promotion,)


async def test_the_key_of_seals_is_made_once_for_thousands_and_not_at_all_where_nobody_was_asked() -> None:
    made: list[bytes] = []

    def make() -> bytes:
        made.append(KEY)
        return KEY

    found = Variables({"artifactory_policy": policy(TWO)})
    rules = VariableRules.read(
        policy_variable=None, stop_variable=None, starter=Starter("person", "alice"), key=make, read=found
    )
    rules._now = lambda: NOW
    [said] = await ask(rules.with_answers([CHANGE], None))
    assert said.startswith("Nobody was asked")
    assert made == []
    enough = Answers(approval=approval([CHANGE], "bob", "carol"))
    for _ in range(3):
        assert await ask(rules.with_answers([CHANGE], enough), CHANGE, CHANGE) == ["", ""]
    assert made == [KEY]


async def test_thousands_of_changes_leave_others_their_turn() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    rules = rules_of(Variables({"artifactory_policy": policy(FREEZE)}))
    rules._stops = Unstopped()  # type: ignore[assignment]
    other = asyncio.create_task(take_turns())
    await rules.find_refusals([CHANGE] * 2000)
    other.cancel()
    assert turns >= 10


def test_stops_are_read_anew_after_an_event_loop_has_ended_in_between() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def read(name: str) -> str | None:
        if name == "artifactory_stop" and not begun.is_set():
            begun.set()
            assert may_end.wait(10)
        return None

    rules = VariableRules.read(
        policy_variable=None, stop_variable=None, starter=Starter("person"), key=lambda: KEY, read=read
    )

    async def give_up() -> None:
        asking = asyncio.create_task(ask(rules))
        await asyncio.to_thread(begun.wait, 10)
        asking.cancel()
        may_end.set()

    asyncio.run(give_up())
    assert asyncio.run(asyncio.wait_for(ask(rules), 10)) == [""]


def override(
    changes: list[Change], *, by: str = "carol", until: datetime.timedelta, key: bytes = KEY
) -> dict[str, Any]:
    return Override(
        of=(fingerprint(changes),),
        subject="payments",
        by=by,
        at=NOW,
        reason="orders are lost",
        until=NOW + until,
        run="release/manual/override",
    ).as_dict(key)


async def test_an_override_sets_the_freeze_aside_that_allows_one_and_stands_in_the_record() -> None:
    hour = datetime.timedelta(hours=1)
    allowing = {**FREEZE, "override": {"from": ["carol"], "longest": "4h"}}
    rules = rules_of(Variables({"artifactory_policy": policy(allowing)}))
    given = rules.with_answers([CHANGE], Answers(override=override([CHANGE], until=hour)))
    assert await ask(given) == [""]
    [recorded] = given.record_answers([Promotion(source=CHANGE.source, target=PROD)])
    assert recorded.options.override.startswith("carol at 2026-12-19 03:00 UTC until 2026-12-19 04:00 UTC: orders are")
    other = Change(CHANGE.source.unpinned().pinned(f"sha256:{'b' * 64}"), PROD)
    for wrong in (
        override([other], until=hour),
        override([CHANGE], by="mallory", until=hour),
        override([CHANGE], until=5 * hour),
        override([CHANGE], until=-hour),
        override([CHANGE], until=hour, key=derive_key("guessed")),
        {"override": 1},
    ):
        [said] = await ask(rules.with_answers([CHANGE], Answers(override=wrong)))
        assert "docker-prod is frozen" in said


@pytest.mark.parametrize("stopped", [True, False])
async def test_no_override_sets_a_stop_or_another_rule_aside(stopped: bool) -> None:
    allowing = {**FREEZE, "override": {"from": ["carol"], "longest": "4h"}}
    texts = {"artifactory_policy": policy(allowing, *([] if stopped else [FREEZE, TWO]))}
    if stopped:
        texts["artifactory_stop"] = json.dumps({"version": 1, "stops": [order().to_dict()]})
    answers = Answers(override=override([CHANGE], until=datetime.timedelta(hours=1)))
    [said] = await ask(rules_of(Variables(texts)).with_answers([CHANGE], answers))
    assert ("it burns" if stopped else "docker-prod is frozen") in said


async def test_approvals_of_a_digest_say_nothing_of_a_tag() -> None:
    rules = rules_of(Variables({"artifactory_policy": policy(TWO)}), "person", "alice")
    unpinned = Change(CHANGE.source.unpinned(), PROD)
    [said] = await ask(rules.with_answers([unpinned], Answers(approval=approval([CHANGE], "bob", "carol"))))
    assert "What was approved is not what is to be promoted now" in said
    [said] = await ask(rules.with_answers([], Answers(approval=approval([CHANGE], "bob", "carol"))))
    assert "What was approved is not" in said


async def test_a_plan_is_made_before_anybody_is_asked() -> None:
    rules = rules_of(Variables({"artifactory_policy": policy(TWO)}), "person", "alice")
    assert await ask(rules) == [""]
    assert rules.find_approvals([PROD]) == ApprovalRule(count=2, users=("alice", "bob", "carol"))
    assert rules.find_approvals([ImageReference("docker-qa", "payments/api", "1")]) is None


async def test_a_rollback_goes_through_a_freeze_that_does_not_name_rollbacks() -> None:
    everybody = {**FREEZE, "applies_to": ["person", "schedule"]}
    rollbacks, stops_ = Answers(is_rollback=True), json.dumps({"version": 1, "stops": [order().to_dict()]})
    found = Variables({"artifactory_policy": policy(everybody), "artifactory_stop": stops_})
    assert await ask(rules_of(found, "person", "a").with_answers([CHANGE], rollbacks)) == [""]
    named = {**FREEZE, "applies_to": ["rollback"]}
    [said] = await ask(
        rules_of(Variables({"artifactory_policy": policy(named)}), "person", "a").with_answers([CHANGE], rollbacks)
    )
    assert "docker-prod is frozen" in said


async def test_who_may_override_is_told_where_a_window_alone_refuses() -> None:
    allowing = {**FREEZE, "applies_to": ["person", "rollback"], "override": {"from": ["alice"], "longest": "4h"}}
    rule = OverrideRule(users=("alice",), longest=datetime.timedelta(hours=4))
    found = {"artifactory_policy": policy(allowing)}
    rules = rules_of(Variables(found), "person", "bob")
    assert await rules.find_override(CHANGE) == rule
    assert await rules.for_rollback().find_override(CHANGE) == rule
    stopped = {**found, "artifactory_stop": json.dumps({"version": 1, "stops": [order().to_dict()]})}
    assert await rules_of(Variables(stopped), "person", "bob").find_override(CHANGE) is None
    unreadable = {**found, "artifactory_stop": "{"}
    assert await rules_of(Variables(unreadable), "person", "bob").find_override(CHANGE) is None


@pytest.mark.parametrize(
    "rules",
    [[{**FREEZE, "applies_to": ["person"]}], [FREEZE], [TWO], []],
    ids=["nobody may", "not of people", "no window", "no policy"],
)
async def test_nobody_is_asked_to_override_what_nothing_refuses_or_nobody_may(rules: list[dict[str, Any]]) -> None:
    found = Variables({"artifactory_policy": policy(*rules)} if rules else {})
    assert await rules_of(found, "person", "bob").find_override(CHANGE) is None


@pytest.mark.parametrize(
    ("kind", "user", "origin", "name"),
    [
        ("manual", "alice", "person", "alice"),
        ("manual", None, "person", "person of the DAG nightly"),
        ("operator_triggered", "alice", "person", "alice"),
        ("operator_triggered", None, "event", "event of the DAG nightly"),
        ("scheduled", None, "schedule", "schedule of the DAG nightly"),
        ("backfill", "alice", "backfill", "alice"),
        ("asset_triggered", None, "event", "event of the DAG nightly"),
        ("asset_materialization", None, "event", "event of the DAG nightly"),
        ("something new", None, "event", "event of the DAG nightly"),
    ],
)
def test_who_has_started_a_run(kind: str, user: str | None, origin: str, name: str) -> None:
    run = SimpleNamespace(run_type=kind, triggering_user_name=user, dag_id="nightly")
    starter = Starter.of({"dag_run": run})
    assert (starter.origin, starter.name) == (origin, name)
