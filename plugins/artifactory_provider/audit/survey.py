"""What stands in whole repositories, with all that is said of it: read as a stream, kept small.

The server sends properties along only where a query has no pages (see ``find_annotated_items``), so a repository is
read in spans of its folders, each bounded by itself: from one folder to that of the five hundredth manifest after it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.errors import UnexpectedAnswer
from artifactory_provider.artifactory.layout import (
    LIST_FILE,
    MANIFEST_FILE,
    any_manifest,
    any_of,
    folder_of,
    is_tag_folder,
    split_folder,
    subject_of,
)
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.marks import REJECTED, Mark, hold_of
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.record import StandingRecord, read_records

if TYPE_CHECKING:
    import datetime
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.promotion.listing import Image

log = logging.getLogger(__name__)

_MANIFESTS_A_SPAN = 500
_MOST_PATTERNS = 50
_MEDIA_TYPE = "docker.manifest.type"
_SERVERS_OWN = frozenset({_MEDIA_TYPE, "docker.manifest", "docker.manifest.digest", "docker.repoName", "sha256"})


@dataclass(frozen=True, slots=True)
class StandingTag:
    """A tag as it stands in a repository.

    :param place: repository, image, tag, and the digest that it shows.
    :param is_index: whether that is an index.
    :param media_type: that of its manifest; nothing where the server does not say.
    :param created: when its bytes were pushed; copies and moves keep it. None where the server does not say.
    :param updated: when it was written, copied or moved here; None where the server does not say.
    :param by: who has pushed its bytes; nothing where the server does not say.
    :param size: the bytes of its manifest, without its layers.
    :param properties: those of its manifest, name → values, without what the server itself says in them.
    """

    place: ImageReference
    is_index: bool
    media_type: str
    created: datetime.datetime | None
    updated: datetime.datetime | None
    by: str
    size: int
    properties: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """The digest that it shows."""
        return str(self.place.digest)

    @property
    def image(self) -> Image:
        """Repository and image."""
        return self.place.repository, self.place.image

    @property
    def name(self) -> str:
        """The tag alone."""
        return str(self.place.tag)

    @property
    def record(self) -> StandingRecord | None:
        """The record of its promotion; None where none says that this digest was promoted to this tag."""
        return next((record for record in read_records(self.properties) if record.speaks_of(self.place)), None)

    @property
    def hold(self) -> Mark | None:
        """The hold on it, or None."""
        return hold_of(self.properties, self.place)


class Survey:
    """What stands in repositories, as it was read.

    :param repositories: the keys of the repositories that were read.
    """

    def __init__(self, repositories: Iterable[str] = ()) -> None:
        self.repositories = tuple(repositories)
        self._tags: dict[Folder, StandingTag] = {}
        self._by_image: dict[Image, dict[str, StandingTag]] = {}
        self._manifests: dict[Image, set[str]] = {}
        self._rejected: dict[str, Mark] = {}
        self._texts: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def __iter__(self) -> Iterator[StandingTag]:
        return iter(self._tags.values())

    @property
    def images(self) -> Sequence[Image]:
        """Repository and name of each image that has tags."""
        return tuple(self._by_image)

    def tags_of(self, image: Image) -> Mapping[str, StandingTag]:
        """Return the tags of an image, attachments and all: tag → what stands there.

        :param image: repository and image.
        """
        return self._by_image.get(image, {})

    def find(self, tag: ImageReference) -> StandingTag | None:
        """Return what stands under a tag, or None.

        :param tag: repository, image and tag.
        """
        return self._tags.get(folder_of(tag.unpinned()))

    def has_manifest(self, image: Image, digest: str) -> bool:
        """Return whether an image has a manifest, under a tag or without one: a child of an index, a referrer.

        :param image: repository and image.
        :param digest: the digest.
        """
        return digest in self._manifests.get(image, ())

    def attachments_of(self, tag: StandingTag) -> list[StandingTag]:
        """Return the tags of what belongs to the digest of a tag.

        :param tag: what stands there.
        """
        return [other for name, other in self.tags_of(tag.image).items() if subject_of(name) == tag.digest]

    @property
    def rejected(self) -> Mapping[str, Mark]:
        """The digests that are rejected, in whatever repository they stand, and their rejections."""
        return self._rejected

    def rejects(self, digest: str) -> Mark | None:
        """Return the rejection of a digest, in whatever repository it stands; None where there is none.

        :param digest: the digest.
        """
        return self._rejected.get(digest)

    def add(self, items: Iterable[Item], images: Patterns | None = None) -> None:
        """Note manifests that were found, those of a folder together.

        :param items: the files.
        :param images: the images that are meant; None for all.
        """
        for item in items:
            image, name = split_folder(item.folder)
            if images is not None and not images.match(image):
                continue
            self.note_rejection(item)
            try:
                if not is_tag_folder(name):
                    self._manifests.setdefault((item.repository, image), set()).add(self._once(item.digest))
                elif item.name in {MANIFEST_FILE, LIST_FILE}:
                    self._add_tag(item, ImageReference(item.repository, image, name, item.digest))
            except InvalidReference as error:
                log.info("Passing over %s/%s, which no client can name: %s", item.repository, item.folder, error)

    def note_rejection(self, item: Item) -> None:
        """Note that a digest is rejected, where its manifest says so.

        :param item: a manifest.
        """
        if mark := Mark.read(item.properties or {}, REJECTED):
            self._rejected[self._once(item.digest)] = mark

    def _add_tag(self, item: Item, place: ImageReference) -> None:
        place = place.pinned(self._once(item.digest))
        image, folder = (place.repository, place.image), folder_of(place.unpinned())
        self._manifests.setdefault(image, set()).add(str(place.digest))
        is_index = item.name == LIST_FILE
        if folder in self._tags and not is_index:
            return  # The index beside it is what the tag shows.
        properties = item.properties or {}
        tag = StandingTag(
            place,
            is_index,
            self._once(" ".join(properties.get(_MEDIA_TYPE, ()))),
            item.created,
            item.updated,
            self._once(item.by),
            item.size or 0,
            {
                self._once(name): tuple(map(self._once, values))
                for name, values in properties.items()
                if name not in _SERVERS_OWN
            },
        )
        self._tags[folder] = tag
        self._by_image.setdefault(image, {})[place.tag or ""] = tag

    def _once(self, text: str) -> str:
        """Keep one of equal texts: among thousands of tags, most names, digests and runs come again."""
        return self._texts.setdefault(text, text)


async def take_survey(client: ArtifactoryClient, repositories: Iterable[str], images: Patterns | None = None) -> Survey:
    """Return what stands in repositories now: some requests for each five hundred manifests.

    :param client: an open client.
    :param repositories: their keys.
    :param images: which images are meant; None for all.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked: nobody can tell then what is missing.
    """
    images = images or Patterns()
    found = Survey(dict.fromkeys(repositories))
    for repository in found.repositories:
        async for span in list_manifests(client, repository, images):
            async for item in in_turns(span):
                found.add((item,), images)
    rejected = {f"@{REJECTED}": {"$match": "*"}, **any_manifest()}
    for item in await client.find_annotated_items(rejected):
        found.note_rejection(item)
    return found


async def list_manifests(
    client: ArtifactoryClient,
    repository: str,
    images: Patterns,
    *,
    a_span: int = _MANIFESTS_A_SPAN,
    among: Sequence[Mapping[str, Any]] = (),
) -> AsyncIterator[list[Item]]:
    """Yield the manifests of a repository, span by span, those of a folder together, each with its properties.

    :param client: an open client.
    :param repository: the repository key.
    :param images: which images are meant; others may come as well.
    :param a_span: how many manifests one answer has at most, or one more.
    :param among: further AQL criteria that they meet.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked.
    """
    reading: asyncio.Task[list[Item]] | None = None
    start = end = ""
    try:
        while reading is None or end:
            last = await client.item_at(_between(repository, images, among, start, ""), a_span)
            end = last.folder if last else ""
            if end and end == start:
                raise UnexpectedAnswer(
                    f"A query has found {a_span} manifests in the folder {end!r} of {repository!r}, which "
                    "has two at most: check that no proxy answers in Artifactory's place."
                )
            # The next span's beginning is looked for while this one is sent.
            asking = client.find_annotated_items(_between(repository, images, among, start, end), with_origin=True)
            before, reading = reading, asyncio.ensure_future(asking)
            if before is not None:
                yield await before
            start = end
        yield await reading
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _between(
    repository: str, images: Patterns, among: Sequence[Mapping[str, Any]], start: str, end: str
) -> dict[str, Any]:
    """Return the criteria of the manifests from one folder to another, in the server's order, without the last."""
    bounds = ([{"path": {"$gte": start}}] if start else []) + ([{"path": {"$lt": end}}] if end else [])
    names = [*images.exact, *(f"{prefix}*" for prefix in images.prefixes)]
    paths = [{"path": {"$match": f"{name}/*" if name != "*" else "*"}} for name in names]
    is_everything = "*" in names or len(names) > _MOST_PATTERNS
    places = [] if is_everything or not paths else [dict(any_of(paths))]
    return {"repo": repository, "$and": [any_manifest(), *among, *places, *bounds]}
