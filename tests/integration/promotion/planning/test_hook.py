from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.differences import differences
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.request import Promotion

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_sandbox.pytest_plugin import RunningSandbox


def test_the_hook_plans_and_what_was_promoted_is_unchanged_in_the_next_plan(
    connect: Callable[..., None], sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1.4.1", "1.4.2"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    criteria = TagCriteria(("docker-dev",), Patterns((image,)), versions=">=1.4.0 <2.0.0")
    hook = ArtifactoryHook()
    options: dict[str, Any] = {
        "target_repository": "docker-qa",
        "target_tags": ("{version}",),
        "on_conflict": "backup",
        "largest": 2,
    }
    before = hook.plan(criteria, **options)
    assert before.counts == {"promote": 2, "unchanged": 0, "conflict": 0, "refused": 0, "missing": 0}

    first = before.to_promote()[0]
    hook.promote(Promotion(source=first.source, target=first.target))

    [(old, new)] = differences(before, hook.plan(criteria, **options)).changed
    assert (old.action, new.action, new.current) == ("promote", "unchanged", first.source.digest)


def test_the_hook_refuses_a_plan_of_more_than_was_confirmed(
    connect: Callable[..., None], sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1", "2"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
    with pytest.raises(InvalidPlan, match="say largest=2"):
        ArtifactoryHook().plan(
            TagCriteria(("docker-dev",), Patterns((image,))), target_repository="docker-qa", largest=1
        )
