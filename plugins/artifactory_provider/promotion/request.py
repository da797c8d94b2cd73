"""What is asked for: promotions, and how they are made. Both check their own fields."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.artifactory.references import InvalidReference, check_digest, check_repository
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.tags import can_have_backup, check_run, name_backup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.listing import Image

OnConflict = Literal["fail", "overwrite", "backup"]
Attachments = Literal["none", "tags", "all"]

RECORD_FIELDS = frozenset(
    {
        "digest",
        "source",
        "target",
        "copy",
        "time",
        "run",
        "replaced",
        "attachments",
        "children",
        "verdicts",
        "approvals",
        "override",
    }
)
"""The properties of a record, after its prefix; ``properties`` may add others."""
NOTHING = "none"
"""What a tag shows that is not there, as records say it."""
_MARKS = frozenset({"hold", "lifted", "rejected"})


@dataclass(frozen=True, kw_only=True)
class PromotionOptions:
    """How promotions are made, one or many.

    :param copy: True copies; False moves: the source tag is removed once the target has been verified.
    :param on_conflict: what happens when the target tag shows another digest: ``fail``; ``overwrite``; or
        ``backup``, which overwrites it and keeps it as ``<tag>-previous-<12 hex of its digest>``.
    :param replaces: the digest that the target tag has to show when another one takes its place, or ``none`` where it
        has to show nothing; None for whatever it shows.
    :param two_phase: whether the image is verified under a pending tag before the target tag shows it.
    :param attachments: what is brought along of what belongs to the image: ``none``; ``tags``, such as cosign's
        ``sha256-<hex>.sig``, out of one query for many images; ``all``, which reads the manifest, looks for what
        belongs to children too, and for OCI referrers: one request more, and one for each digest.
    :param property_prefix: the first part of the names of the properties that record the promotion on the target's
        manifest, one request each; None writes none.
    :param properties: further properties to record, name → value, such as by whom and on which verdicts.
    :param verdicts: on which verdicts it is promoted, one line each, for the record, which keeps the first of them.
    :param approvals: who has approved it, in one line for the record; nothing where nobody was asked.
    :param override: who has set a refusal aside, until when and why, in one line for the record.
    :param hold: the reason why the target tag is held from then on; such a promotion may replace a held image.
    :param held_by: who holds it.
    :param run: what tells this run's tags from those of others, 1 to 32 lower-case letters and digits; give a retry
        that of the try before, so that it goes on where that one has stopped.
    :param confirmation_timeout: seconds that the target may take to show what was promoted.
    :param pending_timeout: seconds after which the pending tag of another run counts as left behind, and is dropped.
    :param pending_repository: the repository key of a transit repository in which images wait under their pending tags
        instead of in the target's repository, each in an image of the target's name.
    :raises InvalidPromotion: when an option makes no sense.
    :raises InvalidReference: when the transit repository's key is malformed.
    """

    copy: bool = True
    on_conflict: OnConflict = "fail"
    replaces: str | None = None
    two_phase: bool = True
    attachments: Attachments = "all"
    property_prefix: str | None = "promotion"
    properties: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[str, ...] = ()
    approvals: str = ""
    override: str = ""
    hold: str | None = None
    held_by: str = ""
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    confirmation_timeout: float = 60
    pending_timeout: float = 3600
    pending_repository: str | None = None

    def __post_init__(self) -> None:
        check_on_conflict(self.on_conflict)
        check_replaces(self.replaces)
        check_attachments(self.attachments)
        check_run(self.run)
        check_record(self.property_prefix, self.properties)
        if self.hold is not None:
            check_reason(self.hold)
        for name in ("confirmation_timeout", "pending_timeout"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidPromotion(f"{name} is a number of seconds, 0 or more.")
        check_pending_repository(self.pending_repository, two_phase=self.two_phase)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One source reference that becomes one target reference.

    :param source: repository, image and tag; with a digest, only that digest is promoted. Without a tag, in source and
        target, all tags of the image are meant: see ``promote_image``.
    :param target: repository, image and tag.
    :param options: how it is made.
    :raises InvalidPromotion: when a tag is missing, or source and target are the same.
    """

    source: ImageReference
    target: ImageReference
    options: PromotionOptions = field(default_factory=PromotionOptions)

    def __post_init__(self) -> None:
        if (self.source.tag is None) != (self.target.tag is None):
            raise InvalidPromotion("Give a source tag and a target tag, or neither for all tags of the image.")
        if self.source.tag is None and self.source.digest is not None:
            raise InvalidPromotion("A digest needs the tag that shows it.")
        if self.target.digest is not None:
            raise InvalidPromotion("The digest is given with the source, not with the target.")
        if self.source.unpinned() == self.target:
            raise InvalidPromotion(
                f"Source and target are both {self.target}: give another target repository, image or tag."
            )
        if self.options.replaces is not None and self.is_whole_image:
            raise InvalidPromotion("What a tag has to show can be said of one tag, not of all tags of an image.")
        if self.options.pending_repository in {self.source.repository, self.target.repository}:
            raise InvalidPromotion(
                f"pending_repository is a repository between source and target, of its own, and not one of them, as "
                f"{self.options.pending_repository!r} is: name another local Docker repository, or leave it out."
            )
        if self.options.on_conflict == "backup" and not self.is_whole_image:
            name_backup(self.target, f"sha256:{'0' * 64}")

    @property
    def is_whole_image(self) -> bool:
        """Whether all tags of the image are meant."""
        return self.source.tag is None

    @property
    def pending_image(self) -> Image:
        """Repository and image in which its own pending tags stand."""
        return self.options.pending_repository or self.target.repository, self.target.image

    @property
    def pending_images(self) -> tuple[Image, ...]:
        """Every image in which a pending tag for its target may stand: its own, and that of who names no transit."""
        return tuple(dict.fromkeys((self.pending_image, (self.target.repository, self.target.image))))


