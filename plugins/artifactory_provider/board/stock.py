"""What the repositories of ladders hold, as one look has found it: small enough for ten thousand images."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.layout import LIST_FILE, is_tag_folder, shown_file, split_folder, subject_of
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.marks import REJECTED, Mark
from artifactory_provider.promotion.tags import select_images

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Mapping

    from artifactory_provider.artifactory.aql import Item

Place = tuple[str, str]
"""Repository key and image name."""
Properties = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class StoredTag:
    """What a tag shows.

    :param tag: the tag.
    :param digest: the digest of its manifest or index.
    :param is_index: whether it is an index.
    :param updated: when it came there; None where the server does not say.
    :param created: when its bytes were put where they were first.
    :param properties: those that are wanted of its manifest.
    """

    tag: str
    digest: str
    is_index: bool
    updated: datetime.datetime | None
    created: datetime.datetime | None
    properties: Properties


@dataclass(slots=True)
class Stock:
    """What some repositories of one server hold.

    :param tags: repository and image → tag → what it shows; of images alone, no attachments or pending tags.
    :param rejected: digest → its rejection, wherever it was found.
    """

    tags: dict[Place, dict[str, StoredTag]] = field(default_factory=dict)
    rejected: dict[str, Mark] = field(default_factory=dict)

    def add(self, items: Iterable[Item], wants: Callable[[str], bool]) -> None:
        """Note the manifests that a query has found.

        :param items: the manifests, with their properties.
        :param wants: tells whether a property is kept.
        """
        folders: dict[Place, dict[str, Item]] = {}
        for item in items:
            folders.setdefault((item.repository, item.folder), {})[item.name] = item
            if item.properties and (mark := Mark.read(item.properties, REJECTED)):
                self.rejected[item.digest] = mark
        for (repository, folder), files in folders.items():
            name = shown_file(files)
            image, tag = split_folder(folder)
            if name is None or not _is_image(repository, image, tag):
                continue
            item = files[name]
            self.tags.setdefault((sys.intern(repository), sys.intern(image)), {})[tag] = StoredTag(
                tag=sys.intern(tag),
                digest=sys.intern(item.digest),
                is_index=name == LIST_FILE,
                updated=item.updated,
                created=item.created,
                properties=_keep(item.properties or {}, wants),
            )

    def of(self, repository: str, image: str) -> Mapping[str, StoredTag]:
        """Return what the tags of an image show; none where it is not there.

        :param repository: the repository key.
        :param image: the image name.
        """
        return self.tags.get((repository, image), {})

    def images(self, repository: str) -> list[str]:
        """Return the images of a repository, in their order.

        :param repository: the repository key.
        """
        return sorted(image for key, image in self.tags if key == repository)


def _is_image(repository: str, image: str, tag: str) -> bool:
    if not is_tag_folder(tag) or subject_of(tag) or not select_images([tag]):
        return False
    try:
        ImageReference(repository, image, tag)
    except InvalidReference:
        return False  # No Docker client can name it.
    return True


def _keep(properties: Mapping[str, tuple[str, ...]], wants: Callable[[str], bool]) -> Properties:
    return {sys.intern(name): tuple(map(sys.intern, values)) for name, values in properties.items() if wants(name)}
