"""What happened to the tags of an image, as it stands on the images themselves: records of promotions, and marks."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.promotion.marks import HELD_TAG, HOLD, LIFTED, REJECTED, Mark
from artifactory_provider.promotion.tags import is_backup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from artifactory_provider.audit import StandingTag

What = Literal["promoted", "replaced", "rolled back", "held", "lifted", "rejected", "pushed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happened to a tag.

    :param time: when.
    :param what: what.
    :param target: repository, image and tag, as text.
    :param digest: what it showed from then on.
    :param replaced: the digest that it showed before; empty where it showed none, or that is not known.
    :param source: where it came from, as text.
    :param who: who did it, or the identifier of the run.
    :param reason: why.
    :param verdicts: what it was promoted on.
    :param approvals: who has approved it.
    """

    time: datetime.datetime
    what: What
    target: str
    digest: str
    replaced: str = ""
    source: str = ""
    who: str = ""
    reason: str = ""
    verdicts: tuple[str, ...] = ()
    approvals: str = ""


def find_occurrences(tags: Iterable[StandingTag]) -> list[Occurrence]:
    """Return what tags tell of themselves, each thing once, the newest first.

    :param tags: the tags of an image, backups among them.
    """
    found: dict[tuple[str, str, str, datetime.datetime], Occurrence] = {}
    for tag in tags:
        for one in (*_read_records(tag), *_read_marks(tag)):
            found.setdefault((one.what, one.target, one.digest, one.time), one)
    return sorted(found.values(), key=lambda one: one.time, reverse=True)


def name_change(source: str, target: str, replaced: str) -> What:
    """Return what a promotion did to its target tag: one from a backup of the same repository has rolled it back.

    :param source: where it came from, as ``repository/image:tag``.
    :param target: the same of where it went.
    :param replaced: the digest that the target showed before; empty where it showed none.
    """
    repository, tag = source.partition("/")[0], source.rpartition(":")[2]
    if repository == target.partition("/")[0] and is_backup(tag):
        return "rolled back"
    return "replaced" if replaced else "promoted"


def _read_records(tag: StandingTag) -> Iterator[Occurrence]:
    for record in tag.records:
        time = _read_time(record.time)
        if time is None or record.digest != tag.digest:
            continue
        replaced = record.replaced if record.replaced.startswith("sha256:") else ""
        said = record.said.get("verdicts", "")
        yield Occurrence(
            time=time,
            what=name_change(record.source, record.target, replaced),
            target=record.target,
            digest=record.digest,
            replaced=replaced,
            source=record.source,
            who=record.run,
            verdicts=tuple(filter(None, (readable(one) for one in said.split("; ")))),
            approvals=readable(record.said.get("approvals", "")) or "",
        )


def _read_marks(tag: StandingTag) -> Iterator[Occurrence]:
    held = " ".join(tag.properties.get(HELD_TAG, ())).strip()
    place = str(tag.place.unpinned())
    kinds: tuple[tuple[str, What], ...] = ((HOLD, "held"), (REJECTED, "rejected"), (LIFTED, "lifted"))
    for name, what in kinds:
        mark = Mark.read(tag.properties, name)
        time = _read_time(mark.time) if mark else None
        # A hold comes along with copies, and is that of the tag which it names.
        if mark is not None and time is not None and (name != HOLD or held in {"", place}):
            yield Occurrence(time=time, what=what, target=place, digest=tag.digest, who=mark.by, reason=mark.reason)


def _read_time(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
