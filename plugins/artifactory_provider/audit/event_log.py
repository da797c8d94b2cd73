"""What others than the registry remember: what was promoted to where, and what was taken away on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference, InvalidReference

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Iterator, Mapping

Place = tuple[str, str, str]
"""Repository, image and tag."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a run has told of promotions, such as an asset event of Airflow's.

    :param time: when, with a time zone.
    :param teller: who has told it, such as ``the run nightly of the DAG promote``.
    :param extra: ``promotions`` with their records as ``PromotionRecord.as_dict`` writes them, and ``removals`` with
        ``target`` and ``digest`` of tags that were removed on purpose.
    """

    time: datetime.datetime
    teller: str
    extra: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRecord:
    """A promotion's record, as an event has it.

    :param source: repository, image and tag of where it came from; None where that cannot be read.
    :param target: repository, image, tag and digest of what it became.
    :param outcome: ``promoted``, or ``unchanged`` where the target showed the digest already.
    :param is_move: whether the source's tag was taken away.
    :param replaced: the digest that the target's tag showed before; nothing where it showed none.
    :param verdicts: the verdicts that it was made on.
    """

    source: ImageReference | None
    target: ImageReference
    outcome: str
    is_move: bool
    replaced: str
    verdicts: tuple[str, ...]


def read_told_records(extra: Mapping[str, Any]) -> Iterator[ToldRecord]:
    """Yield the records that an event tells of; what anybody else has emitted is passed over.

    :param extra: the event's extra.
    """
    for told in _list_of(extra, "promotions"):
        source, target = (_read(_reference_of(told.get(end))) for end in ("source", "target"))
        if target is None or target.digest is None:
            continue
        replaced, verdicts = told.get("replaced"), told.get("verdicts")
        yield ToldRecord(
            source=source,
            target=target,
            outcome=str(told.get("outcome")),
            is_move=told.get("copy") is False,
            replaced=replaced if isinstance(replaced, str) else "",
            verdicts=tuple(map(str, verdicts)) if isinstance(verdicts, list) else (),
        )


@dataclass(frozen=True, slots=True)
class LastPromotion:
    """That a tag shows a digest.

    :param tag: repository, image, tag and digest.
    :param time: when it was promoted.
    :param teller: who says so.
    """

    tag: ImageReference
    time: datetime.datetime
    teller: str


class EventLog:
    """What events tell, each later one over those before.

    :param events: the events, in any order; what is no promotion in them is passed over.
    :param seen: when somebody began to look at what stands there: what is told after it is known, but may not have
        stood there yet. None where that was done after all of them.
    """

    def __init__(self, events: Iterable[Event] = (), *, seen: datetime.datetime | None = None) -> None:
        self.latest: dict[Place, LastPromotion] = {}
        self.known: dict[Place, set[str]] = {}
        self.shown: dict[Place, set[str]] = {}
        self.removed: set[Place] = set()
        self._seen = seen
        for event in sorted(events, key=lambda event: event.time):
            for told in read_told_records(event.extra):
                self._add(event, told)
            for removal in _list_of(event.extra, "removals"):
                if tag := _read(removal.get("target"), removal.get("digest")):
                    self._take_away(event, tag)

    def _add(self, event: Event, told: ToldRecord) -> None:
        if told.source is not None and told.is_move:
            self._take_away(event, told.source)
        place, digest = _place_of(told.target), str(told.target.digest)
        self.removed.discard(place)
        self.known.setdefault(place, set()).add(digest)
        self.shown.setdefault(place, set()).update({digest, told.replaced})
        if told.outcome != "promoted":
            return
        if self._was_seen(event):
            self.latest[place] = LastPromotion(told.target, event.time, event.teller)
        else:
            self.latest.pop(place, None)

    def _take_away(self, event: Event, tag: ImageReference) -> None:
        self.latest.pop(_place_of(tag), None)
        self.removed.add(_place_of(tag))
        if tag.digest is not None and self._was_seen(event):
            self.known.get(_place_of(tag), set()).discard(tag.digest)

    def _was_seen(self, event: Event) -> bool:
        return self._seen is None or event.time <= self._seen


def _place_of(tag: ImageReference) -> Place:
    return tag.repository, tag.image, str(tag.tag)


def _reference_of(end: Any) -> Any:
    return end.get("reference") if isinstance(end, dict) else None


def _read(text: Any, digest: Any = None) -> ImageReference | None:
    try:
        reference = ImageReference.parse(text)
        reference = reference.pinned(digest) if digest is not None else reference
    except InvalidReference:
        return None
    return reference if reference.tag is not None else None


def _list_of(extra: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = extra.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
