"""What happened to the tags of an image: promotions, as the trail tells them, and the marks that people have left."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from artifactory_provider.promotion.marks import HELD_TAG, HOLD, LIFTED, REJECTED, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from artifactory_provider.audit import StandingTag

What = Literal["promoted", "replaced", "rolled back", "held", "lifted", "rejected"]
_KINDS: tuple[tuple[str, What], ...] = ((HOLD, "held"), (REJECTED, "rejected"), (LIFTED, "lifted"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody has decided of a tag or of what it shows.

    :param time: when.
    :param what: what.
    :param target: repository, image and tag, as text.
    :param digest: what it shows.
    :param by: who.
    :param reason: why.
    """

    time: datetime.datetime
    what: What
    target: str
    digest: str
    by: str
    reason: str


def find_decisions(tags: Iterable[StandingTag]) -> Iterator[Decision]:
    """Yield the decisions that stand on tags, each once.

    :param tags: the tags of an image, backups among them.
    """
    for tag in tags:
        held = " ".join(tag.properties.get(HELD_TAG, ())).strip()
        place = str(tag.place.unpinned())
        for name, what in _KINDS:
            mark = Mark.read(tag.properties, name)
            time = _read_time(mark.time) if mark else None
            # A hold comes along with copies, and is that of the tag which it names.
            if mark is not None and time is not None and (name != HOLD or held in {"", place}):
                yield Decision(time=time, what=what, target=place, digest=tag.digest, by=mark.by, reason=mark.reason)


def name_promotion(kind: Literal["promotion", "rollback"], replaced: str) -> What:
    """Return what a promotion did to its target tag.

    :param kind: what it was, as the trail tells it.
    :param replaced: the digest that the tag showed before; anything else where it showed none.
    """
    if kind == "rollback":
        return "rolled back"
    return "replaced" if replaced.startswith("sha256:") else "promoted"


def _read_time(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
