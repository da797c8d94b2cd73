"""What others than the registry remember: what was promoted to where, and what was taken away on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import ImageReference, InvalidReference

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping

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


@dataclass(frozen=True, slots=True)
class Claim:
    """That a tag shows a digest.

    :param tag: repository, image, tag and digest.
    :param time: when it was promoted.
    :param teller: who says so.
    """

    tag: ImageReference
    time: datetime.datetime
    teller: str


class Claims:
    """What events claim, each later one over those before.

    :param events: the events, in any order; what is no promotion in them is passed over.
    :param seen: when somebody began to look at what stands there: what is told after it is known, but may not have
        stood there yet. None where that was done after all of them.
    """

    def __init__(self, events: Iterable[Event] = (), *, seen: datetime.datetime | None = None) -> None:
        self.latest: dict[Place, Claim] = {}
        self.known: dict[Place, set[str]] = {}
        self.shown: dict[Place, set[str]] = {}
        self.removed: set[Place] = set()
        self._seen = seen
        for event in sorted(events, key=lambda event: event.time):
            for promotion in _list_of(event.extra, "promotions"):
                self._add(event, promotion)
            for removal in _list_of(event.extra, "removals"):
                if tag := _read(removal.get("target"), removal.get("digest")):
                    self._take_away(event, tag)

    def _add(self, event: Event, promotion: Mapping[str, Any]) -> None:
        source, target = (_read(_reference_of(promotion.get(end))) for end in ("source", "target"))
        if target is None or target.digest is None:
            return
        if source is not None and promotion.get("copy") is False:
            self._take_away(event, source)
        self.removed.discard(_place_of(target))
        self.known.setdefault(_place_of(target), set()).add(target.digest)
        self.shown.setdefault(_place_of(target), set()).update({target.digest, str(promotion.get("replaced"))})
        if promotion.get("outcome") != "promoted":
            return
        if self._was_seen(event):
            self.latest[_place_of(target)] = Claim(target, event.time, event.teller)
        else:
            self.latest.pop(_place_of(target), None)

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
