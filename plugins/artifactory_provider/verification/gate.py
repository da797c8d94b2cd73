"""Promoting only what has passed: many digests are verified by few requests, and what has not passed stays."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.errors import NotVerified, NotVerifiedYet
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.reports import PromotionReport, PromotionResult
from artifactory_provider.verification.evidence import Subject
from artifactory_provider.verification.looks import look_at_all
from artifactory_provider.verification.outcomes import describe_verdicts
from artifactory_provider.verification.verdicts import State
from artifactory_provider.verification.verification import verify_many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.batch import Progress
    from artifactory_provider.promotion.request import Promotion
    from artifactory_provider.verification.check import Check
    from artifactory_provider.verification.evidence import Connect
    from artifactory_provider.verification.verification import Verification

log = logging.getLogger(__name__)

_PROMOTIONS_A_LOOK = 500


async def promote_verified(
    client: ArtifactoryClient,
    promotions: Sequence[Promotion],
    checks: Sequence[Check],
    *,
    at_once: int = 32,
    on_progress: Callable[[Progress], None] | None = None,
    connect: Connect | None = None,
) -> PromotionReport:
    """Promote those of many images whose sources have passed all checks, each pinned to the digest that has.

    :param client: an open client.
    :param promotions: what is promoted to where, and how.
    :param checks: the questions; without any, nothing passes.
    :param at_once: how many requests are under way at a time, at most.
    :param on_progress: called with how far the promotions have come.
    :param connect: how checks reach other services.
    :return: a result for each promotion, in their order; one that was held back has failed with ``NotVerified``, or
        with ``NotVerifiedYet`` where it may still pass.
    """
    results: dict[int, PromotionResult] = {}
    passed: dict[int, Promotion] = {}
    with client.at_most(at_once):
        for start in range(0, len(promotions), _PROMOTIONS_A_LOOK):
            some = promotions[start : start + _PROMOTIONS_A_LOOK]
            async with Ledger(client) as ledger:
                found = await verify_many(ledger, [each.source for each in some], checks, connect=connect)
                moved = await _find_moved(ledger, some, found)
            for at, (promotion, verification) in enumerate(zip(some, found, strict=True), start):
                if verification.state is State.PASSED:
                    passed[at] = _pinned(promotion, verification)
                elif promotion in moved:
                    passed[at] = promotion
                else:
                    results[at] = _held(promotion, verification)
    report = await promote_many(client, tuple(passed.values()), at_once=at_once, on_progress=on_progress)
    results.update(zip(passed, report.results, strict=True))
    return PromotionReport(tuple(results[at] for at in sorted(results)))


async def _find_moved(
    ledger: Ledger, promotions: Sequence[Promotion], found: Sequence[Verification]
) -> Sequence[Promotion]:
    """Return what a try before has moved: its source is gone, and its target shows the digest, so that no other can."""
    gone = [
        promotion
        for promotion, verification in zip(promotions, found, strict=True)
        if verification.state is State.SUPERSEDED and not promotion.options.copy and promotion.target.tag
    ]
    seen = await look_at_all(ledger, [promotion.target.unpinned() for promotion in gone])
    return [
        promotion
        for promotion, shown in zip(gone, seen, strict=True)
        if isinstance(shown, Subject) and shown.digest == promotion.source.digest
    ]


def _pinned(promotion: Promotion, verification: Verification) -> Promotion:
    options = replace(promotion.options, verdicts=describe_verdicts(verification))
    return replace(promotion, source=verification.reference, options=options)


def _held(promotion: Promotion, verification: Verification) -> PromotionResult:
    kind = NotVerifiedYet if verification.state is State.PENDING else NotVerified
    error = kind(f"It was held back, because it has not passed its checks: {verification.reason}")
    log.warning("%s was not promoted: %s", promotion.source, error)
    return PromotionResult(source=verification.reference, target=promotion.target, error=error)
