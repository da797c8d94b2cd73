"""Stages of the tests: what may go of one image, how old its tags are, what a plan says of it, what becomes of it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion import Promotion, PromotionOptions
from artifactory_provider.promotion.promote import promote
from artifactory_provider.retention import RetentionRules, delete_planned, plan_retention, read_retention
from artifactory_sandbox.names import parse_reference

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.retention import RetentionPlan
    from artifactory_sandbox.pytest_plugin import RunningSandbox

DEV, QA, PROD, TRANSIT = "docker-dev", "docker-qa", "docker-prod", "docker-transit"
RULES = """\
version: 1
stages: [docker-dev, docker-qa, docker-prod]
transit: [docker-transit]
rules:
  - repositories: [docker-dev, docker-qa]
    images: ["{image}", "{image}/*"]
    tags: {{{tags}}}
  - repositories: [docker-dev, docker-qa, docker-prod, docker-transit]
    images: ["{image}", "{image}/*"]
    backups: {backups}
    leftovers: 1d
"""


def rules_for(
    image: str, *, tags: str = "reached: docker-prod, older_than: 30d, keep_newest: 0", backups: int = 1
) -> RetentionRules:
    """Return what may go of an image."""
    return read_retention(RULES.format(image=image, tags=tags, backups=backups))


def grow_old(sandbox: RunningSandbox, reference: str, *, days: float) -> None:
    """Let a tag have come some days earlier."""
    place, tag = parse_reference(reference)
    with sandbox.service.database.writing() as tx:
        query = "SELECT id, updated FROM items WHERE repository = ? AND path = ?"
        for identity, text in tx.execute(query, (place.repository, place.path(tag))).fetchall():
            moment = datetime.datetime.fromisoformat(text) - datetime.timedelta(days=days)
            written = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            tx.execute("UPDATE items SET updated = ? WHERE id = ?", (written, identity))


def push(sandbox: RunningSandbox, reference: str, *, days: float = 0, content: str = "", **fields: Any) -> str:
    """Push an image that came some days ago; return its digest."""
    digest = sandbox.push_image(reference, content=content or reference, **fields)
    grow_old(sandbox, reference, days=days)
    return digest


async def bring(client: ArtifactoryClient, source: str, target: str, **options: Any) -> None:
    """Promote a tag."""
    made = PromotionOptions(**{"confirmation_timeout": 0.5, **options})
    await promote(
        client, Promotion(source=ImageReference.parse(source), target=ImageReference.parse(target), options=made)
    )


async def plan(client: ArtifactoryClient, rules: RetentionRules) -> RetentionPlan:
    """Return what would go."""
    return await plan_retention(client, rules)


def said(plan: RetentionPlan) -> dict[str, str]:
    """Return tag → what a plan says of it."""
    return {str(one.tag.unpinned()): f"{one.action}: {one.reason}" for one in plan.deletions}


async def clean(client: ArtifactoryClient, rules: RetentionRules, **options: Any) -> dict[str, str]:
    """Plan, and delete what the plan says; return tag → outcome."""
    made = await plan(client, rules)
    report = await delete_planned(client, rules, made.to_delete(), **options)
    return {str(one.tag.unpinned()): one.outcome for one in report.results}
