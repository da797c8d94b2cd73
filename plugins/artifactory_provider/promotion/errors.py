"""Why a promotion was not done, or not confirmed."""

from __future__ import annotations


class PromotionError(Exception):
    """A promotion was refused or could not be confirmed."""


class InvalidPromotion(PromotionError, ValueError):
    """The promotion asked for makes no sense; nothing was sent."""


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
