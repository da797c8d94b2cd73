"""What a batch is given, and what it tells of itself."""

from __future__ import annotations

import csv
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from artifactory_provider.promotion.backup import can_be_kept
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.pending import check_run
from artifactory_provider.promotion.promotion import OnConflict, Promotion, check_on_conflict

if TYPE_CHECKING:
    from typing import TextIO

    from artifactory_provider.artifactory.references import ImageReference

Outcome = Literal["promoted", "unchanged", "failed"]

_COLUMNS = ("source", "target", "digest", "outcome", "replaced", "attachments", "error")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Many promotions that are made the same way.

    :param promotions: source and target of each, both with a tag; a source with a digest is pinned to it.
    :param copy: True copies; False moves: each source tag is removed once its target has been verified.
    :param on_conflict: what happens when a target tag shows another digest: ``fail``, ``overwrite`` or ``backup``.
    :param two_phase: whether each image is verified under a pending tag before its target tag shows it.
    :param attachments: whether cosign's tags (``.sig``, ``.att``, ``.sbom``) are brought along.
    :param referrers: whether every manifest is read as well, so that the children of indexes are looked for in the
        target, and OCI referrers are brought along: one request more for each image, and one for each of its digests.
    :param property_prefix: the first part of the names of the properties that record each promotion on its target's
        manifest, one request each; None writes none.
    :param run: what tells this run's pending tags from those of others, 1 to 32 lower-case letters and digits.
    :param confirmation_timeout: seconds that the targets may take to show what was promoted.
    :param pending_timeout: seconds after which the pending tag of another run counts as left behind.
    :param at_once: how many requests are under way at a time, at most; a server that limits requests or becomes slow
        gets fewer.
    :raises InvalidPromotion: when two promotions have one target, or one makes no sense, or an option does not.
    """

    promotions: tuple[tuple[ImageReference, ImageReference], ...]
    copy: bool = True
    on_conflict: OnConflict = "fail"
    two_phase: bool = True
    attachments: bool = True
    referrers: bool = True
    property_prefix: str | None = None
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    confirmation_timeout: float = 60
    pending_timeout: float = 3600
    at_once: int = 32

    def __post_init__(self) -> None:
        check_on_conflict(self.on_conflict)
        check_run(self.run)
        for name in ("confirmation_timeout", "pending_timeout"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidPromotion(f"{name} is a number of seconds, 0 or more.")
        if not 1 <= self.at_once <= 256:
            raise InvalidPromotion(f"at_once is a number of requests, 1 to 256, not {self.at_once!r}.")
        sources: dict[str, ImageReference] = {}
        for source, target in self.promotions:
            if source.tag is None or target.tag is None:
                raise InvalidPromotion(f"{source} → {target} needs a source tag and a target tag.")
            other = sources.setdefault(str(target), source)
            if other is not source:
                raise InvalidPromotion(
                    f"{target} would be promoted to twice, from {other} and from {source}: nothing was promoted. "
                    "Give each target one source."
                )
            self.single(source, target)

    def single(self, source: ImageReference, target: ImageReference) -> Promotion:
        """Return one of the promotions, as it would be made alone; where no backup could be kept, it replaces nothing.

        :param source: its source.
        :param target: its target.
        """
        on_conflict = self.on_conflict
        if on_conflict == "backup" and not can_be_kept(target):
            on_conflict = "fail"
        return Promotion(
            source=source,
            target=target,
            copy=self.copy,
            on_conflict=on_conflict,
            two_phase=self.two_phase,
            attachments=self.attachments,
            property_prefix=self.property_prefix,
            run=self.run,
            confirmation_timeout=self.confirmation_timeout,
            pending_timeout=self.pending_timeout,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What became of one promotion of a batch.

    :param source: its source, with the digest where that is known.
    :param target: its target.
    :param outcome: ``promoted``, ``unchanged`` or ``failed``.
    :param replaced: the digest that the target tag showed before and no longer shows, if there was one.
    :param attachments: how many attachments were found to belong to it.
    :param error: why it failed.
    """

    source: ImageReference
    target: ImageReference
    outcome: Outcome
    replaced: str | None = None
    attachments: int = 0
    error: Exception | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "digest": self.source.digest,
            "outcome": self.outcome,
            "replaced": self.replaced,
            "attachments": self.attachments,
            "error": str(self.error) if self.error else None,
        }


@dataclass(frozen=True)
class BatchReport:
    """What became of a batch.

    :param results: one for each promotion, in the batch's order.
    """

    results: tuple[BatchResult, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many were promoted, unchanged and failed, all three named."""
        outcomes = [result.outcome for result in self.results]
        return {outcome: outcomes.count(outcome) for outcome in ("promoted", "unchanged", "failed")}

    @property
    def failures(self) -> tuple[BatchResult, ...]:
        """Those that failed."""
        return tuple(result for result in self.results if result.outcome == "failed")

    def write_csv(self, file: TextIO) -> None:
        """Write all results as CSV, with a header.

        :param file: an open text file.
        """
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(result.as_dict() for result in self.results)
