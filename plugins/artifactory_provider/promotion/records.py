"""What a promotion tells of itself: the task's result and the extra of the asset event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from artifactory_provider.artifactory.references import ImageReference


@dataclass(frozen=True, kw_only=True)
class PromotionRecord:
    """What was promoted from where to where, as it was verified.

    :param outcome: ``promoted``, or ``unchanged`` where the target showed the digest already.
    :param source: the source with the pinned digest.
    :param target: the target with the same digest.
    :param media_type: the media type of the manifest or index.
    :param children: the digests of an index's children.
    :param replaced: the digest that the target tag showed before and no longer shows, if there was one.
    :param copy: whether it was copied, not moved.
    """

    outcome: Literal["promoted", "unchanged"]
    source: ImageReference
    target: ImageReference
    media_type: str
    children: tuple[str, ...]
    replaced: str | None
    copy: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the record as a small JSON object of strings, lists and booleans; its keys are stable."""
        return {
            "outcome": self.outcome,
            "digest": self.target.digest,
            "source": _reference(self.source),
            "target": _reference(self.target),
            "media_type": self.media_type,
            "children": list(self.children),
            "replaced": self.replaced,
            "copy": self.copy,
        }


def _reference(reference: ImageReference) -> dict[str, str | None]:
    return {
        "repository": reference.repository,
        "image": reference.image,
        "tag": reference.tag,
        "reference": str(reference),
    }
