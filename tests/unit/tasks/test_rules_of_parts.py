"""What people have approved in parts: each part by its own approval, a pipeline's rules among the policy's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.tasks.test_rules import CHANGE, KEY, NOW, TWO, Variables, ask, policy, rules_of

from artifactory_provider.pipelines import Pipeline, Stage
from artifactory_provider.policy import Approval, ApprovalRule, fingerprint
from artifactory_provider.policy.responses import Response
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.promotion.rules import Change
from artifactory_provider.tasks.rules import Answers
from artifactory_provider.tasks.rules_of_parts import RulesOfParts

OTHER = Change(replace(CHANGE.source, tag="2.0"), replace(CHANGE.target, tag="2.0"))
LATER = Change(replace(CHANGE.source, tag="3.0"), replace(CHANGE.target, tag="3.0"))


def approval(*parts: list[Change], people: tuple[str, ...] = ("bob", "carol")) -> dict[str, Any]:
    return Approval(
        of=tuple(fingerprint(part) for part in parts),
        subject="payments",
        rule=ApprovalRule(),
        answers=tuple(Response(by=one, at=NOW) for one in people),
        run="release/manual/approve",
        triggered_by="alice",
    ).as_dict(KEY)


async def test_each_part_is_let_through_by_an_approval_of_it_and_nothing_else_is() -> None:
    rules = rules_of(Variables({"artifactory_policy": policy(TWO)}), "person", "alice")
    parts = [[CHANGE], [OTHER]]
    approved = RulesOfParts(rules, parts, Answers(approval=approval(*parts)))
    half = RulesOfParts(rules, parts, Answers(approval=approval([CHANGE])))

    assert await ask(approved, CHANGE, OTHER) == ["", ""]  # type: ignore[arg-type]
    [said] = await ask(approved, LATER)  # type: ignore[arg-type]
    assert "approv" in said
    first, second = await ask(half, CHANGE, OTHER)  # type: ignore[arg-type]
    assert first == ""
    assert "approv" in second


async def test_who_has_to_approve_in_a_stage_of_a_pipeline_has_to_whatever_the_policy_says() -> None:
    stages = (
        Stage(name="qa", repository="docker-qa"),
        Stage(name="prod", repository="docker-prod", approvals=ApprovalRule(count=1, users=("bob",))),
    )
    pipeline = Pipeline(name="payments", images=Patterns(("payments/*",)), stages=stages)
    rules = rules_of(Variables(), "schedule").with_rules(pipeline.rules())

    [refused] = await ask(RulesOfParts(rules, [[CHANGE]], Answers()))  # type: ignore[arg-type]
    elsewhere = replace(CHANGE, target=replace(CHANGE.target, image="other/image"))
    [refused_too] = await ask(RulesOfParts(rules, [[elsewhere]], Answers()))  # type: ignore[arg-type]
    allowed = RulesOfParts(rules, [[CHANGE]], Answers(approval=approval([CHANGE], people=("bob",))))

    assert "approv" in refused
    assert "approv" in refused_too, "a form may name an image that the pipeline does not: its rules hold nevertheless"
    assert await ask(allowed) == [""]  # type: ignore[arg-type]


def test_the_record_of_each_says_who_has_approved_its_part() -> None:
    rules = rules_of(Variables({"artifactory_policy": policy(TWO)}), "person", "alice")
    of_parts = RulesOfParts(rules, [[CHANGE]], Answers(approval=approval([CHANGE])))
    own, other = of_parts.record_answers([Promotion(source=one.source, target=one.target) for one in (CHANGE, OTHER)])
    assert "bob" in own.options.approvals
    assert other.options.approvals == ""


async def test_whoever_was_asked_has_seen_what_is_promoted_though_nobody_had_to_be() -> None:
    rules = rules_of(Variables(), "person", "alice")
    seen = Answers(approval=approval([CHANGE], people=("alice",)))

    assert await ask(rules.with_answers([CHANGE], seen)) == [""]
    [said] = await ask(rules.with_answers([OTHER], seen), OTHER)
    assert said
    assert await ask(rules.with_answers([OTHER], Answers()), OTHER) == [""]
    of_parts = RulesOfParts(rules, [[CHANGE]], seen)
    assert await ask(of_parts, CHANGE, LATER) == ["", ""], "what is of no part was shown to nobody"  # type: ignore[arg-type]