def make_promotions(
    pairs: Iterable[tuple[ImageReference, ImageReference]], options: PromotionOptions
) -> tuple[Promotion, ...]:
    """Return many promotions that are made the same way; where no backup could be kept, nothing is replaced.

    :param pairs: source and target of each, both with a tag.
    :param options: how they are made.
    :raises InvalidPromotion: when two have one target, two move one source, or one makes no sense.
    """
    sources: dict[ImageReference, ImageReference] = {}
    moved: dict[ImageReference, ImageReference] = {}
    careful = replace(options, on_conflict="fail")
    promotions: list[Promotion] = []
    for source, target in pairs:
        if source.tag is None or target.tag is None:
            raise InvalidPromotion(f"{source} → {target} needs a source tag and a target tag.")
        if target in sources:
            raise InvalidPromotion(
                f"{target} would be promoted to twice, from {sources[target]} and from {source}: nothing was promoted. "
                "Give each target one source."
            )
        if not options.copy and moved.setdefault(source.unpinned(), target) != target:
            raise InvalidPromotion(
                f"{source} would be moved twice, to {moved[source.unpinned()]} and to {target}: whichever comes first "
                "takes it from the other. Nothing was promoted. Copy it, or move it to one of them."
            )
        sources[target] = source
        replaces = policy_for(options.on_conflict, target) == options.on_conflict
        promotions.append(Promotion(source=source, target=target, options=options if replaces else careful))
    return tuple(promotions)


def policy_for(on_conflict: OnConflict, target: ImageReference) -> OnConflict:
    """Return what a conflict at one target means: where no backup could be kept, nothing is replaced.

    :param on_conflict: what it means at most targets.
    :param target: repository, image and tag.
    """
    return on_conflict if on_conflict != "backup" or can_have_backup(target) else "fail"


def check_on_conflict(policy: str) -> str:
    """Return the conflict policy when there is such a one.

    :param policy: ``fail``, ``overwrite`` or ``backup``.
    :raises InvalidPromotion: when it is none of them.
    """
    if policy in get_args(OnConflict):
        return policy
    raise InvalidPromotion(f"on_conflict is 'fail', 'overwrite' or 'backup', not {policy!r:.120}.")


def check_replaces(digest: str | None) -> str | None:
    """Return what a target tag has to show when another digest takes its place.

    :param digest: a digest, ``none`` for nothing, or None for whatever it shows.
    :raises InvalidReference: when it is none of them.
    """
    return digest if digest in {None, NOTHING} else check_digest(str(digest))


def check_attachments(attachments: str) -> str:
    """Return what is brought along when there is such a choice.

    :param attachments: ``none``, ``tags`` or ``all``.
    :raises InvalidPromotion: when it is none of them.
    """
    if attachments in get_args(Attachments):
        return attachments
    raise InvalidPromotion(f"attachments is 'none', 'tags' or 'all', not {attachments!r:.120}.")


def check_pending_repository(key: str | None, *, two_phase: bool) -> str | None:
    """Return the transit repository's key when images can wait there.

    :param key: the repository key; None where they wait in the target's repository.
    :param two_phase: whether they wait at all.
    :raises InvalidReference: when it is no repository key.
    :raises InvalidPromotion: when nothing waits.
    """
    if key is None:
        return None
    if not two_phase:
        raise InvalidPromotion(
            f"pending_repository={key!r:.120} is where an image waits until it has been verified, and without two "
            "phases none does: set two_phase=True, without one_request, or leave pending_repository out."
        )
    return check_repository(key)


def check_record(prefix: str | None, properties: Mapping[str, str]) -> None:
    """Make sure that a record can be written, before anything is promoted that it would be missing from.

    :param prefix: the first part of the names of its properties; None where none is written.
    :param properties: its further properties, name → value.
    :raises InvalidPromotion: when Artifactory does not allow a name, a value is no text, or one is the record's own.
    """
    if not isinstance(properties, Mapping):
        raise InvalidPromotion(f"properties are names and values, such as {{'by': 'jane'}}, not {properties!r:.120}.")
    if own := sorted(name for name in properties if str(name).partition(".")[0] in RECORD_FIELDS | _MARKS):
        raise InvalidPromotion(f"The property {own[0]!r} is the record's own: give yours another name.")
    try:
        for name in (*properties, "promotion" if prefix is None else prefix):
            check_property_name(name)
        for value in properties.values():
            value.encode()
    except (InvalidReference, AttributeError, UnicodeError) as error:
        raise InvalidPromotion(
            f"The record of the promotion cannot be written ({error}): names and values are texts, and names hold no "
            f"spaces, slashes and the like. There are {dict(properties)!r:.300}, after the prefix {prefix!r:.120}."
        ) from error
