"""The plans that these tests make: from docker-dev to docker-qa, of one image unless told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.planner import make_plan

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.planning.plan import Plan

QUERY = "/api/search/aql$"
PLATFORMS = ("linux/amd64", "linux/arm64")


async def plan(client: ArtifactoryClient, image: str, *tags: str, **changes: Any) -> Plan:
    """Make a plan; criteria and options are told apart by their names."""
    criteria: dict[str, Any] = {
        "repositories": ("docker-dev",),
        "images": Patterns((image,)),
        "tags": Patterns(tags or ("*",)),
    }
    options: dict[str, Any] = {"target_repository": "docker-qa"}
    for name, value in changes.items():
        (criteria if name in TagCriteria.__dataclass_fields__ else options)[name] = value
    return await make_plan(client, TagCriteria(**criteria), **options)


def actions(plan: Plan) -> dict[str, str]:
    """Return target tag → action."""
    return {str(promotion.target.tag): promotion.action for promotion in plan.promotions}
