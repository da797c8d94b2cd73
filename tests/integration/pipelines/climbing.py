"""What the tests of ladders share: a pipeline of three stages, and rules that a test can change."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines import Pipeline, Stage, TargetTag
from artifactory_provider.pipelines.ladder import Ladder
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.promotion.request import PromotionOptions
from artifactory_provider.verification import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.promotion.request import OnConflict, Promotion
    from artifactory_provider.promotion.rules import Change, Refusal
    from artifactory_provider.verification import Check
    from artifactory_sandbox.pytest_plugin import RunningSandbox

DEV, QA, PROD = "docker-dev", "docker-qa", "docker-prod"
DEV_TESTS, QA_TESTS = PropertyCheck(name="test.status"), PropertyCheck(name="qa.test.status")


@dataclass
class TestRules:
    """Rules that refuse what a test says, and ask for the checks that it says."""

    __test__ = False

    refuse: Callable[[Change], Refusal | None] = lambda _: None
    required: tuple[Check, ...] = ()
    asked: list[Change] = field(default_factory=list)

    async def find_refusals(self, changes: Sequence[Change]) -> Sequence[Refusal | None]:
        self.asked += changes
        return [self.refuse(change) for change in changes]

    def required_checks(self, target: ImageReference) -> Sequence[Check]:
        return self.required

    def record_answers(self, promotions: Sequence[Promotion]) -> Sequence[Promotion]:
        return promotions


def target_tag(template: str, on_conflict: OnConflict = "fail") -> TargetTag:
    return TargetTag(template=TargetTemplate(template), on_conflict=on_conflict)


def pipeline(*, qa: dict[str, Any] | None = None, prod: dict[str, Any] | None = None, **changes: Any) -> Pipeline:
    return Pipeline(
        **{
            "name": "promote_all",
            "images": Patterns(),
            "stages": (
                Stage(name="dev", repository=DEV, checks=(DEV_TESTS,)),
                Stage(**{"name": "qa", "repository": QA, "checks": (QA_TESTS,), **(qa or {})}),
                Stage(**{"name": "prod", "repository": PROD, **(prod or {})}),
            ),
            **changes,
        }
    )


def ladder(of: Pipeline | None = None, **changes: Any) -> Ladder:
    of = of or pipeline()
    return Ladder(
        of,
        **{
            "goal": len(of.stages) - 1,
            "options": PromotionOptions(confirmation_timeout=2, run="ladder"),
            "rules": TestRules(),
            "begun": datetime.datetime.now(datetime.UTC),
            **changes,
        },
    )


def push(sandbox: RunningSandbox, name: str, **verdicts: str) -> ImageReference:
    """Push an image to dev, with the verdicts on it: ``dev="passed"``, ``qa="passed"``."""
    digest = sandbox.push_image(f"{DEV}/{name}")
    for stage, verdict in verdicts.items():
        judge(sandbox, f"{DEV}/{name}", stage, verdict)
    return ImageReference.parse(f"{DEV}/{name}").pinned(digest)


def judge(sandbox: RunningSandbox, reference: str, stage: str, verdict: str) -> None:
    """Write what the tests of a stage came to."""
    sandbox.set_properties(reference, {"test.status" if stage == "dev" else f"{stage}.test.status": verdict})


def shown(sandbox: RunningSandbox, name: str) -> dict[str, str | None]:
    """Return what the stages show under a tag."""
    return {repository: sandbox.digest(f"{repository}/{name}") for repository in (DEV, QA, PROD)}
