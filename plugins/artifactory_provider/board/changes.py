"""What has changed of an image since some moment, as what stands there tells it: what came, and what people decided."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from artifactory_provider.audit import kind_of
from artifactory_provider.board.history import find_decisions, name_promotion
from artifactory_provider.promotion.marks import HOLD, LIFTED, REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from artifactory_provider.audit import StandingTag

What = Literal["promoted", "replaced", "rolled back", "held", "lifted", "rejected", "pushed", "copied"]
_DECIDED = frozenset({"held", "lifted", "rejected"})
_AT_ONCE = datetime.timedelta(minutes=1)
"""Within which what was pushed somewhere stands there; what was pushed long before, something has copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageChange:
    """Something that has changed in a stage.

    :param time: when.
    :param what: what.
    :param tag: what stands there now.
    :param who: who did it, as it stands there; empty where nothing says it.
    :param reason: why, of what people have decided.
    """

    time: datetime.datetime
    what: What
    tag: StandingTag
    who: str = ""
    reason: str = ""

    @property
    def is_arrival(self) -> bool:
        """Whether something has come, and nobody has decided."""
        return self.what not in _DECIDED


def find_last_change(tags: Iterable[StandingTag]) -> datetime.datetime | None:
    """Return when something has changed the last time; None where nothing says when anything has.

    :param tags: the tags of an image, in all stages.
    """
    last: datetime.datetime | None = None
    for tag in tags:  # of each image at each look: most tags take no more than this
        if tag.updated is not None and (last is None or tag.updated > last):
            last = tag.updated
        if HOLD in tag.properties or REJECTED in tag.properties or LIFTED in tag.properties:
            last = max([*([last] if last else []), *(one.time for one in _find_decisions(tag))], default=None)
    return last


def find_changes(tags: Iterable[StandingTag], since: datetime.datetime) -> list[StageChange]:
    """Return what has changed since a moment, the newest first.

    A tag that has changed twice tells of the last time, and one that is gone of nothing.

    :param tags: the tags of an image, in all stages.
    :param since: the moment.
    """
    found = [change for tag in tags for change in (*_find_arrival(tag), *_find_decisions(tag)) if change.time >= since]
    return sorted(found, key=lambda one: one.time, reverse=True)


def _find_arrival(tag: StandingTag) -> Iterator[StageChange]:
    if tag.updated is None:
        return
    if (record := tag.record) is not None:
        kind = kind_of(record.target, record.source)
        yield StageChange(time=tag.updated, what=name_promotion(kind, record.replaced), tag=tag)
    elif tag.created is not None and tag.updated - tag.created > _AT_ONCE:
        yield StageChange(time=tag.updated, what="copied", tag=tag)
    else:
        yield StageChange(time=tag.updated, what="pushed", tag=tag, who=tag.by)


def _find_decisions(tag: StandingTag) -> Iterator[StageChange]:
    for one in find_decisions([tag]):
        yield StageChange(time=one.time, what=one.what, tag=tag, who=one.by, reason=one.reason)
