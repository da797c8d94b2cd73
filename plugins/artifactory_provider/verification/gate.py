"""Promoting only what has passed: many digests are verified by few requests, and what has not passed stays."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.batch import promote_image, promote_many
from artifactory_provider.promotion.errors import InvalidPromotion, NotVerified, NotVerifiedYet
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.reports import PromotionReport, PromotionResult
from artifactory_provider.promotion.request import Promotion
from artifactory_provider.verification.check import Check, check_to_dict
from artifactory_provider.verification.evidence import Subject
from artifactory_provider.verification.looks import look_at_all
from artifactory_provider.verification.outcomes import describe_verdicts
from artifactory_provider.verification.verdicts import State
from artifactory_provider.verification.verification import verify_many

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.batch import Progress
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.rules import Rules
    from artifactory_provider.verification.evidence import Connect
    from artifactory_provider.verification.verification import Verification

ChecksOf = Callable[[ImageReference], Sequence[Check]]
"""Returns the checks that a target asks for."""

log = logging.getLogger(__name__)

_PROMOTIONS_A_LOOK = 500


async def promote_verified(
    client: ArtifactoryClient,
    promotions: Sequence[Promotion],
    checks: Sequence[Check] | ChecksOf,
    *,
    at_once: int = 32,
    on_progress: Callable[[Progress], None] | None = None,
    connect: Connect | None = None,
    rules: Rules | None = None,
    logs_held: bool = True,
) -> PromotionReport:
    """Promote those of many images whose sources have passed all checks, each pinned to the digest that has.

    :param client: an open client.
    :param promotions: what is promoted to where, and how.
    :param checks: the questions; without any, nothing passes. Or what returns those that a target asks for; where it
        asks for none, none are needed.
    :param at_once: how many requests are under way at a time, at most.
    :param on_progress: called with how far the promotions have come.
    :param connect: how checks reach other services.
    :param rules: what may refuse each beside holds and rejections.
    :param logs_held: whether each that was held back has a line in the log; off where whoever asks will ask again.
    :return: a result for each promotion, in their order; one that was held back has failed with ``NotVerified``, or
        with ``NotVerifiedYet`` where it may still pass.
    """
    with client.at_most(at_once):
        found = await _sort(client, promotions, checks, connect)
    passed = {at: one for at, one in enumerate(found) if isinstance(one, Promotion)}
    results = {at: one for at, one in enumerate(found) if isinstance(one, PromotionResult)}
    for one in results.values() if logs_held else ():
        log.warning("%s was not promoted: %s", one.source, one.reason)
    report = await promote_many(client, tuple(passed.values()), at_once=at_once, on_progress=on_progress, rules=rules)
    results.update(zip(passed, report.results, strict=True))
    return PromotionReport(tuple(results[at] for at in sorted(results)))


async def promote_one_verified(
    client: ArtifactoryClient,
    promotion: Promotion,
    checks: Sequence[Check] | ChecksOf,
    *,
    connect: Connect | None = None,
    rules: Rules | None = None,
) -> PromotionRecord:
    """Promote one image if its source has passed all checks; see ``promote`` and ``promote_verified``.

    :param client: an open client.
    :param promotion: what is promoted to where, and how.
    :param checks: the questions, or what returns those that a target asks for.
    :param connect: how checks reach other services.
    :param rules: what may refuse it beside holds and rejections.
    :raises NotVerified: when it has not passed, or the evidence cannot be read.
    """
    [found] = await _sort(client, [promotion], checks, connect)
    if isinstance(found, Promotion):
        return await promote(client, found, rules=rules)
    raise found.error or NotVerified(found.reason)


async def promote_image_verified(
    client: ArtifactoryClient,
    promotion: Promotion,
    checks: ChecksOf,
    *,
    one_request: bool = False,
    connect: Connect | None = None,
    rules: Rules | None = None,
    on_report: Callable[[PromotionReport], None] = lambda _: None,
) -> PromotionReport:
    """Promote all tags of an image, of which each has to have passed what its target asks for; see ``promote_image``.

    :param client: an open client.
    :param promotion: source and target without tags, and the options for each tag.
    :param checks: returns the checks that a target asks for.
    :param one_request: whether the endpoint is sent its own form for a whole image, once.
    :param connect: how checks reach other services.
    :param rules: what may refuse each tag beside holds and rejections.
    :param on_report: called with what became of all tags, also where some could not be promoted.
    :raises InvalidPromotion: when one request is asked for, and checks are, too: it would promote what has not passed.
    """
    if one_request and checks(promotion.target):
        raise InvalidPromotion(
            f"What is promoted to {promotion.target} has to pass checks, and one request promotes all tags whatever "
            "they have passed: promote tag by tag."
        )

    async def promote_all(promotions: Sequence[Promotion]) -> PromotionReport:
        return await promote_verified(client, promotions, checks, connect=connect, rules=rules)

    return await promote_image(
        client, promotion, promote_all, one_request=one_request, rules=rules, on_report=on_report
    )


async def _sort(
    client: ArtifactoryClient,
    promotions: Sequence[Promotion],
    checks: Sequence[Check] | ChecksOf,
    connect: Connect | None,
) -> list[Promotion | PromotionResult]:
    """Return each promotion, pinned to what has passed, or the result of one that is held back.

    What is to pass the same checks is asked about together.
    """
    found: list[Promotion | PromotionResult] = list(promotions)
    groups: dict[str, tuple[Sequence[Check], list[int]]] = {}
    for at, promotion in enumerate(promotions):
        wanted = checks(promotion.target) if callable(checks) else checks
        if wanted or not callable(checks):
            key = json.dumps([check_to_dict(check) for check in wanted], sort_keys=True)
            groups.setdefault(key, (wanted, []))[1].append(at)
    for wanted, places in groups.values():
        for start in range(0, len(places), _PROMOTIONS_A_LOOK):
            some = places[start : start + _PROMOTIONS_A_LOOK]
            for at, one in zip(some, await _ask(client, [promotions[at] for at in some], wanted, connect), strict=True):
                found[at] = one
    return found


async def _ask(
    client: ArtifactoryClient, promotions: Sequence[Promotion], checks: Sequence[Check], connect: Connect | None
) -> list[Promotion | PromotionResult]:
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, [each.source for each in promotions], checks, connect=connect)
        moved = await _find_moved(ledger, promotions, found)
    return [
        _pinned(promotion, verification)
        if verification.state is State.PASSED
        else (promotion if promotion in moved else _held(promotion, verification))
        for promotion, verification in zip(promotions, found, strict=True)
    ]


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
    error = kind(
        f"It was held back, because it has not passed its checks: {verification.reason}",
        why=verification.reason,
        is_superseded=verification.state is State.SUPERSEDED,
    )
    return PromotionResult(source=verification.reference, target=promotion.target, error=error)
