"""What it costs to ask a policy: many rules of all kinds, all of which match, as time goes by."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy import read_policy
from artifactory_provider.promotion.rules import Change
from benchmarks.result import at_most, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.result import Result

RULES = 200
_ASKED = 2000
_BETWEEN = datetime.timedelta(seconds=7)
_BEGIN = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.UTC)
_ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
_WINDOWS = (
    "{{timezone: {zone}, allow: ['Mon-Fri {hour:02}:00-{hour:02}:55', 'Sat,Sun']}}",
    "{{timezone: {zone}, deny: ['Fri {hour:02}:00-Mon 08:00', 2026-12-24, '2026-12-30/2027-01-02']}}",
    "{{timezone: {zone}, deny: [{{cron: '{minute} */2 * * 1-5', duration: 20m}}]}}",
    "{{timezone: {zone}, deny: [{{rrule: FREQ=MONTHLY;BYDAY=-1FR, start: '2016-01-29T{hour:02}:00', duration: 9h}}]}}",
    "{{timezone: {zone}, deny: [{{rrule: FREQ=DAILY;INTERVAL=3, start: '2006-01-01T{hour:02}:05', duration: 2h}}]}}",
)


def make_document() -> str:
    """Return a policy whose rules all match, with windows of all kinds, in several zones."""
    lines = ["version: 1", "rules:"]
    for number in range(RULES):
        windows = _WINDOWS[number % len(_WINDOWS)].format(
            zone=_ZONES[number % len(_ZONES)], hour=number % 23, minute=number % 60
        )
        tags = f"'1.*', 'v[0-9]*', 'release-{number % 10}?'"
        target = f"{{repositories: ['docker-*'], images: ['payments/*'], tags: [{tags}]}}"
        lines.append(f"  - {{target: {target}, windows: {windows}}}")
    return "\n".join(lines)


def measure() -> Iterator[Result]:
    """Yield what it costs to ask, each time for another tag and some seconds later, in CPU time."""
    begun = time.process_time()
    policy = read_policy(make_document())
    yield told("policy_read_ms", (time.process_time() - begun) * 1000, f"ms of CPU to read {RULES} rules")
    changes = [_make_change(number) for number in range(_ASKED)]
    begun = time.process_time()
    policy.refuse(changes[0], origin="schedule", at=_BEGIN)
    yield told("windows_first_ms", (time.process_time() - begun) * 1000, "ms of CPU to ask for the first time")
    begun = time.process_time()
    for number, change in enumerate(changes):
        policy.refuse(change, origin="schedule", at=_BEGIN + number * _BETWEEN)
    cost = (time.process_time() - begun) / len(changes) * 1000
    yield at_most("windows_cost", cost, 1, f"ms of CPU to ask {RULES} rules once")


def _make_change(number: int) -> Change:
    source = ImageReference("docker-staging", f"payments/api-{number % 50}", f"1.{number}.0")
    return Change(source, ImageReference("docker-prod", source.image, source.tag))
