"""The trail of promotions: who promoted what where and when, told by records on images and by what Airflow remembers.

A record stands on what a tag shows, and is gone with it; it is written right before the tag changes, by whoever may
annotate. Airflow's events are of tasks that have ended, and only of those that emit them. Each row says who tells of
it, and where the two contradict each other.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.audit.event_log import read_told_records
from artifactory_provider.promotion.record import join_verdicts
from artifactory_provider.promotion.tags import backed_up_tag, is_backup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from artifactory_provider.audit.survey import StandingTag
    from artifactory_provider.promotion.record import StandingRecord

Teller = Literal["both", "record", "event"]
_A_MOMENT = datetime.timedelta(minutes=1)
"""By which the clocks of Airflow's machines may differ."""
_LAST = datetime.datetime.max.replace(tzinfo=datetime.UTC)


class Maker(NamedTuple):
    """The task instance that has made a promotion, as Airflow knows it.

    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: its task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :param started: how the run was started: ``manual``, ``scheduled``, ``backfill``, …
    :param user: who started it, where somebody did and the asking user may know.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    started: str
    user: str


class ToldPromotion(NamedTuple):
    """A promotion that an event tells of.

    :param time: when the event was emitted, with a time zone.
    :param target: ``repository/image:tag``.
    :param source: the same of where it came from.
    :param digest: the digest.
    :param replaced: the digest that the tag showed before; nothing where it showed none.
    :param verdicts: the verdicts that it was made on, as a record has them.
    :param run: what names the run in records.
    :param maker: who emitted it; None where no task has.
    """

    time: datetime.datetime
    target: str
    source: str
    digest: str
    replaced: str
    verdicts: str
    run: str
    maker: Maker | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is the same in the record of the same promotion."""
        return self.target, self.digest, self.run


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailRow:
    """One promotion.

    :param time: when, in UTC: when its tag was about to change, or the moment of the event where no record says; None
        where the record's time cannot be read.
    :param target: ``repository/image:tag``.
    :param digest: the digest.
    :param source: ``repository/image:tag`` of where it came from.
    :param replaced: the digest that the tag showed before; ``unknown`` where that was not known.
    :param kind: ``promotion`` or ``rollback``.
    :param by: who: the user who started the run, or whom the record names; nothing where nobody did.
    :param maker: the task; None where Airflow knows none.
    :param run: what names the run in records; nothing where no task has emitted the event.
    :param verdicts: the verdicts that it was made on.
    :param approvals: who has approved it, with their words.
    :param override: who has set a refusal aside, and why.
    :param told_by: the ``record`` on the image, an ``event`` of Airflow's, or ``both``.
    :param disagreement: where the two contradict each other, in words.
    :param remark: why only one of them tells of it, in words.
    """

    time: datetime.datetime | None
    target: str
    digest: str
    source: str
    replaced: str
    kind: Literal["promotion", "rollback"]
    by: str
    maker: Maker | None
    run: str
    verdicts: str
    approvals: str
    override: str
    told_by: Teller
    disagreement: str
    remark: str

    def as_dict(self) -> dict[str, str | None]:
        """Return it as a flat JSON object; what nobody tells is empty."""
        maker = self.maker or Maker("", "", "", -1, "", "")
        task = f"{maker.task_id}[{maker.map_index}]" if maker.map_index >= 0 else maker.task_id
        return {
            "time": self.time.isoformat(timespec="seconds") if self.time else None,
            "kind": self.kind,
            "target": self.target,
            "digest": self.digest,
            "source": self.source,
            "replaced": self.replaced,
            "by": self.by,
            "started": maker.started,
            "dag": maker.dag_id,
            "dag_run": maker.run_id,
            "task": task,
            "run": self.run,
            "verdicts": self.verdicts,
            "approvals": self.approvals,
            "override": self.override,
            "told_by": self.told_by,
            "disagreement": self.disagreement,
            "remark": self.remark,
        }


