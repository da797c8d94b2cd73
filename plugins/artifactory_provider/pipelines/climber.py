"""One image on its way through the stages of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.pipelines.standing import ENDED, Position

if TYPE_CHECKING:
    import datetime

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.pipelines.standing import Standing


@dataclass(slots=True)
class Climber:
    """Where one image stands, and what becomes of it.

    :param start: where it began: repository, image and tag, pinned.
    :param reference: where it stands, pinned.
    :param level: which stage that is, from 0.
    :param since: since when it stands there, for this run.
    :param standing: what becomes of it.
    :param reason: what it waits for, or why it has ended.
    :param until: when it is looked at again at the latest: what refuses it may end, or its time is over.
    :param waits_for_verdict: whether what it waits for are verdicts.
    :param created: when the image was created, where its tags are made of that.
    :param unsure_from: where a promotion brought it from that may not have come to its end; None where it has.
    :param counts_from: from when on its time counts, where something has held it back that ends by itself.
    :param known: where it stood before a wait, where that is known.
    :param rule: what refuses it, in a word, where something does.
    """

    start: ImageReference
    reference: ImageReference
    level: int
    since: datetime.datetime
    standing: Standing = "climbing"
    reason: str = ""
    until: datetime.datetime | None = None
    waits_for_verdict: bool = False
    created: datetime.datetime | None = None
    unsure_from: ImageReference | None = None
    counts_from: datetime.datetime | None = None
    known: Position | None = None
    rule: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.standing in ENDED

    def stand(self, standing: Standing, reason: str = "", *, until: datetime.datetime | None = None) -> None:
        """Say what becomes of it.

        :param standing: what becomes of it.
        :param reason: why, or what it waits for.
        :param until: when it is looked at again at the latest.
        """
        self.standing, self.reason, self.until = standing, reason, until
        self.waits_for_verdict, self.rule = False, ""

    def take(self, position: Position) -> None:
        """Put it where it is known to have ended.

        :param position: where that is, and how.
        """
        self.reference, self.level, self.since = position.reference, position.level, position.since
        self.stand(position.standing, position.reason)

    def stand_as(self, known: Position | None, *, otherwise_from: datetime.datetime) -> None:
        """Put it where it was before, as nobody can tell where it stands now.

        :param known: where that is; None where that is not known, either, so that whatever brought it is to be made
            sure of.
        :param otherwise_from: from when on its time counts then.
        """
        if known is None:
            self.counts_from, self.unsure_from = otherwise_from, self.start
            return
        self.reference, self.level, self.since = known.reference, known.level, known.since
        self.counts_from, self.unsure_from = known.counts_from, self.start if known.is_unsure else None

    def position(self) -> Position:
        """Return where it stands."""
        return Position(
            reference=self.reference,
            level=self.level,
            standing=self.standing,
            since=self.since,
            reason=self.reason,
            until=self.until,
            counts_from=self.counts_from,
            is_unsure=self.unsure_from is not None and not self.has_ended,
            rule=self.rule,
        )
