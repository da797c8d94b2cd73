"""Many promotions: the same protocol, at most so many at a time, over one ledger; one that fails stops no other.

The registry is the record of what is done, so a batch that is run again does what is left. Memory is bounded by what is
under way, and by one result for each promotion.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from artifactory_provider.artifactory.diagnosis import explain_missing
from artifactory_provider.artifactory.errors import (
    TRANSIENT,
    ArtifactoryError,
    AuthenticationFailed,
    ImageNotFound,
    NotFound,
)
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.errors import InvalidPromotion, PromotionError, TagsNotPromoted, TargetConflict
from artifactory_provider.promotion.guards import check_conflict
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.promote import promote_over
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.reports import PromotionReport, PromotionResult
from artifactory_provider.promotion.request import make_promotions
from artifactory_provider.promotion.rules import check_allowed
from artifactory_provider.promotion.tags import is_backup, select_images
from artifactory_provider.promotion.transfer import pin, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.listing import Listing, Shown
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.request import Promotion
    from artifactory_provider.promotion.rules import Rules

log = logging.getLogger(__name__)

T = TypeVar("T")

_PROMOTIONS_A_REQUEST = 16
"""While some wait for the server's work, many wait for a look that all of them share."""
_MOST_UNDER_WAY = 512
_TRIES = 6
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come.

    :param done: how many promotions have ended, in whatever way.
    :param total: how many there are.
    :param failed: how many of those that have ended have failed.
    """

    done: int
    total: int
    failed: int


async def promote_many(
    client: ArtifactoryClient,
    promotions: Sequence[Promotion],
    *,
    at_once: int = 32,
    on_progress: Callable[[Progress], None] | None = None,
    rules: Rules | None = None,
) -> PromotionReport:
    """Promote many images and make sure of each; one that fails does not stop the others.

    It is safe to run again after any end, and does only what is missing then. When it is cancelled, what is under way
    is brought to its end, and nothing new is begun.

    :param client: an open client.
    :param promotions: what is promoted to where, and how; see ``make_promotions``.
    :param at_once: how many requests are under way at a time, at most; a server that limits requests or becomes slow
        gets fewer.
    :param on_progress: called with how far it has come, after each promotion, until it fails: that is logged, and ends
        no promotion.
    :param rules: what may refuse each beside holds and rejections, asked right before its target tag changes.
    :raises InvalidPromotion: when ``at_once`` makes no sense.
    :raises AuthenticationFailed: when the credentials are refused: no other promotion could go better.
    """
    check_at_once(at_once)
    work = _Batch(client, promotions, min(_MOST_UNDER_WAY, at_once * _PROMOTIONS_A_REQUEST), on_progress, rules)
    with client.at_most(at_once):
        return await work.run()


def check_at_once(at_once: int) -> int:
    """Return how many requests may be under way at a time when that makes sense.

    :param at_once: 1 to 256.
    :raises InvalidPromotion: when it does not.
    """
    if 1 <= at_once <= 256:
        return at_once
    raise InvalidPromotion(f"at_once is a number of requests, 1 to 256, not {at_once!r:.120}.")


class _Batch:
    def __init__(
        self,
        client: ArtifactoryClient,
        promotions: Sequence[Promotion],
        under_way: int,
        on_progress: Callable[[Progress], None] | None,
        rules: Rules | None,
    ) -> None:
        self._client, self._promotions, self._on_progress = client, promotions, on_progress
        self._rules = rules
        self._under_way = min(under_way, len(promotions))
        self._results: list[PromotionResult | None] = [None] * len(promotions)
        self._done = self._failed = 0
        self._is_stopping = False

    async def run(self) -> PromotionReport:
        async with Ledger(self._client) as ledger, ledger.shared_by(self._under_way):
            await self._bring_to_end(self._promote_all(ledger))
        return PromotionReport(tuple(result for result in self._results if result is not None))

    async def _promote_all(self, ledger: Ledger) -> None:
        waiting = iter(enumerate(self._promotions))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._under_way):
                    group.create_task(self._promote_some(ledger, waiting))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _promote_some(self, ledger: Ledger, waiting: Iterator[tuple[int, Promotion]]) -> None:
        try:
            for number, promotion in waiting:
                if self._is_stopping:
                    return
                result = await _promote_one(ledger, promotion, self._rules)
                self._results[number] = result
                self._done += 1
                self._failed += result.outcome == "failed"
                self._tell_progress()
        finally:
            ledger.leave()

    def _tell_progress(self) -> None:
        """Tell how far it has come. Who fails at it is told no more, and ends nothing that is under way."""
        if self._on_progress is None:
            return
        try:
            self._on_progress(Progress(self._done, len(self._promotions), self._failed))
        except Exception:
            self._on_progress = None
            log.exception("How far the promotions have come could not be told. They go on, and nothing more is told.")

    async def _bring_to_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the work; when that is cancelled, let it end what it is at, unless it is cancelled once more."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            log.warning("Stopping: what is under way is brought to its end.")
            self._is_stopping = True
            await task
            raise


async def _promote_one(ledger: Ledger, promotion: Promotion, rules: Rules | None) -> PromotionResult:
    """Promote one image, and again while that may help."""
    try:
        record = await _promote_and_try_again(ledger, promotion, rules)
    except AuthenticationFailed:
        raise
    except (PromotionError, ArtifactoryError, InvalidReference) as error:
        log.warning("%s was not promoted: %s", promotion.source, error)
        return PromotionResult(source=promotion.source, target=promotion.target, error=error)
    return PromotionResult(source=record.source, target=promotion.target, record=record)


async def _promote_and_try_again(ledger: Ledger, promotion: Promotion, rules: Rules | None) -> PromotionRecord:
    for attempt in range(1, _TRIES):
        try:
            return await promote_over(ledger, promotion, rules)
        except (PromotionError, ArtifactoryError) as error:
            if not _may_pass(error):
                raise
            pause = _choose_pause(attempt, error)
            log.warning("%s Trying %s again in %.1f s (%d of %d).", error, promotion.source, pause, attempt + 1, _TRIES)
        await asyncio.sleep(pause)
    return await promote_over(ledger, promotion, rules)


def _may_pass(error: BaseException) -> bool:
    """Return whether another try may go better: also where something kept an attachment from being brought."""
    return isinstance(error, TRANSIENT) or isinstance(error.__cause__, TRANSIENT)


def _choose_pause(attempt: int, error: Exception) -> float:
    """Return the seconds until the next try: longer after each, never in step with others, and as the server asks."""
    longest = min(_SHORTEST_PAUSE * 2**attempt, _LONGEST_PAUSE)
    asked: float = getattr(error, "retry_after", None) or 0
    return max(min(asked, _LONGEST_PAUSE), random.uniform(0, longest))  # noqa: S311 - spreads requests, keeps no secret


async def promote_image(
    client: ArtifactoryClient,
    promotion: Promotion,
    promote_all: Callable[[Sequence[Promotion]], Awaitable[PromotionReport]] | None = None,
    *,
    one_request: bool = False,
    rules: Rules | None = None,
    on_report: Callable[[PromotionReport], None] = lambda _: None,
) -> PromotionReport:
    """Promote all tags of an image; one that fails does not stop the others.

    The endpoint promotes every tag when it is given none, in one request that may last longer than any proxy waits, and
    overwrites whatever is there. So a whole image is one promotion for each of its tags, unless the one request is
    asked for.

    :param client: an open client.
    :param promotion: source and target without tags, and the options for each tag.
    :param promote_all: promotes all tags; ``promote_many`` with the rules, where nothing is given.
    :param one_request: whether the endpoint is sent its own form for a whole image, once; each tag is pinned before and
        verified after it. Nothing is verified before its tag shows it then.
    :param rules: what may refuse each tag; with one request, the whole image where it refuses any.
    :param on_report: called with what became of all tags, also where some could not be promoted.
    :raises ImageNotFound: when there is no such image.
    :raises TagsNotPromoted: after all others, when some tags could not be promoted.
    """
    source, target = promotion.source, promotion.target
    try:
        listed = await client.tags(source.repository, source.image)
    except NotFound as error:
        raise await explain_missing(client, source) from error
    tags = select_images(listed)
    if not tags:
        raise ImageNotFound(f"{source} has no tags to promote.")
    log.info("Promoting %d tags of %s to %s.", len(tags), source, target)
    pairs: list[tuple[ImageReference, ImageReference]] = []
    malformed: dict[str, Exception] = {}
    for tag in tags:
        try:
            pairs.append(
                (
                    ImageReference(source.repository, source.image, tag),
                    ImageReference(target.repository, target.image, tag),
                )
            )
        except InvalidReference as error:
            malformed[tag] = error
    seen = None
    if one_request:
        if malformed:
            # What it would overwrite could not be looked at.
            raise InvalidPromotion(f"One request promotes all tags of {source}, and {next(iter(malformed.values()))}")
        # Its tags show what nobody has verified yet; a record is written where there is none then.
        promotion = replace(promotion, options=replace(promotion.options, two_phase=False))
        seen = await _send_whole(client, promotion, pairs, rules, beside=sorted(set(listed) - set(tags)))
        pairs = [(_pinned(source, seen.shows(source)), target) for source, target in pairs]
    promotions = make_promotions(pairs, promotion.options)
    report = await (promote_all(promotions) if promote_all else promote_many(client, promotions, rules=rules))
    if seen is not None:
        await _record_backups(client, promotion, [tag for tag in listed if is_backup(tag)], seen)
        report = PromotionReport(tuple(_describe_sent(result, seen.shows(result.target)) for result in report.results))
    on_report(report)
    failures = malformed | {str(each.source.tag): each.error for each in report.failures if each.error}
    if failures:
        raise TagsNotPromoted(f"{source}", promoted=len(tags) - len(failures), failures=failures)
    return report


async def _send_whole(
    client: ArtifactoryClient,
    promotion: Promotion,
    pairs: Sequence[tuple[ImageReference, ImageReference]],
    rules: Rules | None,
    *,
    beside: Sequence[str],
) -> Listing:
    """Send the one request, if it would overwrite nothing that it may not, and return what was seen before it.

    :param beside: its tags that are no images of their own, such as backups: the request takes them along.
    """
    if not promotion.options.copy:
        raise InvalidPromotion("One request for a whole image copies: a move verifies each tag before it is removed.")
    others = [(replace(promotion.source, tag=tag), replace(promotion.target, tag=tag)) for tag in beside]
    seen, changes = await _check_conflicts(client, promotion, pairs, rules, beside=others)

    async def ask() -> None:
        for one, digest in changes:
            await check_allowed(rules, one, seen, digest)

    try:
        await request(client, promotion.source, promotion.target, copy=True, at_last=ask)
    except ArtifactoryError as error:
        log.warning("%s Looking at each tag for what was done.", error)
    return seen


async def _record_backups(client: ArtifactoryClient, promotion: Promotion, tags: Sequence[str], seen: Listing) -> None:
    """Write the record on backups, which the one request has taken along: nothing else says why they stand there.

    :param promotion: that of the whole image.
    :param tags: the backups among its tags.
    :param seen: what was seen before the request.
    """
    if promotion.options.property_prefix is None:
        return
    pairs = [(replace(promotion.source, tag=tag), replace(promotion.target, tag=tag)) for tag in tags]
    pinned = [(source.pinned(shown.digest), target) for source, target in pairs if (shown := seen.shows(source))]
    options = replace(promotion.options, attachments="none", on_conflict="fail", hold=None)
    for result in (await promote_many(client, make_promotions(pinned, options))).failures:
        log.warning("%s has no record of where it comes from: %s", result.target, result.reason)


async def _check_conflicts(
    client: ArtifactoryClient,
    promotion: Promotion,
    pairs: Sequence[tuple[ImageReference, ImageReference]],
    rules: Rules | None,
    *,
    beside: Sequence[tuple[ImageReference, ImageReference]],
) -> tuple[Listing, list[tuple[Promotion, str]]]:
    """Refuse what would be refused tag by tag, before anything is changed; a tag that shows its digest is no conflict.

    An earlier try may have ended after its request. Return what was seen, and what would change, with its digests.
    """
    seen, digests = await _look_before(client, pairs, beside)
    for one in make_promotions(beside, promotion.options):
        source, before = seen.shows(one.source), seen.shows(one.target)
        if source is not None and (before is None or before.digest != source.digest):
            await check_allowed(None, one, seen, source.digest)
    standing: list[str] = []
    changes: list[tuple[Promotion, str]] = []
    for one, digest in zip(make_promotions(pairs, promotion.options), digests, strict=True):
        source, before = seen.shows(one.source), seen.shows(one.target)
        if before is not None and before.digest == digest:
            continue
        await check_allowed(rules, one, seen, digest)
        changes.append((one, digest))
        if before is None:
            continue
        if promotion.options.on_conflict == "overwrite":
            check_conflict(client, one, source, before, digest)
        else:
            standing.append(f"{one.target.tag}")
    if standing:
        raise TargetConflict(
            f"{promotion.target} shows other images under {len(standing)} of these tags ({', '.join(standing[:5])}), "
            "and one request would overwrite them: promote tag by tag, or set on_conflict='overwrite'."
        )
    return seen, changes


async def _look_before(
    client: ArtifactoryClient,
    pairs: Sequence[tuple[ImageReference, ImageReference]],
    beside: Sequence[tuple[ImageReference, ImageReference]],
) -> tuple[Listing, list[str]]:
    """Return what was seen, with the rejections of all that is shown anywhere, and the digest of each pair's source."""
    async with Ledger(client) as ledger:
        tags = tuple(itertools.chain.from_iterable((*pairs, *beside)))
        seen = await ledger.look(Question(tags=tags, with_marks=True))
        # What no query shows would be promoted, too.
        found = [seen.shows(source) or await pin(client, source) for source, _ in pairs]
        others = [shown.digest for source, _ in beside if (shown := seen.shows(source))]
        digests = [one.digest for one in found]
        seen.add_rejections(await ledger.look(Question(with_marks=True, rejected=(*digests, *others))))
    return seen, digests


def _pinned(source: ImageReference, shown: Shown | None) -> ImageReference:
    return source.pinned(shown.digest) if shown else source


def _describe_sent(result: PromotionResult, before: Shown | None) -> PromotionResult:
    """Return the result of a tag that shows its digest since the one request, and did not show it before."""
    record = result.record
    if record is None or record.outcome == "promoted" or (before and before.digest == record.target.digest):
        return result
    return replace(result, record=replace(record, outcome="promoted", replaced=before.digest if before else None))
