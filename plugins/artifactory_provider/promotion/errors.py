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
    """The target does not answer with the whole of what was promoted."""
