"""What people have said of an image, on the image itself: a digest that is rejected, a tag that is held.

Both are properties of a manifest, so every look at a tag brings them along, whichever run, DAG or person has set them.

| property | says |
|---|---|
| ``promotion.rejected`` | why this digest may never be promoted again, from and to wherever |
| ``promotion.hold`` | why this tag must go on showing what it shows |
| ``promotion.hold.tag`` | which tag that is, as promotions carry properties along; without it, each tag with the hold |
| ``promotion.lifted`` | why a hold or a rejection was taken away |

``.by`` and ``.time`` after each but ``promotion.hold.tag`` say who has set it, and when. The names do not follow the
prefix of records: no DAG can look past them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference

REJECTED = "promotion.rejected"
HOLD = "promotion.hold"
LIFTED = "promotion.lifted"
HELD_TAG = f"{HOLD}.tag"
HOLD_PROPERTIES = (HOLD, HELD_TAG, f"{HOLD}.by", f"{HOLD}.time")
REJECTED_PROPERTIES = (REJECTED, f"{REJECTED}.by", f"{REJECTED}.time")
_LONGEST_REASON = 500
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """A hold or a rejection, as it stands on a manifest.

    :param reason: why, as whoever set it has said.
    :param by: who has set it; nothing where that is not known.
    :param time: when, as text; nothing where that is not known.
    """

    reason: str
    by: str = ""
    time: str = ""

    @classmethod
    def read(cls, properties: Mapping[str, Sequence[str]], name: str) -> Mark | None:
        """Return the mark of a name; None where there is none. One without a reason counts, too.

        :param properties: those of a manifest.
        :param name: ``REJECTED`` or ``HOLD``.
        """
        if name not in properties:
            return None
        said = (readable(" ".join(properties.get(each, ()))) for each in (name, f"{name}.by", f"{name}.time"))
        return cls(*(text or "" for text in said))

    def __str__(self) -> str:
        origin = " ".join(filter(None, (self.by and f"by {self.by}", self.time and f"at {_minute(self.time)}")))
        return f"{self.reason or 'no reason is given'}{f' ({origin})' if origin else ''}"


def hold_of(properties: Mapping[str, Sequence[str]], tag: ImageReference) -> Mark | None:
    """Return the hold on a tag, or None.

    :param properties: those of the manifest that the tag shows.
    :param tag: repository, image and tag.
    """
    named = [name.strip() for name in properties.get(HELD_TAG, ()) if name.strip()]
    return Mark.read(properties, HOLD) if not named or str(tag.unpinned()) in named else None


def hold_properties(tag: ImageReference, *, reason: str, by: str) -> dict[str, str]:
    """Return the properties that hold a tag.

    :param tag: repository, image and tag.
    :param reason: why.
    :param by: who says so.
    :raises InvalidPromotion: when there is no reason, or it is too long.
    """
    return {**_marked(HOLD, reason, by), HELD_TAG: str(tag.unpinned())}


def leave_hold_behind(properties: Mapping[str, Sequence[str]], tag: ImageReference) -> dict[str, str]:
    """Return the properties that keep the hold of a source tag from holding what was copied from it.

    :param properties: those of the source's manifest, which come along.
    :param tag: the source tag.
    """
    return {HELD_TAG: str(tag.unpinned())} if HOLD in properties else {}


def rejection_properties(*, reason: str, by: str) -> dict[str, str]:
    """Return the properties that reject a digest.

    :param reason: why.
    :param by: who says so.
    :raises InvalidPromotion: when there is no reason, or it is too long.
    """
    return _marked(REJECTED, reason, by)


def lifting_properties(*, reason: str, by: str) -> dict[str, str]:
    """Return the properties that say who has lifted a hold or a rejection, and why.

    :param reason: why.
    :param by: who says so.
    :raises InvalidPromotion: when there is no reason, or it is too long.
    """
    return _marked(LIFTED, reason, by)


def check_reason(reason: object) -> str:
    """Return a reason in one line, when it is one.

    :param reason: 1 to 500 characters.
    :raises InvalidPromotion: when it is empty, too long, or no text.
    """
    text = " ".join(reason.split()) if isinstance(reason, str) else ""
    if 0 < len(text) <= _LONGEST_REASON and text.isprintable():
        return text
    raise InvalidPromotion(
        f"A reason is a text of 1 to {_LONGEST_REASON} characters that can be shown, not {reason!r:.120}."
    )


def _minute(text: str) -> str:
    """Return a moment as people read it, or what stands there where that is none."""
    try:
        moment = datetime.datetime.fromisoformat(text)
        return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC" if moment.tzinfo is not None else text
    except (ValueError, OverflowError):
        return text


def _marked(name: str, reason: str, by: str) -> dict[str, str]:
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {name: check_reason(reason), f"{name}.by": (readable(by) or "unknown")[:_LONGEST_NAME], f"{name}.time": time}
