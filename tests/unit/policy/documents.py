"""Policies for the tests: written as people write them, asked at a moment that the test says."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import InvalidPolicy, Policy, read_policy
from artifactory_provider.promotion.rules import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.policy import Origin, Problem
    from artifactory_provider.promotion.rules import Refusal

TARGET = ImageReference("docker-prod", "payments/api", "1.4.2")


def policy_of(*rules: str) -> Policy:
    """Return the policy with some rules, each the fields of one in YAML's flow style, without the target."""
    lines = [f"  - {{target: {{repositories: [docker-prod]}}, {rule}}}" for rule in rules]
    return read_policy("\n".join(["version: 1", "rules:", *lines]))


def with_windows(windows: str, zone: str = "Europe/Berlin") -> Policy:
    """Return a policy of one rule with windows."""
    return policy_of(f"windows: {{timezone: {zone}, {windows}}}")


def change_of(target: str | ImageReference = TARGET) -> Change:
    reference = ImageReference.parse(target) if isinstance(target, str) else target
    return Change(ImageReference("docker-staging", reference.image, reference.tag), reference)


def moment(text: str, zone: str = "Europe/Berlin") -> datetime.datetime:
    """Return a moment: what a clock in the zone shows, or with an offset."""
    parsed = datetime.datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(zone))


def ask(policy: Policy, at: str | datetime.datetime, *, origin: Origin = "schedule") -> Refusal | None:
    return policy.refuse(change_of(), origin=origin, at=moment(at) if isinstance(at, str) else at)


def open_times(policy: Policy, first: datetime.datetime, last: datetime.datetime, *, minutes: int) -> Sequence[str]:
    """Return the moments of a grid, in UTC, at which a policy lets changes through."""
    grid, at = [], first
    while at < last:
        if ask(policy, at) is None:
            grid.append(f"{at.astimezone(datetime.UTC):%d %H:%M}")
        at += datetime.timedelta(minutes=minutes)
    return grid


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    """Return what is wrong with a policy."""
    try:
        read_policy(text)
    except InvalidPolicy as error:
        return error.problems
    return ()


def problems_with(rule: str) -> list[tuple[str, str]]:
    """Return the field, without the rule's own, and the message of all that is wrong with a rule."""
    text = f"version: 1\nrules:\n  - {{target: {{repositories: [docker-prod]}}, {rule}}}"
    return [(problem.field.removeprefix("rules[0]."), problem.message) for problem in problems_of(text)]
