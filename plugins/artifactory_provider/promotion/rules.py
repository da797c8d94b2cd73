"""What is asked at the one moment before a target tag changes: may this change be made now?

The protocol knows when to ask, and nothing of what the rules are: windows, stops and approvals stand in ``policy``,
which hands them in as ``Rules``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from artifactory_provider.promotion.errors import PromotionError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Listing, Shown
    from artifactory_provider.promotion.marks import Mark
    from artifactory_provider.promotion.request import Promotion


@dataclass(frozen=True, slots=True)
class Change:
    """A target tag that is to show another digest.

    :param source: repository, image and tag, with the digest that is promoted where it is known.
    :param target: repository, image and tag.
    """

    source: ImageReference
    target: ImageReference


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a change may not be made now.

    :param reason: a sentence, such as "docker-prod is frozen by the rule 'winter' (opens Monday 09:00, Europe/Berlin)."
    :param until: when it ends by itself; None where somebody has to end it, or it never ends.
    :param lifted_by: who can end it, and how: a sentence, or nothing where nobody can.
    :param may_pass: whether it can end for the same task, so that waiting for it may help.
    :param rule: what refuses it, in a word for counting: the name of a policy's rule, ``stop``, ``hold``,
        ``rejection`` or ``approval``.
    """

    reason: str
    until: datetime.datetime | None = None
    lifted_by: str = ""
    may_pass: bool = True
    rule: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.reason, self.lifted_by)))


class Marked(Protocol):
    """What was seen of tags, with what stands on them; a ``Listing`` is one."""

    def shows(self, tag: ImageReference) -> Shown | None:
        """Return what a tag shows, or None."""

    def holds(self, tag: ImageReference) -> Mark | None:
        """Return the hold on a tag, or None."""

    def rejects(self, digest: str) -> Mark | None:
        """Return the rejection of a digest, or None."""


class Rules(Protocol):
    """What may refuse changes. It reads, and changes nothing."""

    async def find_refusals(self, changes: Sequence[Change]) -> Sequence[Refusal | None]:
        """Return for each change why it may not be made now, or None; one is a list of one.

        :param changes: the changes, in whatever number.
        """


class Refused(PromotionError):
    """A rule does not allow the promotion now; nothing was changed under the target tag.

    :param refusal: why, until when, and who can lift it.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


async def check_allowed(
    rules: Rules | None, promotion: Promotion, seen: Listing, digest: str, *, children: Iterable[str] = ()
) -> None:
    """Refuse a promotion that a person, a policy or a stop forbids now: asked right before its target tag changes.

    :param rules: what else may refuse it than what stands on the image.
    :param promotion: what is promoted.
    :param seen: what was seen last, with its marks.
    :param digest: what is promoted.
    :param children: the digests of its children, where it is an index and they are known.
    :raises Refused: saying why, until when, and who can lift it.
    """
    options, change = promotion.options, Change(promotion.source.pinned(digest), promotion.target)
    [refusal] = find_marks([change], seen, copy=options.copy, may_replace_held=options.hold is not None)
    refusal = refusal or next((found for one in children if (found := _find_rejection(seen, one, of=digest))), None)
    if refusal is None and rules is not None:
        [refusal] = await rules.find_refusals([change])
    if refusal is not None:
        raise Refused(refusal)


def check_removal(promotion: Promotion, seen: Listing) -> None:
    """Refuse the end of a move whose source tag is held, as it would go.

    :param promotion: what is promoted.
    :param seen: what was seen, with its marks.
    :raises Refused: saying why.
    """
    if not promotion.options.copy and (refusal := _find_hold(seen, promotion.source)):
        raise Refused(refusal)


def find_marks(
    changes: Iterable[Change], seen: Marked, *, copy: bool = True, may_replace_held: bool = False
) -> list[Refusal | None]:
    """Return for each change the refusal of what stands on the images: a rejected digest, a hold on a tag, or None.

    :param changes: the changes, with digests.
    :param seen: what was seen, with its marks.
    :param copy: whether the source tags stay.
    :param may_replace_held: whether held target tags may change, as they are held on other images from then on.
    """
    return [
        _find_rejection(seen, str(change.source.digest))
        or (None if may_replace_held else _find_hold(seen, change.target))
        or (None if copy else _find_hold(seen, change.source))
        for change in changes
    ]


def _find_rejection(seen: Marked, digest: str, *, of: str | None = None) -> Refusal | None:
    mark = seen.rejects(digest)
    if mark is None:
        return None
    what = "it is not promoted" if of is None else f"{of}, which it is a part of, is not promoted"
    reason = f"{digest} is rejected, so {what} anywhere: {mark}."
    return Refusal(reason, lifted_by="Whoever may annotate images can take the rejection off them.", rule="rejection")


def _find_hold(seen: Marked, tag: ImageReference) -> Refusal | None:
    mark, shown = seen.holds(tag), seen.shows(tag)
    if mark is None or shown is None:
        return None
    reason = f"{tag.unpinned()} is held, so it goes on showing {shown.digest}: {mark}."
    return Refusal(reason, lifted_by="A person can lift the hold.", rule="hold")
