"""Many images that climb the stages of a pipeline: what may move is promoted together, and nobody waits for others.

The registry is the record of where each image stands: in the highest stage whose tag shows its digest. So a run that
is killed anywhere goes on where it was, and one that is repeated does what is left.
"""

from __future__ import annotations

import datetime
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from artifactory_provider.artifactory.concurrency import concurrently, in_turns
from artifactory_provider.artifactory.errors import TRANSIENT, NotFound
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.pipelines.climber import Climber
from artifactory_provider.pipelines.newer import find_superseded
from artifactory_provider.pipelines.standing import LadderReport, Position
from artifactory_provider.pipelines.twins import end_twins
from artifactory_provider.policy.responses import describe_span
from artifactory_provider.promotion.errors import (
    InvalidPromotion,
    NotShownYet,
    NotVerified,
    NotVerifiedYet,
    PartsMissing,
    RulesUnreadable,
    SourceMoved,
)
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.request import Promotion, PromotionOptions
from artifactory_provider.promotion.rules import Change, Refused
from artifactory_provider.verification.evidence import Evidence, Subject
from artifactory_provider.verification.gate import promote_verified
from artifactory_provider.verification.looks import look_at_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.pipelines.model import Pipeline, Stage
    from artifactory_provider.promotion.reports import PromotionReport, PromotionResult
    from artifactory_provider.promotion.rules import Refusal
    from artifactory_provider.verification.check import Check
    from artifactory_provider.verification.evidence import Connect
    from artifactory_provider.verification.looks import Seen

log = logging.getLogger(__name__)

_PASSING = (*TRANSIENT, NotShownYet, PartsMissing, RulesUnreadable)
"""What may be gone at the next look."""
_AGAIN = datetime.timedelta(minutes=1)


class LadderRules(Protocol):
    """What holds for promotions beside the checks of the stages."""

    async def find_refusals(self, changes: Sequence[Change]) -> Sequence[Refusal | None]:
        """Return for each change why it may not be made now, or None."""

    def required_checks(self, target: ImageReference) -> Sequence[Check]:
        """Return the checks that whatever is promoted to a target must have passed."""

    def record_answers(self, promotions: Sequence[Promotion]) -> Sequence[Promotion]:
        """Return promotions whose records say what people have answered."""


class Awaited(NamedTuple):
    """A digest whose verdicts are waited for.

    :param reference: repository, image and tag, pinned.
    :param checks: what is asked of it.
    """

    reference: ImageReference
    checks: tuple[Check, ...]


