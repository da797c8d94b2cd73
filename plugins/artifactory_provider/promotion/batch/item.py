"""One promotion of a batch on its way, and the first look at many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor
from artifactory_provider.promotion.backup import backup_reference
from artifactory_provider.promotion.batch.batch import BatchResult
from artifactory_provider.promotion.conflicts import check_conflict
from artifactory_provider.promotion.errors import InvalidPromotion, TargetConflict
from artifactory_provider.promotion.observation import Observation, Shown, observe_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.batch.batch import Batch, Outcome


@dataclass(slots=True, eq=False)
class Item:
    """One promotion on its way.

    :param source: its source, pinned once the tag was seen.
    :param target: its target, with the same digest.
    :param before: what the target tag showed at first.
    :param is_index: whether the digest is an index's.
    :param is_alone: whether it is promoted alone in the end.
    :param manifest: its manifest, where that was read.
    """

    source: ImageReference
    target: ImageReference
    before: Shown | None = None
    is_index: bool = False
    is_alone: bool = False
    manifest: Manifest | None = None
    attachments: int = 0
    outcome: Outcome | None = None
    replaced: str | None = None
    error: Exception | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is known what has become of it."""
        return self.outcome is not None or self.error is not None

    @property
    def is_left(self) -> bool:
        """Whether it is still to be promoted with the others."""
        return not self.has_ended and not self.is_alone

    @property
    def descriptor(self) -> Descriptor:
        """Digest and kind of what is promoted."""
        return Descriptor(str(self.source.digest), OCI_INDEX if self.is_index else OCI_MANIFEST)

    def result(self) -> BatchResult:
        """Return what has become of it."""
        return BatchResult(
            source=self.source,
            target=self.target.unpinned(),
            outcome="failed" if self.error or self.outcome is None else self.outcome,
            replaced=self.replaced,
            attachments=self.attachments,
            error=self.error,
        )


async def look_at(
    client: ArtifactoryClient, batch: Batch, promotions: Iterable[tuple[ImageReference, ImageReference]]
) -> list[Item]:
    """Pin each source to what its tag shows, and see what is to be done about it.

    :param client: an open client.
    :param batch: the batch, with its options.
    :param promotions: source and target of each.
    :raises ArtifactoryError: when not even a look at the tags is possible.
    """
    items = [Item(source, target) for source, target in promotions]
    seen = await observe_tags(client, [end for item in items for end in (item.source, item.target)])
    for item in items:
        shown = seen.get(item.source.unpinned())
        item.before = seen.get(item.target.unpinned())
        if not batch.copy or shown is None or item.source.digest not in {None, shown.digest}:
            item.is_alone = True
            continue
        item.source, item.target = item.source.pinned(shown.digest), item.target.pinned(shown.digest)
        item.is_index = shown.is_index
        _compare(client, batch, item, shown)
    return items


def _compare(client: ArtifactoryClient, batch: Batch, item: Item, shown: Shown) -> None:
    if item.before is None:
        return
    if item.before.digest == shown.digest:
        item.outcome = "unchanged"
        return
    try:
        if batch.on_conflict == "backup":
            backup_reference(item.target, item.before.digest)
        single = batch.single(item.source, item.target.unpinned())
        check_conflict(client, single, Observation(shown, item.before, ()), shown.digest)
        item.is_alone = True
    except (InvalidPromotion, TargetConflict) as error:
        item.error = error
