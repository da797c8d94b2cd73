"""Why a promotion was not done, or not confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class PromotionError(Exception):
    """A promotion was refused or could not be confirmed."""


class InvalidPromotion(PromotionError, ValueError):
    """The promotion asked for makes no sense; nothing was sent."""


class InvalidPlan(InvalidPromotion):
    """What was asked for chooses nothing, or too much, or what cannot be; nothing was sent that changes anything."""


class VersionUncertain(InvalidPlan):
    """Nobody can tell which release of an image is the newest; which tags are meant has to be said."""


class SourceMoved(PromotionError):
    """The source tag does not show the digest that was to be promoted."""


class TargetConflict(PromotionError):
    """The target tag shows another digest, and the conflict policy is to fail."""


class SourceRemains(PromotionError):
    """The image was to be moved and is in the target, but the source tag still shows it."""


class TargetUnverified(PromotionError):
    """The target does not answer with the whole of what was promoted.

    :param message: what was tried, what came back, and what to do.
    :param found: the digest that the target tag shows instead, if it shows one.
    """

    def __init__(self, message: str, *, found: str | None = None) -> None:
        super().__init__(message)
        self.found = found


class AttachmentLost(PromotionError):
    """Something that belongs to the image could not be brought along; the image was not promoted."""


class NothingToRestore(PromotionError):
    """There is no backup to roll back to; nothing was changed."""


class TagsNotPromoted(PromotionError):
    """Some tags of an image could not be promoted; all others were.

    :param image: the image that they are of.
    :param promoted: how many tags were promoted, or were there already.
    :param failures: tag → why not.
    """

    _SHOWN = 10

    def __init__(self, image: str, *, promoted: int, failures: Mapping[str, Exception]) -> None:
        shown = "\n".join(f"  {tag}: {error}" for tag, error in list(failures.items())[: self._SHOWN])
        more = f"\n  … and {len(failures) - self._SHOWN} more" if len(failures) > self._SHOWN else ""
        super().__init__(
            f"{len(failures)} of {promoted + len(failures)} tags of {image} were not promoted; run it again for these "
            f"once their reasons are gone:\n{shown}{more}"
        )
        self.failures = dict(failures)
