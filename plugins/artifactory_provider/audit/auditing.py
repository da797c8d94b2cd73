"""One audit of stages: what stands there that no promotion explains, what is gone, lost, or against today's rules."""

from __future__ import annotations

import datetime
import gc
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.audit.event_log import EventLog
from artifactory_provider.audit.explanation import Explainer, describe_origin
from artifactory_provider.audit.findings import Finding, in_order
from artifactory_provider.audit.parts import find_children, find_lost_attachments, find_lost_children
from artifactory_provider.audit.survey import take_survey
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.tags import is_backup
from artifactory_provider.verification import State
from artifactory_provider.verification.verification import verify_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.audit.event_log import LastPromotion
    from artifactory_provider.audit.explanation import Explanation
    from artifactory_provider.audit.findings import FindingKind
    from artifactory_provider.audit.parts import Children
    from artifactory_provider.audit.survey import StandingTag, Survey
    from artifactory_provider.verification import Check
    from artifactory_provider.verification.evidence import Connect
    from artifactory_provider.verification.verification import Verification

    ChecksOf = Callable[[ImageReference], Sequence[Check]]

_OBJECTS_A_COLLECTION = 50_000
_UNDER_WAY = datetime.timedelta(hours=1)
"""As long as a promotion lasts at most: the default of ``pending_timeout``."""
_IMAGES_OF_THEIR_OWN = frozenset({"promoted", "known", "held", "unexplained"})


@dataclass(frozen=True, kw_only=True)
class AuditScope:
    """What is audited, and by which knowledge.

    :param repositories: the keys of the repositories into which only promotions should bring anything.
    :param images: which images are meant.
    :param events: what others remember of promotions.
    :param checks_of: returns the checks that a rule of today asks of what is promoted to a tag.
    :param connect: how checks reach other services.
    """

    repositories: tuple[str, ...]
    images: Patterns = field(default_factory=Patterns)
    events: EventLog = field(default_factory=EventLog)
    checks_of: ChecksOf | None = None
    connect: Connect | None = None


@dataclass(frozen=True)
class Audit:
    """What an audit has found.

    :param tags: how many tags stand in the repositories.
    :param repositories: the keys of the repositories.
    :param findings: the findings, the worst first.
    """

    tags: int
    repositories: tuple[str, ...]
    findings: tuple[Finding, ...]


async def audit(client: ArtifactoryClient, scope: AuditScope, survey: Survey | None = None) -> Audit:
    """Look at all that stands in repositories, and return what is not as it should be; nothing is changed.

    :param client: an open client.
    :param scope: what is audited.
    :param survey: what stands in its repositories, where somebody has looked already.
    :raises RepositoryNotFound: when one of the repositories is not there, which is no empty one.
    :raises UnsupportedRepository: when one is no local or federated Docker repository.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked: an audit that has not seen everything
        finds nothing out.
    """
    if survey is None:
        survey = await survey_stages(client, scope.repositories, scope.images)
    children = await find_children(client, survey)
    work = _Audit(scope, survey, children)
    async for tag in in_turns(survey):
        work.look_at(tag)
    work.find_gone()
    work.note_lost("child_lost", await find_lost_children(client, survey, children))
    work.note_lost("attachment_lost", await find_lost_attachments(client, survey))
    await work.find_unverified(client)
    return Audit(len(survey), survey.repositories, tuple(in_order(work.findings)))