COLUMNS = (
    *("time", "kind", "target", "digest", "source", "replaced", "by", "started", "dag", "dag_run", "task", "run"),
    *("verdicts", "approvals", "override", "told_by", "disagreement", "remark"),
)
"""The names in ``TrailRow.as_dict``, in their order."""


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time.

    :param start: its first moment, with a time zone; None for all before.
    :param end: the moment that it ends before, with a time zone; None for all after.
    """

    start: datetime.datetime | None = None
    end: datetime.datetime | None = None

    def holds(self, moment: datetime.datetime | None) -> bool:
        """Return whether a moment is in it; one that nobody can tell may be.

        :param moment: the moment, with a time zone.
        """
        if moment is None:
            return True
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    def known_at(self, moment: datetime.datetime | None) -> Period:
        """Return the part of it that was over when images were looked at: of what came then, they tell nothing yet.

        :param moment: when that was, with a time zone; None where it is not known.
        """
        ends = [end for end in (self.end, moment) if end is not None]
        return Period(self.start, min(ends, default=None))


def make_trail(
    tags: Iterable[StandingTag],
    events: Iterable[ToldPromotion],
    *,
    period: Period,
    find_makers: Callable[[Collection[str]], Mapping[str, Maker | None]],
    was_read: Callable[[str], bool] = lambda image: True,
) -> list[TrailRow]:
    """Return the promotions of a time, the oldest first.

    :param tags: what stands in the repositories that it is about.
    :param events: what Airflow's events tell of promotions into them; those after the time, too, of tasks that ended
        later than they promoted.
    :param period: the time.
    :param find_makers: returns the tasks of runs by their names in records; None for one that whoever asks may not know
        of, whose promotions are left out.
    :param was_read: whether ``tags`` holds what stands for an image, ``repository/image``.
    """
    told: dict[tuple[str, str, str], ToldPromotion] = {}
    for event in events:
        told.setdefault(event.key, event)
    shown: dict[str, StandingTag] = {}
    records: dict[tuple[str, str, str], StandingRecord] = {}
    for tag in tags:
        shown[str(tag.place.unpinned())] = tag
        for record in _own_records(tag):
            records.setdefault((record.target, record.digest, record.run), record)
    # Nobody is looked for who promoted at another time: years of records would be millions of tasks to look through.
    inside = {key: record for key, record in records.items() if period.holds(_read_time(record.time))}
    makers = find_makers({run for key in inside if key not in told for run in key[2:]})
    rows = [_tell_record(record, told.get(key), makers) for key, record in inside.items()]
    rows += [
        _tell_event(event, shown.get(event.target), was_read=was_read(_image_of(event.target)))
        for key, event in told.items()
        if key not in records
    ]
    meant = (row for row in rows if row is not None and period.holds(row.time))
    return sorted(meant, key=lambda row: (row.time or _LAST, row.target, row.digest))


def _own_records(tag: StandingTag) -> Iterator[StandingRecord]:
    """Yield the records that speak of a tag, or of the one that it is a backup of; not those of copies by hand."""
    before = backed_up_tag(tag.name, tag.digest)
    place = str(tag.place.unpinned()) if before is None else f"{tag.place.repository}/{tag.place.image}:{before}"
    for record in tag.records:
        if record.digest == tag.digest and record.target == place:
            yield record


def _tell_record(
    record: StandingRecord, event: ToldPromotion | None, makers: Mapping[str, Maker | None]
) -> TrailRow | None:
    maker = event.maker if event else makers.get(record.run, _NOBODY)
    if event is None and maker is None:
        return None  # Of a DAG that whoever asks may not read.
    known = None if maker is _NOBODY else maker
    time, replaced = _read_time(record.time), record.replaced if record.replaced != "none" else ""
    disagreements = [] if event is None else list(_compare(record, replaced, time, event))
    if time is None:
        disagreements.append(f"The record's time is none: {readable(record.time)}.")
    return TrailRow(
        time=time or (event.time if event else None),
        target=record.target,
        digest=record.digest,
        source=_show(record.source),
        replaced=_show(replaced),
        kind=kind_of(record.target, record.source, event.source if event else ""),
        by=(known.user if known else "") or _show(record.said.get("by", "")),
        maker=known,
        run=_show(record.run),
        verdicts=_show(record.said.get("verdicts", "")),
        approvals=_show(record.said.get("approvals", "")),
        override=_show(record.said.get("override", "")),
        told_by="record" if event is None else "both",
        disagreement=" ".join(disagreements),
        remark="" if event else _explain_silence(record, known),
    )


def _tell_event(event: ToldPromotion, shown: StandingTag | None, *, was_read: bool) -> TrailRow:
    disagreement, remark = _explain_missing_record(event, shown) if was_read else ("", _NOT_READ)
    return TrailRow(
        time=event.time,
        target=_show(event.target),
        digest=_show(event.digest),
        source=_show(event.source),
        replaced=_show(event.replaced),
        kind=kind_of(event.target, event.source),
        by=event.maker.user if event.maker else "",
        maker=event.maker,
        run=event.run if event.maker else "",
        verdicts=_show(event.verdicts),
        approvals="",
        override="",
        told_by="event",
        disagreement=disagreement,
        remark=remark,
    )


_NOBODY = Maker("", "", "", -1, "", "")
_NOT_READ = "What stands in its image could not be read, and so neither its record."


def _compare(
    record: StandingRecord, replaced: str, time: datetime.datetime | None, event: ToldPromotion
) -> Iterator[str]:
    """Yield where the record and the event of one promotion contradict each other."""
    if record.source != event.source:
        yield f"It came from {readable(record.source)} says the record, from {readable(event.source)} the event."
    if replaced not in {event.replaced, "unknown"}:
        before = [readable(one) or "nothing" for one in (replaced, event.replaced)]
        yield f"It replaced {before[0]} says the record, {before[1]} the event."
    if record.said.get("verdicts", "") != event.verdicts:
        yield f"The event tells other verdicts: {readable(event.verdicts) or 'none'}."
    if time is not None and time > event.time + _A_MOMENT:
        yield f"The record is younger than the event of {_minute(event.time)}: somebody has written it anew."


def _explain_silence(record: StandingRecord, maker: Maker | None) -> str:
    if maker:
        return "No event tells of it: its task emits none, has not ended well, or Airflow keeps its events no longer."
    if by := readable(record.said.get("by", "")):
        return f"No run that Airflow knows has made it; the record names {by}."
    return "No run that Airflow knows has made it."


def _explain_missing_record(event: ToldPromotion, shown: StandingTag | None) -> tuple[str, str]:
    """Return where images contradict an event, and otherwise why no record tells the same."""
    if shown is None:
        return "", "The tag is gone, and its record with it."
    if shown.digest != event.digest:
        return "", f"The tag shows {shown.digest} by now, and the record went with what it showed."
    record = shown.record
    if record is None:
        return "The tag shows this digest, and no record of its promotion stands on it.", ""
    time = _read_time(record.time)
    if time is not None and time > event.time:
        return "", "A later promotion of the same digest has put its own record in the place of this one's."
    return f"The tag's record is of another promotion, of {readable(record.time)}, before this one.", ""


def kind_of(target: str, *sources: str) -> Literal["promotion", "rollback"]:
    """Return whether it gave a tag back what it showed before, out of a backup, as any of its tellers says.

    :param target: the target tag, as ``repository/image:tag``.
    :param sources: the same of where it came from, as each teller has it.
    """
    ends = [source.rpartition(":") for source in sources]
    is_back = any(image == _image_of(target) and is_backup(tag) for image, _, tag in ends)
    return "rollback" if is_back else "promotion"


def _image_of(target: str) -> str:
    return target.rpartition(":")[0]


def _read_time(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
        return moment.astimezone(datetime.UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _show(text: str) -> str:
    """Return what others wrote as one line in which nothing can steer anything, in full: it is evidence."""
    return " ".join("".join(one if one.isprintable() or one.isspace() else "\ufffd" for one in text).split())


def _minute(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M UTC}"


def read_told(
    time: datetime.datetime, extra: Mapping[str, Any], maker: Maker | None, *, run: str
) -> Iterator[ToldPromotion]:
    """Yield the promotions that an event tells of; what anybody else has emitted is passed over.

    :param time: when it was emitted, with a time zone.
    :param extra: what was emitted with it.
    :param maker: who emitted it; None where no task has.
    :param run: what names the run in records.
    """
    for told in read_told_records(extra):
        if told.outcome == "promoted" and told.source is not None:
            yield ToldPromotion(
                time,
                str(told.target.unpinned()),
                str(told.source.unpinned()),
                str(told.target.digest),
                told.replaced,
                join_verdicts(told.verdicts),
                run,
                maker,
            )
