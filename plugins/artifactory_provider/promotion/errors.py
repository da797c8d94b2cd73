"""Why a promotion was not done, or not confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMED = 10


class PromotionError(Exception):
    """A promotion was refused or could not be confirmed."""


class InvalidPromotion(PromotionError, ValueError):
    """The promotion asked for makes no sense; nothing was sent."""


class InvalidPlan(InvalidPromotion):
    """What was asked for chooses nothing, or too much, or what cannot be; nothing was sent that changes anything."""


class VersionUncertain(InvalidPlan):
    """Nobody can tell which release of an image is the newest; which tags are meant has to be said."""


class NotVerified(PromotionError):
    """The digest has not passed its checks, or the evidence cannot be read: it was not promoted.

    :param message: what was not promoted, and why.
    :param why: what the checks say, alone.
    :param is_superseded: whether that is because the tag shows another digest by now.
    """

    def __init__(self, message: str, *, why: str = "", is_superseded: bool = False) -> None:
        super().__init__(message)
        self.why = why or message
        self.is_superseded = is_superseded


class NotVerifiedYet(NotVerified):
    """The digest has not passed its checks yet: it was not promoted, and may be later."""


class SourceMoved(PromotionError):
    """The source tag does not show the digest that was to be promoted."""


class TargetConflict(PromotionError):
    """The target tag shows another digest, and the conflict policy is to fail."""


class SourceRemains(PromotionError):
    """The image was to be moved and is in the target, but the source tag still shows it."""


class FolderShared(PromotionError):
    """Another image lies in the folder of a tag that was to be moved; both are where they were."""


class TargetUnverified(PromotionError):
    """The target does not answer with the whole of what was promoted.

    :param message: what was tried, what came back, and what to do.
    :param found: the digest that the target tag shows instead, if it shows one.
    """

    def __init__(self, message: str, *, found: str | None = None) -> None:
        super().__init__(message)
        self.found = found


class NotShownYet(TargetUnverified):
    """The target tag does not show what was promoted, and may show it with a delay."""


class PartsMissing(TargetUnverified):
    """The target tag shows what was promoted, and lacks parts of it, which may be shown with a delay.

    :param message: what was tried, what came back, and what to do.
    :param found: the digest that the target tag shows.
    :param parts: the digests of the children and blobs that are missing.
    """

    def __init__(self, message: str, *, found: str | None = None, parts: Sequence[str] = ()) -> None:
        super().__init__(message, found=found)
        self.parts = tuple(parts)


class SourceIncomplete(PromotionError):
    """The source itself lacks parts that the image refers to: nothing that is waited for could bring them."""


class AttachmentLost(PromotionError):
    """Something that belongs to the image could not be brought along; the image was not promoted."""


class NothingToRestore(PromotionError):
    """There is no backup to roll back to; nothing was changed."""


class RulesUnreadable(PromotionError):
    """What the rules are cannot be found out now, so nothing is promoted; it may go better later."""


class NothingToLift(PromotionError):
    """There is no hold or rejection to lift; nothing was changed."""


class DecisionIncomplete(PromotionError):
    """A digest could not be marked everywhere where it stands; it is marked in all other places."""


class TagsNotPromoted(PromotionError):
    """Some tags of an image could not be promoted; all others were.

    :param image: the image that they are of.
    :param promoted: how many tags were promoted, or were there already.
    :param failures: tag → why not.
    """

    def __init__(self, image: str, *, promoted: int, failures: Mapping[str, Exception]) -> None:
        lines = [f"{tag}: {error}" for tag, error in failures.items()]
        super().__init__(
            f"{len(failures)} of {promoted + len(failures)} tags of {image} were not promoted; run it again for these "
            f"once their reasons are gone:\n{name_first(lines)}"
        )
        self.failures = dict(failures)


class PromotionsFailed(PromotionError):
    """Some promotions of a batch failed; all others were made.

    :param name: what the batch is called.
    :param failures: a line for each that failed.
    :param total: how many promotions there were.
    :param lasting: how many of the failures no other try can mend.
    """

    def __init__(self, name: str, failures: Sequence[str], *, total: int, lasting: int) -> None:
        advice = "Another try promotes what is left."
        if lasting:
            advice = (
                f"Another try cannot mend {lasting} of these: see to their reasons, then clear the task, which "
                "promotes what is left."
            )
        super().__init__(
            f"{len(failures)} of {total} promotions of {name} failed, the other {total - len(failures)} are done. "
            f"{advice}\n{name_first(failures)}"
        )


class BatchInterrupted(PromotionError):
    """A batch was asked to stop before its end.

    :param done: how many promotions had ended, as far as was told.
    :param total: how many there are.
    """

    def __init__(self, done: int, total: int) -> None:
        super().__init__(
            f"The task was asked to stop after {done:,} of {total:,} promotions: what was under way was brought to its "
            "end, and another try promotes what is left."
        )


def name_first(lines: Sequence[str], number: int | None = None) -> str:
    """Return the first ten of some lines, indented, and how many more there are.

    :param lines: the lines that are known.
    :param number: how many there are, where only some are known.
    """
    number = len(lines) if number is None else number
    shown = [f"  {line}" for line in lines[:_NAMED]]
    if number > len(shown):
        shown.append(f"  … and {number - len(shown):,} more")
    return "\n".join(shown)