async def survey_stages(client: ArtifactoryClient, repositories: Sequence[str], images: Patterns) -> Survey:
    """Return what stands in repositories that are all there.

    :param client: an open client.
    :param repositories: their keys.
    :param images: which images are meant.
    :raises RepositoryNotFound: when one of the repositories is not there, which is no empty one.
    :raises UnsupportedRepository: when one is no local or federated Docker repository.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked.
    """
    with _collecting_seldom():
        survey = await take_survey(client, repositories, images)
    there = {repository for repository, _ in survey.images}
    async with Ledger(client) as ledger:
        for repository in survey.repositories:
            if repository not in there:
                await ledger.check_repository(repository)
    return survey


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Look for cyclic garbage less often: of what is read now nearly all stays, and looking is a third of the work."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_A_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Audit:
    def __init__(self, scope: AuditScope, survey: Survey, children: Children) -> None:
        self.scope, self.survey, self.children = scope, survey, children
        self.explainer = Explainer(survey, known=scope.events.known, shown=scope.events.shown, children=children)
        self.findings: list[Finding] = []
        self._others = {one: {*survey.repositories} - {one} for one in survey.repositories}
        self._moved: set[str] = set()
        self._sources: list[StandingTag] = []
        self._to_verify: list[tuple[StandingTag, Sequence[Check]]] = []
        self._now = datetime.datetime.now(datetime.UTC)

    def look_at(self, tag: StandingTag) -> None:
        """Judge a tag by what stands on it and is known of it."""
        explanation = self.explainer.explain(tag)
        self._note_record(tag)
        if explanation.kind == "unexplained":
            last = self.scope.events.latest.get((*tag.image, tag.name))
            said = f" {_describe(last)}" if last and last.tag.digest != tag.digest else ""
            self._note("unexplained", tag, f"{explanation.words}{said}")
        elif explanation.kind in {"pending", "moved"} and tag.updated and self._now - tag.updated > _UNDER_WAY:
            self._note("left_behind", tag, f"{explanation.words} {describe_origin(tag)}")
        elif last := self._find_other_promotion(tag, explanation):
            self._note("changed", tag, f"{_describe(last)} {explanation.words}", parts=(str(last.tag.digest),))
        self._look_at_rejections(tag)
        if explanation.kind in _IMAGES_OF_THEIR_OWN and self.scope.checks_of:
            checks = self.scope.checks_of(tag.place.unpinned())
            if checks and not (explanation.record and "override" in explanation.record.said):
                self._to_verify.append((tag, checks))

    def find_gone(self) -> None:
        """Find what was promoted here and is not there any more, though nobody has moved it on."""
        for (repository, image, _), last in self.scope.events.latest.items():
            is_meant = repository in self.survey.repositories and self.scope.images.match(image)
            if is_meant and self._is_gone(last.tag):
                self._note_gone(last.tag, _describe(last))
        for tag in self._sources:
            record = tag.record
            source = _read_source(tag)
            if record and source and self._is_gone(source):
                said = f"{tag.place.unpinned()} was promoted from it at {readable(record.time)}."
                self._note_gone(source.pinned(tag.digest), said)

    def note_lost(self, kind: FindingKind, lost: Sequence[tuple[StandingTag, tuple[str, ...]]]) -> None:
        """Note tags that lack parts."""
        for tag, parts in lost:
            named = ", ".join(parts[:5]) + (f" and {len(parts) - 5:,} more" if len(parts) > 5 else "")
            what = "Children of this index are gone" if kind == "child_lost" else "Its record names what is gone"
            self._note(kind, tag, f"{what}: {named}.", parts=parts)

    async def find_unverified(self, client: ArtifactoryClient) -> None:
        """Ask what stands there the checks that it would have to pass today."""
        if not self._to_verify:
            return
        async with Ledger(client) as ledger:
            asked = [(tag.place, checks) for tag, checks in self._to_verify]
            found = await verify_each(ledger, asked, connect=self.scope.connect)
        for (tag, _), verification in zip(self._to_verify, found, strict=True):
            if verification.state not in {State.PASSED, State.SUPERSEDED}:
                words = f"A rule of today would not let it through: {verification.reason}"
                self._note("not_verified", tag, words, parts=_name_unmet(verification))

    def _note_record(self, tag: StandingTag) -> None:
        record = tag.record
        if record is None:
            return
        if record.is_move:
            self._moved.add(record.source)
        elif record.source.partition("/")[0] in self._others[tag.place.repository]:
            source = _read_source(tag)
            if source and self.scope.images.match(source.image) and not is_backup(str(source.tag)):
                self._sources.append(tag)

    def _find_other_promotion(self, tag: StandingTag, explanation: Explanation) -> LastPromotion | None:
        """Return what was promoted to a tag after what it shows now, if anything was: somebody has put it back."""
        place, events = (*tag.image, tag.name), self.scope.events
        last = events.latest.get(place)
        if last is None or last.tag.digest == tag.digest:
            return None
        moment = _read_moment(explanation.record.time) if explanation.record else None
        # What nobody tells of was promoted elsewhere, and the event may be that of a long run that has ended since.
        lag = datetime.timedelta() if tag.digest in events.known[place] else _UNDER_WAY
        return last if moment is None or moment < last.time - lag else None

    def _look_at_rejections(self, tag: StandingTag) -> None:
        if subject_of(tag.name):
            return
        marks = {one: self.survey.rejects(one) for one in (tag.digest, *self.children.get(tag.digest, ()))}
        rejected = tuple(digest for digest, mark in marks.items() if mark)
        if not rejected:
            return
        first = rejected[0]
        what = "It" if first == tag.digest else f"Its child {first}"
        more = f" So are {len(rejected) - 1:,} more of its digests." if rejected[1:] else ""
        self._note("rejected", tag, f"{what} is rejected: {marks[first]}.{more} It stands there still.", parts=rejected)

    def _is_gone(self, tag: ImageReference) -> bool:
        was_removed = (tag.repository, tag.image, str(tag.tag)) in self.scope.events.removed
        return self.survey.find(tag) is None and not was_removed and str(tag.unpinned()) not in self._moved

    def _note_gone(self, tag: ImageReference, said: str) -> None:
        self.findings.append(Finding("gone", tag, f"{said} It is not there any more, and no move has taken it."))

    def _note(self, kind: FindingKind, tag: StandingTag, words: str, *, parts: tuple[str, ...] = ()) -> None:
        by = readable(tag.by) or ""
        self.findings.append(Finding(kind, tag.place, words, parts, by, tag.created, tag.updated))


def _describe(last: LastPromotion) -> str:
    moment = last.time.astimezone(datetime.UTC)
    return f"{last.teller} has promoted {last.tag.digest} to it at {moment:%Y-%m-%d %H:%M UTC}."


def _name_unmet(verification: Verification) -> tuple[str, ...]:
    """Return which checks have not passed, and how: who accepts that one is pending has not accepted that it fails."""
    unmet = tuple(
        f"{name}={verdict.state.value}" for name, verdict in verification.verdicts if verdict.state is not State.PASSED
    )
    return unmet or (verification.state.value,)


def _read_source(tag: StandingTag) -> ImageReference | None:
    try:
        source = ImageReference.parse(tag.record.source) if tag.record else None
    except InvalidReference:
        return None
    return source if source and source.tag else None


def _read_moment(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
