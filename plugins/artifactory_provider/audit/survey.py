"""What stands in whole repositories, with all that is said of it: read as a stream, kept small.

The server sends properties along only where a query has no pages (see ``find_annotated_items``), so the tags of a
repository are read in spans of its folders, each bounded by itself: from one folder to the five hundredth after it.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import UnexpectedAnswer
from artifactory_provider.artifactory.layout import (
    LIST_FILE,
    any_manifest,
    any_of,
    folder_of,
    is_tag_folder,
    split_folder,
    subject_of,
)
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.artifactory.rest_api import ITEMS_A_PAGE
from artifactory_provider.promotion.marks import REJECTED, Mark, hold_of
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.record import StandingRecord, take_records

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.layout import Folder
    from artifactory_provider.promotion.listing import Image

log = logging.getLogger(__name__)

_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_TAGS_A_SPAN = 500
_SPANS_AT_ONCE = 2
_QUERIES_AT_ONCE = 3
"""As many as Artifactory answers at a time (JFrog's documentation "AQL performance")."""
_CHILDREN = "*/sha256:*"
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
    :param properties: those of its manifest, name → values, without what the server itself says in them, and without
        what the records have.
    :param records: the records of promotions among them, also those that have come along with a copy.
    :param record: the one that says that this digest was promoted to this tag; None where none does.
    """

    place: ImageReference
    is_index: bool
    media_type: str
    created: datetime.datetime | None
    updated: datetime.datetime | None
    by: str
    size: int
    properties: Mapping[str, tuple[str, ...]]
    records: tuple[StandingRecord, ...]
    record: StandingRecord | None

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
    def hold(self) -> Mark | None:
        """The hold on it, or None."""
        return hold_of(self.properties, self.place)


def by_age(tag: StandingTag) -> tuple[datetime.datetime, str]:
    """Return what tags are sorted by, the oldest first: when each came; of one moment, their names.

    :param tag: the tag.
    """
    return tag.updated or _LONG_AGO, tag.name


class Survey:
    """What stands in repositories, as it was read.

    :param repositories: the keys of the repositories that were read.
    :param images: which images are meant; None for all.
    """

    def __init__(self, repositories: Iterable[str] = (), images: Patterns | None = None) -> None:
        self.repositories = tuple(repositories)
        # Thousands of tags are of few images, whose names are checked once.
        self._refer_to = cache(ImageReference)
        self._is_meant = cache((images or Patterns()).match)
        self._tags: dict[Folder, StandingTag] = {}
        self._by_image: dict[Image, dict[str, StandingTag]] = {}
        self._manifests: dict[Image, set[str]] = {}
        self._untagged: dict[Image, set[str]] = {}
        self._hidden: dict[Folder, str] = {}
        self._folders: set[Folder] = set()
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

    def images_by_need(self) -> list[Image]:
        """Return the images, those first that have tags without a record: others have to explain these."""

        def has_records(image: Image) -> bool:
            return all(tag.record or subject_of(tag.name) for tag in self._by_image[image].values())

        return sorted(self._by_image, key=lambda image: (has_records(image), image))

    @property
    def folders(self) -> Collection[Folder]:
        """The folders of all images that have manifests, those that no client can name among them."""
        return self._folders

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

    def digests_in(self, tag: StandingTag) -> tuple[str, ...]:
        """Return the digests of the manifests in a tag's folder: what it shows, and what an index there hides.

        :param tag: what stands there.
        """
        hidden = self._hidden.get(folder_of(tag.place.unpinned()))
        return (tag.digest,) if hidden is None else (tag.digest, hidden)

    def digests_of(self, image: Image, *, without: Collection[ImageReference]) -> set[str]:
        """Return the digests that an image would have without some of its tags.

        :param image: repository and image.
        :param without: the tags, pinned.
        """
        tags = [tag for tag in self.tags_of(image).values() if tag.place not in without]
        return {*self._untagged.get(image, ()), *(digest for tag in tags for digest in self.digests_in(tag))}

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

    def find_rejected_child(self, image: Image) -> str | None:
        """Return the digest of a rejected manifest of an image that no tag leads to, or None.

        :param image: repository and image.
        """
        untagged = self._untagged.get(image, ())
        return next((digest for digest in self._rejected if digest in untagged), None)

    def add(self, items: Iterable[Item]) -> None:
        """Note manifests that were found, those of a folder together.

        :param items: the files.
        """
        for item in items:
            image, name = split_folder(item.folder)
            if not self._is_meant(image):
                continue
            self.note_rejection(item)
            self._folders.add((item.repository, image))
            try:
                if not is_tag_folder(name):
                    for kept in (self._manifests, self._untagged):
                        kept.setdefault((item.repository, image), set()).add(item.digest)
                else:
                    self._add_tag(item, self._refer_to(item.repository, image).tagged(name).pinned(item.digest))
            except InvalidReference as error:
                log.info("Passing over %s/%s, which no client can name: %s", item.repository, item.folder, error)

    def note_rejection(self, item: Item) -> None:
        """Note that a digest is rejected, where its manifest says so.

        :param item: a manifest.
        """
        if item.properties and (mark := Mark.read(item.properties, REJECTED)):
            self._rejected[item.digest] = mark

    def _add_tag(self, item: Item, place: ImageReference) -> None:
        image, folder = (place.repository, place.image), (item.repository, item.folder)
        self._manifests.setdefault(image, set()).add(item.digest)
        is_index = item.name == LIST_FILE
        if folder in self._tags and not is_index:
            self._hidden[folder] = item.digest
            return  # The index beside it is what the tag shows.
        if folder in self._tags:
            self._hidden[folder] = self._tags[folder].digest
        said, once = item.properties or {}, self._once
        properties = {once(name): values for name, values in said.items() if name not in _SERVERS_OWN}
        # Of thousands of tags, the values of each record would be most of what is kept.
        records = tuple(take_records(properties))
        tag = StandingTag(
            place,
            is_index,
            once(" ".join(said.get(_MEDIA_TYPE, ()))),
            item.created,
            item.updated,
            once(item.by),
            item.size or 0,
            properties,
            records,
            next((record for record in records if record.speaks_of(place)), None),
        )
        self._tags[folder] = tag
        self._by_image.setdefault(image, {})[place.tag or ""] = tag

    def _once(self, text: str) -> str:
        """Keep one of equal texts: among thousands of tags, the names of properties and of people come again."""
        return self._texts.setdefault(text, text)


async def take_survey(client: ArtifactoryClient, repositories: Iterable[str], images: Patterns | None = None) -> Survey:
    """Return what stands in repositories now: a few requests for each thousand manifests.

    :param client: an open client.
    :param repositories: their keys.
    :param images: which images are meant; None for all.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked: nobody can tell then what is missing.
    """
    images = images or Patterns()
    found = Survey(dict.fromkeys(repositories), images)

    async def take(spans: AsyncGenerator[list[Item]]) -> None:
        async with aclosing(spans):
            async for span in spans:
                found.add(span)

    for repository in found.repositories:
        # While what the one has read is taken in, the server answers the other.
        with client.at_most(_QUERIES_AT_ONCE):
            await concurrently(take, [each(client, repository, images) for each in (_list_children, _list_tags)])
    for item in await client.find_annotated_items({f"@{REJECTED}": {"$match": "*"}, **any_manifest()}):
        found.note_rejection(item)
    return found


async def _list_children(client: ArtifactoryClient, repository: str, images: Patterns) -> AsyncGenerator[list[Item]]:
    """Yield the manifests that no tags lead to, span by span: of them only their digests are needed."""
    start = ""
    while True:
        span = await client.find_page(_between(repository, images, [{"path": {"$match": _CHILDREN}}], start))
        yield span
        if len(span) < ITEMS_A_PAGE:
            return
        start = _next_of(span[-1], start)


def _list_tags(client: ArtifactoryClient, repository: str, images: Patterns) -> AsyncGenerator[list[Item]]:
    tags = [{"path": {"$nmatch": _CHILDREN}}]
    return list_manifests(client, repository, images, a_span=_TAGS_A_SPAN, among=tags)


async def list_manifests(
    client: ArtifactoryClient,
    repository: str,
    images: Patterns,
    *,
    a_span: int,
    among: Sequence[Mapping[str, Any]] = (),
) -> AsyncGenerator[list[Item]]:
    """Yield the manifests of a repository, span by span, those of a folder together, each with its properties.

    :param client: an open client.
    :param repository: the repository key.
    :param images: which images are meant; others may come as well.
    :param a_span: how many manifests one answer has at most, or one more.
    :param among: further AQL criteria that they meet.
    :raises ArtifactoryError: when the server refuses queries, or cannot be asked.
    """

    def seek(start: str) -> asyncio.Task[list[Item]]:
        criteria = _between(repository, images, among, start)
        return asyncio.ensure_future(client.find_page(criteria, offset=a_span, limit=1))

    start, seeking = "", seek("")
    reading: deque[asyncio.Task[list[Item]]] = deque()
    is_last = False
    try:
        while reading or not is_last:
            # While one span is taken in, the server sends the next, and looks for the end of the one after it.
            while len(reading) < _SPANS_AT_ONCE and not is_last:
                found = await seeking
                is_last = not found
                end = "" if is_last else _next_of(found[0], start)
                criteria = _between(repository, images, among, start, end)
                reading.append(asyncio.ensure_future(client.find_annotated_items(criteria, with_origin=True)))
                if not is_last:
                    start, seeking = end, seek(end)
            yield await reading.popleft()
    finally:
        for task in (seeking, *reading):
            task.cancel()
        await asyncio.gather(seeking, *reading, return_exceptions=True)


def _next_of(item: Item, start: str) -> str:
    """Return the folder from which it goes on.

    :raises UnexpectedAnswer: when that is where it has begun: no folder has so many manifests.
    """
    if item.folder != start:
        return item.folder
    raise UnexpectedAnswer(
        f"A query has found hundreds of manifests in the folder {start!r} of {item.repository!r}, which has two at "
        "most: check that no proxy answers in Artifactory's place."
    )


def _between(
    repository: str, images: Patterns, among: Sequence[Mapping[str, Any]], start: str, end: str = ""
) -> dict[str, Any]:
    """Return the criteria of the manifests from one folder to another, in the server's order, without the last."""
    bounds = ([{"path": {"$gte": start}}] if start else []) + ([{"path": {"$lt": end}}] if end else [])
    names = [*images.exact, *(f"{prefix}*" for prefix in images.prefixes)]
    paths = [{"path": {"$match": f"{name}/*" if name != "*" else "*"}} for name in names]
    is_everything = "*" in names or len(names) > _MOST_PATTERNS
    places = [] if is_everything or not paths else [dict(any_of(paths))]
    return {"repo": repository, "$and": [any_manifest(), *among, *places, *bounds]}