class Ladder:
    """The way of some images through the stages of a pipeline, from wherever they stand up to a goal.

    :param pipeline: the pipeline.
    :param goal: the level of the stage that they climb to.
    :param options: how promotions are made; the stages say whether they copy, and what happens at conflicts.
    :param rules: what may refuse promotions beside holds and rejections.
    :param begun: when the run began: nobody waits longer in a stage than its time since then.
    :param connect: how checks reach other services.
    :param at_once: how many requests are under way at a time, at most.
    :param now: returns the current moment.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        goal: int,
        options: PromotionOptions,
        rules: LadderRules,
        begun: datetime.datetime,
        connect: Connect | None = None,
        at_once: int = 32,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._pipeline, self._goal, self._options, self._rules = pipeline, goal, options, rules
        self._begun, self._connect, self._at_once, self._now = begun, connect, at_once, now
        self._climbers: list[Climber] = []

    def report(self) -> LadderReport:
        """Return where all images stand."""
        positions = tuple(climber.position() for climber in self._climbers)
        stages = tuple(stage.name for stage in self._pipeline.stages)
        return LadderReport(stages=stages, positions=positions, at=self._now())

    def arrivals(self) -> list[tuple[ImageReference, datetime.datetime | None]]:
        """Return what has come to the goal, pinned, and when each was created, where tags are made of that."""
        return [(one.reference, one.created) for one in self._climbers if one.standing == "arrived"]

    def awaited(self) -> list[Awaited]:
        """Return whose verdicts are waited for."""
        return [
            Awaited(climber.reference, self._checks_of(self._targets_of(climber)[0]))
            for climber in self._climbers
            if climber.standing == "waiting" and climber.waits_for_verdict
        ]

    async def climb(
        self,
        client: ArtifactoryClient,
        starts: Sequence[ImageReference],
        *,
        known: Mapping[ImageReference, Position] | None = None,
        supersedes: bool = False,
        on_pass: Callable[[LadderReport], None] = lambda _: None,
        on_promotions: Callable[[PromotionReport], None] = lambda _: None,
    ) -> LadderReport:
        """Promote what may move, stage after stage, until all that is left waits or has ended.

        :param client: an open client.
        :param starts: the images where they begin: repository, image and tag in one of the stages, pinned.
        :param known: where they stood before a wait: what has ended has, and what was made sure of is not again.
            Without it, a run may have been killed anywhere.
        :param supersedes: whether an image ends whose first stage has a newer tag by now that the pipeline means, or
            shows another digest under its own.
        :param on_pass: called with where all stand, after each pass over them.
        :param on_promotions: called with what became of promotions, whenever some have been tried.
        :raises ArtifactoryError: when the server cannot be asked at all.
        """
        stood, self._on_promotions = known or {}, on_promotions
        self._climbers = [self._begin(start, stood.get(start)) async for start in in_turns(starts)]
        await self._find(client, [one for one in self._climbers if not one.has_ended])
        if supersedes:
            await self._supersede(client)
        while any(climber.standing == "climbing" for climber in self._climbers):
            await self._pass(client)
            on_pass(self.report())
        return self.report()

    def _begin(self, start: ImageReference, known: Position | None) -> Climber:
        climber = Climber(start, start, self._pipeline.level(start.repository), self._begun, known=known)
        if known is not None and known.has_ended:
            climber.take(known)
        return climber

    async def _supersede(self, client: ArtifactoryClient) -> None:
        first = self._pipeline.stages[0].repository
        open_ones = [one for one in self._climbers if not one.has_ended and one.level < self._goal]
        waiting = [one for one in open_ones if one.start.repository == first]
        found = await find_superseded(client, self._pipeline, [climber.start for climber in waiting])
        for climber in waiting:
            if climber.start in found:
                climber.stand("superseded", found[climber.start])

    async def _find(self, client: ArtifactoryClient, climbers: Sequence[Climber]) -> None:
        """Find out where each image stands: in the highest stage whose tag shows its digest."""
        if any(stage.needs_date for stage in self._pipeline.stages[1 : self._goal + 2]):
            await self._read_dates(client, climbers)
        await end_twins(self._climbers, self._pipeline, goal=self._goal)
        above = [self._list_above(climber) for climber in climbers]
        async with Ledger(client) as ledger:
            places_above = [place for places in above for place in places]
            seen = iter(await look_at_all(ledger, places_above, most_are_missing=True))
        async for climber, places in in_turns(zip(climbers, above, strict=True)):
            shown = [next(seen) for _ in places]
            if not climber.has_ended:
                self._put(climber, places, shown)

    def _put(self, climber: Climber, places: Sequence[ImageReference], shown: Sequence[Seen]) -> None:
        known = climber.known
        if passing := next((one for one in shown if isinstance(one, TRANSIENT)), None):
            climber.stand_as(known, otherwise_from=self._now())
            self._wait(climber, "waiting", f"Where it stands cannot be told now: {passing}")
            return
        digest = str(climber.reference.digest)
        ladder = [climber.reference, *(place.pinned(digest) for place in places)]
        for up in range(len(places), 0, -1):
            found = shown[up - 1]
            if isinstance(found, Subject) and found.digest == digest:
                climber.reference, climber.level = ladder[up], climber.level + up
                climber.since = max(self._begun, found.arrived or self._begun)
                climber.unsure_from = ladder[up - 1] if known is None or known.is_unsure else None
                break
        if known is not None and known.level == climber.level:
            climber.counts_from = known.counts_from
        if climber.level >= self._goal and climber.unsure_from is None:
            climber.stand("arrived")

    def _list_above(self, climber: Climber) -> list[ImageReference]:
        """Return what the image becomes in the stages above, one after the other."""
        places = [climber.reference.unpinned()]
        try:
            for stage in self._pipeline.stages[climber.level + 1 : self._goal + 1]:
                places.append(stage.targets(places[-1], created=climber.created)[0])
        except (InvalidPromotion, InvalidReference) as error:
            climber.stand("failed", str(error))
        return places[1:]

    async def _read_dates(self, client: ArtifactoryClient, climbers: Sequence[Climber]) -> None:
        async with Ledger(client) as ledger:
            seen = await look_at_all(ledger, [climber.reference for climber in climbers])

        async def read(at: int) -> None:
            if isinstance(subject := seen[at], Subject):
                climbers[at].created = await client.created(subject.path)

        await concurrently(read, range(len(seen)))

    async def _pass(self, client: ArtifactoryClient) -> None:
        """Take each image that may move one stage up, or find out what it waits for."""
        moving = [climber for climber in self._climbers if climber.standing == "climbing"]
        await self._make_sure(client, [climber for climber in moving if climber.unsure_from is not None])
        asked = await self._ask_rules([one for one in moving if one.standing == "climbing"])
        promotions = [self._promotions_of(climber.reference, climber) for climber in asked]
        report = await self._promote(client, [first for first, *_ in promotions])
        further: list[tuple[Climber, Promotion]] = []
        for climber, (_, *others), result in zip(asked, promotions, report.results, strict=True):
            if result.record is None:
                self._hold_back(climber, result)
            else:
                further += [(climber, one) for one in others]
                self._rise(climber, result.record.target)
        await self._promote_further(client, further)

    async def _make_sure(self, client: ArtifactoryClient, climbers: Sequence[Climber]) -> None:
        """Bring promotions to their end that may have been killed on the way: their tags show their images already."""
        firsts: list[Promotion] = []
        others: list[tuple[Climber, Promotion]] = []
        for climber in climbers:
            first, *further = self._promotions_of(climber.unsure_from or climber.reference, climber)
            firsts.append(first)
            others += [(climber, one) for one in further]
        report = await self._promote(client, firsts)
        for climber, result in zip(climbers, report.results, strict=True):
            if isinstance(result.error, NotFound | NotVerified | SourceMoved):
                # Below, there is nothing any more that might be promoted: it stays where it is.
                log.info("%s is left as it is: %s", climber.reference, result.reason)
            elif result.record is None:
                self._hold_back(climber, result)
                continue
            climber.unsure_from = None
            if climber.level >= self._goal:
                climber.stand("arrived")
        await self._promote_further(client, await self._find_unwritten(client, others), is_repeated=True)

    async def _find_unwritten(
        self, client: ArtifactoryClient, others: Sequence[tuple[Climber, Promotion]]
    ) -> list[tuple[Climber, Promotion]]:
        """Return the further tags that do not show their images, and were not written since these came."""
        own = [climber.reference for climber, _ in others]
        async with Ledger(client) as ledger:
            evidence = Evidence(ledger)
            seen = await look_at_all(ledger, [*own, *(promotion.target for _, promotion in others)])
            left = []
            for each, mine, shown in zip(others, seen, seen[len(own) :], strict=False):
                if not _shows_the_same(shown, mine) and not await _is_later(evidence, shown, mine):
                    left.append(each)
        return left

    async def _ask_rules(self, climbers: Sequence[Climber]) -> list[Climber]:
        """Return those that no rule refuses now; the others wait for it, without a request to the registry."""
        changes = [Change(climber.reference, self._targets_of(climber)[0]) for climber in climbers]
        try:
            refusals = await self._rules.find_refusals(changes) if changes else []
        except RulesUnreadable as error:
            for climber in climbers:
                self._wait(climber, "refused", str(error))
            return []
        for climber, refusal in zip(climbers, refusals, strict=True):
            if refusal is not None:
                self._refuse(climber, refusal)
        return [climber for climber in climbers if climber.standing == "climbing"]

    def _targets_of(self, climber: Climber) -> list[ImageReference]:
        return self._pipeline.stages[climber.level + 1].targets(climber.reference, created=climber.created)

    def _promotions_of(self, source: ImageReference, climber: Climber) -> list[Promotion]:
        """Return what takes an image to the next stage: to its first tag there, then to the further ones."""
        stage = self._pipeline.stages[self._pipeline.level(source.repository) + 1]
        options = replace(self._options, copy=stage.copy, pending_repository=stage.pending_repository)
        return [
            Promotion(source=source, target=target, options=replace(options, on_conflict=policy))
            for target, policy in stage.find_policies(source, created=climber.created).items()
        ]

    async def _promote(self, client: ArtifactoryClient, promotions: Sequence[Promotion]) -> PromotionReport:
        report = await promote_verified(
            client,
            self._rules.record_answers(promotions),
            self._checks_of,
            at_once=self._at_once,
            connect=self._connect,
            rules=self._rules,
            logs_held=False,
        )
        self._on_promotions(report)
        return report

    async def _promote_further(
        self, client: ArtifactoryClient, further: Sequence[tuple[Climber, Promotion]], *, is_repeated: bool = False
    ) -> None:
        """Promote to the further tags of a stage.

        :param is_repeated: whether that may have been done before: what has changed below since is left as it is.
        """
        report = await self._promote(client, [promotion for _, promotion in further])
        for (climber, promotion), result in zip(further, report.results, strict=True):
            if is_repeated and isinstance(result.error, NotFound | NotVerified | SourceMoved):
                log.info("%s is left as it is: %s", promotion.target, result.reason)
            elif result.record is None:
                # It stands in the stage by its first tag: where this may pass, that is made sure of again.
                climber.unsure_from = promotion.source
                self._hold_back(climber, result)
                climber.reason = f"{promotion.target} does not show it: {climber.reason}"

    def _checks_of(self, target: ImageReference) -> tuple[Check, ...]:
        """Return what must be true of a digest in the stage before, and what the rules ask."""
        below = self._stage_below(target)
        return (*below.checks, *(one for one in self._rules.required_checks(target) if one not in below.checks))

    def _stage_below(self, target: ImageReference) -> Stage:
        return self._pipeline.stages[self._pipeline.level(target.repository) - 1]

    def _rise(self, climber: Climber, reference: ImageReference) -> None:
        climber.reference, climber.level, climber.since = reference, climber.level + 1, self._now()
        climber.counts_from = None
        climber.stand("arrived" if climber.level >= self._goal else "climbing")

    def _hold_back(self, climber: Climber, result: PromotionResult) -> None:
        """Say what an image waits for that was not promoted, or that it has ended."""
        error = result.error
        if isinstance(error, Refused):
            self._refuse(climber, error.refusal)
        elif isinstance(error, NotVerifiedYet):
            self._wait(climber, "waiting", error.why, for_verdict=climber.unsure_from is None)
        elif isinstance(error, NotVerified):
            climber.stand("superseded" if error.is_superseded else "failed", error.why)
        elif isinstance(error, _PASSING) or isinstance(getattr(error, "__cause__", None), TRANSIENT):
            self._wait(climber, "waiting", result.reason)
        else:
            climber.stand("failed", result.reason)

    def _refuse(self, climber: Climber, refusal: Refusal) -> None:
        if not refusal.may_pass:
            climber.stand("failed", str(refusal))
        elif refusal.until is not None:
            # It ends by itself: until then, no time runs out.
            climber.stand("refused", str(refusal), until=refusal.until)
            climber.counts_from = refusal.until
        else:
            self._wait(climber, "refused", str(refusal))
        climber.rule = refusal.rule

    def _wait(
        self, climber: Climber, standing: Literal["waiting", "refused"], reason: str, *, for_verdict: bool = False
    ) -> None:
        limit, now = self._pipeline.stages[climber.level].timeout, self._now()
        counts_from = climber.counts_from or climber.since
        if now - counts_from >= limit:
            climber.stand("late", f"It has waited for {describe_span(limit)}: {reason}")
            return
        # Nobody tells when the server recovers, or a stop is lifted: it is looked at again soon.
        until = counts_from + limit
        climber.stand(standing, reason, until=until if for_verdict else min(until, now + _AGAIN))
        climber.waits_for_verdict = for_verdict


def _shows_the_same(shown: Seen, mine: Seen) -> bool:
    return isinstance(shown, Subject) and isinstance(mine, Subject) and shown.digest == mine.digest


async def _is_later(evidence: Evidence, shown: Seen, mine: Seen) -> bool:
    """Return whether a tag shows another image than one's own, and has got it since one's own came."""
    if not (isinstance(shown, Subject) and isinstance(mine, Subject)):
        return False
    return await evidence.arrived(shown) >= await evidence.arrived(mine)
