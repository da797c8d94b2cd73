"""What was seen of the registry in one moment: what tags show, pending tags, attachments, files of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.layout import (
    LIST_FILE,
    MANIFEST_FILE,
    blob_file,
    folder_of,
    folder_of_digest,
    shown_file,
    split_folder,
    subject_of,
)
from artifactory_provider.promotion.marks import REJECTED, Mark, hold_of
from artifactory_provider.promotion.tags import PENDING_PREFIX, PendingTag

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference

Image = tuple[str, str]
"""Repository key and image name."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a tag shows.

    :param digest: the digest of its manifest or index.
    :param is_index: whether it is an index.
    :param updated: when it was written, copied or moved there; None where that was not told.
    :param properties: those of its manifest, name → values; None where they were not asked for.
    :param created: when its bytes were pushed, which a copy keeps; None where that was not told.
    """

    digest: str
    is_index: bool
    updated: datetime.datetime | None = field(default=None, compare=False)
    properties: Mapping[str, Sequence[str]] | None = field(default=None, compare=False)
    created: datetime.datetime | None = field(default=None, compare=False)


def image_of(reference: ImageReference) -> Image:
    """Return repository and image of a reference."""
    return reference.repository, reference.image


class Listing:
    """What one look has found; several questions may share it.

    :param knows_files: whether it holds all files of the folders that were asked for, and not only what tags show.
    """

    def __init__(self, *, knows_files: bool) -> None:
        self.knows_files = knows_files
        self._files: dict[Folder, dict[str, str]] = {}
        self._shown: dict[Folder, Shown] = {}
        self._pending: dict[Image, dict[str, PendingTag]] = {}
        self._attachments: dict[Image, dict[str, dict[str, str | None]]] = {}
        self._rejected: dict[str, Mark] = {}

    @classmethod
    def read(cls, items: Iterable[Item], *, with_marks: bool = False) -> Listing:
        """Return what the files say that a query has found.

        :param items: the files.
        :param with_marks: whether they have come with their properties.
        """
        listing = cls(knows_files=True)
        found: dict[Folder, dict[str, Item]] = {}
        for item in items:
            found.setdefault((item.repository, item.folder), {})[item.name] = item
            if with_marks and item.name in (LIST_FILE, MANIFEST_FILE):
                listing._note_rejection(item.digest, item.properties)
        for folder, files in found.items():
            listing._files[folder] = {name: item.digest for name, item in files.items()}
            name = shown_file(files)
            if name is not None:
                item = files[name]
                properties = item.properties or {} if with_marks else None
                listing._add_tag(folder, Shown(item.digest, name == LIST_FILE, item.updated, properties, item.created))
        return listing

    def add_shown(self, tag: ImageReference, shown: Shown) -> None:
        """Note what a tag shows.

        :param tag: repository, image and tag.
        """
        self._add_tag(folder_of(tag.unpinned()), shown)

    def add_names(self, image: Image, tags: Iterable[str]) -> None:
        """Note tags of an image of which only the names are known.

        :param image: repository and image.
        :param tags: the tags.
        """
        for tag in tags:
            self._add_name(image, tag, None)

    def add_rejections(self, other: Listing) -> None:
        """Note the rejections that another look has found.

        :param other: what it has found.
        """
        self._rejected |= other._rejected

    def shows(self, tag: ImageReference) -> Shown | None:
        """Return what a tag shows, or None.

        :param tag: repository, image and tag.
        """
        return self._shown.get(folder_of(tag.unpinned()))

    def holds(self, tag: ImageReference) -> Mark | None:
        """Return the hold on a tag, or None; its properties must have been asked for.

        :param tag: repository, image and tag.
        """
        shown = self.shows(tag)
        return hold_of(shown.properties, tag) if shown and shown.properties else None

    def rejects(self, digest: str) -> Mark | None:
        """Return the rejection of a digest, wherever it was found, or None.

        :param digest: the digest.
        """
        return self._rejected.get(digest)

    def pending_in(self, image: Image) -> tuple[PendingTag, ...]:
        """Return the pending tags of an image.

        :param image: repository and image.
        """
        return tuple(self._pending.get(image, {}).values())

    def pending_for(self, target: ImageReference, images: Iterable[Image]) -> list[PendingTag]:
        """Return the pending tags that wait for a target tag.

        :param target: repository, image and tag.
        :param images: where they are looked for: images of the target's name.
        """
        return [pending for image in images for pending in self.pending_in(image) if pending.is_for(target)]

    def attachments_in(self, image: Image) -> dict[str, dict[str, str | None]]:
        """Return what belongs to the digests of an image: digest → tag → what that shows, where it is known.

        :param image: repository and image.
        """
        return self._attachments.get(image, {})

    def has_blobs(self, folder: Folder, blobs: Iterable[str]) -> bool:
        """Return whether a folder holds all these blobs."""
        there = self._files.get(folder, {})
        return all(blob_file(blob) in there for blob in blobs)

    def has_manifest(self, folder: Folder, digest: str) -> bool:
        """Return whether a folder holds a manifest with this digest."""
        there = self._files.get(folder, {})
        return digest in (there.get(MANIFEST_FILE), there.get(LIST_FILE))

    def is_copied(self, source: Folder, target: Folder, digest: str) -> bool:
        """Return whether the target's folder of a manifest has all files that the source's has, the manifest with them.

        An index is not proven by this: its children lie elsewhere.
        """
        wanted, there = self._files.get(source, {}), self._files.get(target, {})
        return wanted.get(MANIFEST_FILE) == digest and all(
            there.get(name) == digest if name == MANIFEST_FILE else name in there for name in wanted
        )

    def proves(self, source: ImageReference, target: ImageReference, manifest: Manifest) -> bool:
        """Return whether the target has all blobs of a manifest, and all children with what they have in the source.

        :param source: repository and image.
        :param target: repository, image and tag.
        :param manifest: the manifest or index.
        """
        return self.has_blobs(folder_of(target), manifest.blobs) and all(
            self.is_copied(folder_of_digest(source, child), folder_of_digest(target, child), child)
            for child in manifest.children
        )

    def _add_tag(self, folder: Folder, shown: Shown) -> None:
        self._shown[folder] = shown
        self._note_rejection(shown.digest, shown.properties)
        image, tag = split_folder(folder[1])
        self._add_name((folder[0], image), tag, shown)

    def _note_rejection(self, digest: str, properties: Mapping[str, Sequence[str]] | None) -> None:
        if properties and (mark := Mark.read(properties, REJECTED)):
            self._rejected[digest] = mark

    def _add_name(self, image: Image, tag: str, shown: Shown | None) -> None:
        if subject := subject_of(tag):
            by_subject = self._attachments.setdefault(image, {})
            by_subject.setdefault(subject, {})[tag] = shown.digest if shown else None
        elif tag.startswith(PENDING_PREFIX):
            pending = PendingTag.read(image, tag, shown.digest if shown else None, shown.updated if shown else None)
            if pending is not None:
                self._pending.setdefault(image, {})[tag] = pending
