"""What was promoted, read from events on assets: each holds the promotions of one image by one task.

An event's extra is ``{"promotions": [<record>, …]}``; one that somebody else has emitted may carry anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import AwareDatetime, BaseModel

from artifactory_provider.audit.trail import Maker, read_told
from artifactory_provider.promotion.tags import name_run
from artifactory_provider.tasks.assets import SCHEME
from artifactory_provider.web.texts import make_sendable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from artifactory_provider.audit.trail import ToldPromotion
    from artifactory_provider.web.events import AssetEvent


class RecordedPromotion(BaseModel):
    """One promotion, as its task recorded it.

    :param timestamp: when.
    :param target: ``repository/image:tag``.
    :param source: the same of where it came from.
    :param digest: the digest that both show.
    :param outcome: ``promoted``, or ``unchanged`` where the target showed it already.
    :param moved: whether the source's tag was removed.
    :param replaced: the digest that the target's tag showed before, if it showed another.
    :param dag_id: the DAG that did it.
    :param run_id: its run.
    :param task_id: its task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :param started: how the run was started: ``manual``, ``scheduled``, ``backfill``, …
    :param user: who started it, where somebody did and the asking user may know.
    """

    timestamp: AwareDatetime
    target: str
    source: str
    digest: str
    outcome: str
    moved: bool
    replaced: str
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int
    started: str | None
    user: str | None


class HistoryEntry(NamedTuple):
    """What one event tells.

    :param event: the event.
    :param image: ``repository/image``.
    :param promotions: its promotions that are meant, at least one.
    """

    event: AssetEvent
    image: str
    promotions: Sequence[RecordedPromotion]


def read_entries(events: Iterable[AssetEvent], *, words: Sequence[str], outcome: str) -> list[HistoryEntry]:
    """Return what events tell, without those of which no promotion is meant.

    :param events: the events.
    :param words: texts, each of which stands in a promotion that is meant, in any case.
    :param outcome: the outcome of those that are meant; empty for any.
    """
    entries = []
    for event in events:
        found = [_promotion(event, record) for record in records(event.extra)]
        image = event.uri.removeprefix(f"{SCHEME}://")
        meant = [each for each in found if (not outcome or each.outcome == outcome) and _has_all(each, image, words)]
        if meant:
            entries.append(HistoryEntry(event, image, meant))
    return entries


def records(extra: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the records of the promotions that an event tells of; an event without any is one unknown promotion.

    :param extra: the event's extra.
    """
    told = extra.get("promotions")
    found = [record for record in told if isinstance(record, Mapping)] if isinstance(told, list) else []
    yield from found or [{}]


def read_told_promotions(event: AssetEvent) -> Iterator[ToldPromotion]:
    """Yield the promotions that an event tells of, as the trail takes them, to the image of its own asset.

    :param event: the event; anybody may emit any, on any asset.
    """
    place = (event.dag_id or "", event.run_id or "", event.task_id or "")
    maker = Maker(*place, event.map_index, event.started or "", event.user or "") if all(place) else None
    run = name_run(*place, event.map_index) if maker else f"event {event.id}"
    for told in read_told(event.timestamp, event.extra, maker, run=run):
        if is_of_its_asset(event, told.target):
            yield told


def is_of_its_asset(event: AssetEvent, target: str) -> bool:
    """Return whether what an event tells of is about the very asset that it is on.

    :param event: the event.
    :param target: ``repository/image:tag``, as the event has it.
    """
    return f"{SCHEME}://{target.rpartition(':')[0]}" == event.uri


def _promotion(event: AssetEvent, record: Mapping[str, Any]) -> RecordedPromotion:
    target, _, digest = _reference(record, "target").partition("@")
    source, _, pinned = _reference(record, "source").partition("@")
    return RecordedPromotion(
        timestamp=event.timestamp,
        target=target or event.uri.removeprefix(f"{SCHEME}://"),
        source=source,
        digest=_text(record, "digest") or digest or pinned,
        outcome=_text(record, "outcome"),
        moved=record.get("copy") is False,
        replaced=_text(record, "replaced"),
        dag_id=event.dag_id,
        run_id=event.run_id,
        task_id=event.task_id,
        map_index=event.map_index,
        started=event.started,
        user=event.user,
    )


def _has_all(promotion: RecordedPromotion, image: str, words: Sequence[str]) -> bool:
    what = (image, promotion.target, promotion.source, promotion.digest, promotion.replaced)
    text = "\n".join(filter(None, (*what, promotion.dag_id, promotion.run_id, promotion.user))).lower()
    return all(word.lower() in text for word in words)


def _reference(record: Mapping[str, Any], side: str) -> str:
    described = record.get(side)
    return _text(described, "reference") if isinstance(described, Mapping) else ""


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return str(make_sendable(value)) if isinstance(value, str) else ""
