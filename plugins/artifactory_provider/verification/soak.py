"""The check that a digest has been in a stage for some time."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.layout import (
    LIST_FILE,
    MANIFEST_FILE,
    any_manifest,
    any_of,
    is_tag_folder,
    split_folder,
)
from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import check_repository
from artifactory_provider.promotion.tags import select_images
from artifactory_provider.verification.check import Check, ask_each
from artifactory_provider.verification.moments import (
    NoMoment,
    age_at,
    check_seconds,
    read_moment,
    show_moment,
    show_span,
)
from artifactory_provider.verification.verdicts import State, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.verification.evidence import Evidence, Subject

_DIGESTS_A_QUERY = 300
_FOLDERS_A_QUERY = 900
_QUERIES_AT_ONCE = 2

Arrivals = dict[tuple[str, str], list[datetime.datetime | NoMoment]]
"""Image and digest → when it came to the stage under each of its tags there."""


@dataclass(frozen=True, kw_only=True)
class SoakCheck(Check):
    """Whether a digest has been in a stage for long enough, by when it came there: never by the image's own date.

    In its own repository, the tag that is verified counts. In another stage, all tags of the same image there that show
    the digest count, and of these the one that showed it first; tags of promotions under way and backups do not.

    When it came is the later one of two moments. One is what Artifactory tells: when the manifest was last written
    there (AQL's ``updated``, the REST API's ``lastUpdated``); to write properties does not change it. The other is the
    time in the record of a promotion, if one stands on the manifest. An Artifactory that copies the moment along with
    the file would let what a promotion without a record has brought count as older than it is there.

    :param stage: the key of the stage's repository; None for the repository of what is verified.
    :param at_least: the seconds that it must have been there.
    :param record: the first part of the names of the properties that record promotions, as promotions have it; None
        reads no record.
    :raises ValueError: when a part makes no sense.
    """

    kind: ClassVar[str] = "soak"

    at_least: float
    stage: str | None = None
    record: str | None = "promotion"

    def __post_init__(self) -> None:
        check_seconds(self.at_least, "at_least of a soak check")
        if self.stage is not None:
            check_repository(self.stage)
        if self.record is not None:
            check_property_name(self.record)

    @property
    def name(self) -> str:
        """Where and how long."""
        span = show_span(datetime.timedelta(seconds=self.at_least))
        return f"{span} in {self.stage or 'its repository'}"

    async def find_verdicts(self, evidence: Evidence, subjects: Sequence[Subject]) -> Sequence[Verdict]:
        """Ask when the digests came: with the look itself, or in another stage by few queries for all."""
        if self.stage is None:
            return await ask_each(subjects, lambda subject: self._judge_own(evidence, subject))
        elsewhere = [subject for subject in subjects if subject.reference.repository != self.stage]
        found = await self._find_arrivals(evidence.ledger, self.stage, elsewhere)

        async def judge(subject: Subject) -> Verdict:
            if subject.reference.repository == self.stage:
                return await self._judge_own(evidence, subject)
            if found is None:
                return Verdict(State.UNREADABLE, self._explain_no_queries(), value="unreadable")
            return self._judge(evidence.now, str(self.stage), found.get(_key(subject), []))

        return await ask_each(subjects, judge)

    async def _judge_own(self, evidence: Evidence, subject: Subject) -> Verdict:
        arrived = await evidence.arrived(subject)
        properties = await evidence.properties(subject) if self.record else {}
        return self._judge(evidence.now, subject.reference.repository, [self._arrival(arrived, properties)])

    def _judge(self, now: datetime.datetime, stage: str, arrivals: Sequence[datetime.datetime | NoMoment]) -> Verdict:
        if not arrivals:
            return Verdict(
                State.PENDING, f"It is not in {stage} under any tag: it must come there first.", value="absent"
            )
        known = [arrival for arrival in arrivals if isinstance(arrival, datetime.datetime)]
        if not known:
            return Verdict(State.PENDING, f"Since when it is in {stage} is unknown: {arrivals[0]}.", value="unknown")
        since = min(known)
        try:
            age = age_at(now, since)
        except NoMoment as error:
            return Verdict(State.PENDING, f"The moment when it came to {stage} {error}.", value="in the future")
        shown = f"It is in {stage} since {show_moment(since)}"
        wanted = datetime.timedelta(seconds=self.at_least)
        if age >= wanted:
            return Verdict(State.PASSED, f"{shown}, {show_span(age)}.", value=show_span(age), since=since)
        until = _later(since, wanted)
        return Verdict(State.PENDING, f"{shown}, and must be until {until}.", value=show_span(age), since=since)

    async def _find_arrivals(self, ledger: Ledger, stage: str, subjects: Sequence[Subject]) -> Arrivals | None:
        """Return when digests came to another stage; None where the server does not answer the queries."""
        digests = sorted({subject.digest for subject in subjects})
        batches = [digests[at : at + _DIGESTS_A_QUERY] for at in range(0, len(digests), _DIGESTS_A_QUERY)]
        queries = [_of_digests(stage, batch) for batch in batches]
        answers = await concurrently(ledger.find_annotated_items, queries, at_once=_QUERIES_AT_ONCE)
        wanted = {_key(subject) for subject in subjects}
        items = [item for answer in answers for item in answer or () if _is_tag_of(item, wanted)]
        hidden = await _find_hidden(ledger, items)
        if None in answers or hidden is None:
            return None
        if not items and subjects:
            await ledger.check_repository(stage)
        arrivals: Arrivals = {}
        for item in items:
            if item.name == LIST_FILE or (item.repository, item.folder) not in hidden:
                key = (split_folder(item.folder)[0], item.digest)
                arrivals.setdefault(key, []).append(self._arrival(item.updated, item.properties or {}))
        return arrivals

    def _arrival(
        self, updated: datetime.datetime | None, properties: Mapping[str, tuple[str, ...]]
    ) -> datetime.datetime | NoMoment:
        """Return when something came to where it is; where that is not certain, why."""
        if updated is None:
            return NoMoment("the server does not say when it came")
        recorded = properties.get(f"{self.record}.time", ()) if self.record else ()
        try:
            return max([updated, *map(read_moment, recorded)])
        except NoMoment as error:
            return NoMoment(f"{self.record}.time on its manifest {error}")

    def _explain_no_queries(self) -> str:
        return (
            f"Since when it is in {self.stage} cannot be asked: the server does not answer AQL queries of the "
            "connection's user, or not in full. It refuses those of anonymous users."
        )


def _key(subject: Subject) -> tuple[str, str]:
    return subject.reference.image, subject.digest


def _later(since: datetime.datetime, span: datetime.timedelta) -> str:
    try:
        return show_moment(since + span)
    except OverflowError:
        return "the end of time"


def _of_digests(stage: str, digests: Iterable[str]) -> dict[str, Any]:
    hashes = [{"sha256": digest.removeprefix("sha256:")} for digest in digests]
    return {"repo": stage, "$and": [any_of(hashes), any_manifest()]}


def _is_tag_of(item: Item, wanted: set[tuple[str, str]]) -> bool:
    """Return whether a manifest stands under a tag of a wanted image: one of its own, and not on its way."""
    image, tag = split_folder(item.folder)
    return (image, item.digest) in wanted and is_tag_folder(tag) and bool(select_images([tag]))


async def _find_hidden(ledger: Ledger, items: Iterable[Item]) -> set[Folder] | None:
    """Return the folders in which an index hides the manifest that was found; None where that cannot be asked."""
    folders = sorted({(item.repository, item.folder) for item in items if item.name == MANIFEST_FILE})
    batches = [folders[at : at + _FOLDERS_A_QUERY] for at in range(0, len(folders), _FOLDERS_A_QUERY)]
    queries = [
        {"repo": batch[0][0], "name": LIST_FILE, **any_of([{"path": path} for _, path in batch])} for batch in batches
    ]
    answers = await concurrently(ledger.find_items, queries, at_once=_QUERIES_AT_ONCE)
    return None if None in answers else {(item.repository, item.folder) for answer in answers for item in answer or ()}
