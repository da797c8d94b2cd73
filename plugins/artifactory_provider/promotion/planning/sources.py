"""What source repositories hold: tags that are images of their own, and the tags of attachments that belong to them.

One query lists all of a repository, a thousand files a request. Where the server refuses queries, its lists of images
and tags are read, and each chosen tag is looked at.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.diagnosis import look
from artifactory_provider.artifactory.errors import NotFound
from artifactory_provider.artifactory.layout import (
    LIST_FILE,
    MANIFEST_FILE,
    any_manifest,
    is_tag_folder,
    split_folder,
    subject_of,
)
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.tags import select_images

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.planning.criteria import TagCriteria

log = logging.getLogger(__name__)

_MOST_PLACES = 100


@dataclass(frozen=True, slots=True)
class ListedTag:
    """A tag of a source repository.

    :param reference: repository, image and tag, pinned to the digest that it shows.
    :param created: when the image was created; None where that was not asked for, or is not known.
    """

    reference: ImageReference
    created: datetime.datetime | None


@dataclass(frozen=True)
class SourceTags:
    """What source repositories hold of what is meant.

    :param tags: the tags that are meant.
    :param attachments: (repository, image, digest) → the tags of attachments that belong to that digest, pinned.
    """

    tags: list[ListedTag] = field(default_factory=list)
    attachments: dict[tuple[str, str, str], list[ImageReference]] = field(default_factory=dict)

    def attachments_of(self, reference: ImageReference) -> Sequence[ImageReference]:
        """Return the tags of attachments that belong to a digest.

        :param reference: repository, image and digest.
        """
        return self.attachments.get((reference.repository, reference.image, str(reference.digest)), ())

    def attach(self, tag: ImageReference, subject: str) -> None:
        """Note the tag of an attachment.

        :param tag: repository, image, tag and digest.
        :param subject: the digest that it belongs to.
        """
        self.attachments.setdefault((tag.repository, tag.image, subject), []).append(tag)


async def list_tags(ledger: Ledger, criteria: TagCriteria, *, with_times: bool, with_attachments: bool) -> SourceTags:
    """Return the tags that meet the criteria, as they are now.

    :param ledger: what is known of the registry.
    :param criteria: which tags are meant.
    :param with_times: whether it is needed when each image was created.
    :param with_attachments: whether the tags of attachments are needed.
    """
    if not _places(criteria, with_attachments=with_attachments):
        return SourceTags()
    items = await ledger.find_items(query(criteria, with_attachments=with_attachments))
    if items is not None:
        return await _select_items(ledger, criteria, items, with_attachments=with_attachments)
    found = SourceTags()
    for repository in criteria.repositories:
        await _list_each(ledger, criteria, repository, found, with_times=with_times, with_attachments=with_attachments)
    return found


async def list_standing_tags(
    client: ArtifactoryClient, criteria: TagCriteria, *, with_times: bool = False
) -> list[ListedTag]:
    """Return the tags that meet some criteria, each with the digest that it shows now, by few requests.

    :param client: an open client.
    :param criteria: which tags are meant.
    :param with_times: whether it is needed when each image was created.
    :raises RepositoryNotFound: when one of the repositories is not there, which is no empty one.
    :raises UnsupportedRepository: when one is no local or federated Docker repository.
    """
    async with Ledger(client) as ledger:
        found = await list_tags(ledger, criteria, with_times=with_times, with_attachments=False)
        there = {one.reference.repository for one in found.tags}
        for repository in criteria.repositories:
            if repository not in there:
                await ledger.check_repository(repository)
    return found.tags


async def _select_items(
    ledger: Ledger, criteria: TagCriteria, items: Sequence[Item], *, with_attachments: bool
) -> SourceTags:
    found = SourceTags()
    chosen: dict[ImageReference, Item] = {}
    # The list wins: it comes after the manifest that may stand beside it.
    for item in sorted(items, key=lambda item: item.name == LIST_FILE):
        tag = _tag_of(item)
        if tag is None or not criteria.images.match(tag.image):
            continue
        subject = subject_of(str(tag.tag))
        if with_attachments and subject:
            found.attach(tag.pinned(item.digest), subject)
        elif criteria.selects_tag(str(tag.tag)) and select_images([str(tag.tag)]):
            chosen[tag] = item
    if criteria.has_times or criteria.properties:
        await _leave_out_hidden(ledger, chosen)
    for tag, item in chosen.items():
        if criteria.selects_times(item.created, item.updated):
            found.tags.append(ListedTag(tag.pinned(item.digest), item.created))
    return found


async def _leave_out_hidden(ledger: Ledger, chosen: dict[ImageReference, Item]) -> None:
    """Leave out manifests beside which stands an index that does not meet the criteria: it is what the tag shows."""
    single = [tag for tag, item in chosen.items() if item.name == MANIFEST_FILE]
    seen = await ledger.look(Question(tags=tuple(single)))
    for tag in single:
        shown = seen.shows(tag)
        if shown is not None and shown.digest != chosen[tag].digest:
            del chosen[tag]


def query(criteria: TagCriteria, *, with_attachments: bool) -> dict[str, Any]:
    """Return the AQL criteria that find what is meant, and perhaps more; names are compared again afterwards.

    :param criteria: which tags are meant.
    :param with_attachments: whether tags of attachments are looked for, too; no times and properties are asked of them.
    """
    narrowing = _narrowing(criteria)
    places = _any([_path(image, tag) for image, tag in _places(criteria, with_attachments=with_attachments)])
    conditions = [
        _any([{"repo": repository} for repository in criteria.repositories]),
        any_manifest(),
        {"path": {"$nmatch": "*/sha256:*"}},
    ]
    if narrowing and with_attachments:
        conditions += [places, _any([{"$and": narrowing}, {"path": {"$match": "*/sha256-*"}}])]
    else:
        conditions += [places, *narrowing]
    return {"$and": [condition for condition in conditions if condition]}


def _narrowing(criteria: TagCriteria) -> list[dict[str, Any]]:
    """Return what times and properties ask for; each moment is sent in whole milliseconds, the kept ones widened."""
    narrowing: list[dict[str, Any]] = []
    for kind in ("created", "updated"):
        start, end = getattr(criteria, f"{kind}_from"), getattr(criteria, f"{kind}_before")
        if start is not None:
            narrowing.append({kind: {"$gte": _milliseconds(start)}})
        if end is not None:
            narrowing.append({kind: {"$lte": _milliseconds(end)}})
    narrowing += [{f"@{name}": {"$eq": value}} for name, value in criteria.properties.items()]
    return narrowing


def _milliseconds(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _places(criteria: TagCriteria, *, with_attachments: bool) -> list[tuple[str, str]]:
    """Return globs of images and tags, as many as a query bears, that find at least what is meant."""
    images = [*criteria.images.exact, *(f"{prefix}*" for prefix in criteria.images.prefixes)]
    tags = [*criteria.tags.exact, *(f"{prefix}*" for prefix in criteria.tags.prefixes)]
    if with_attachments and "*" not in tags:
        tags.append("sha256-*")
    if len(images) > _MOST_PLACES:
        images = ["*"]
    if len(images) * len(tags) > _MOST_PLACES:
        tags = ["*"]
    return [(image, tag) for image in images for tag in tags]


def _path(image: str, tag: str) -> dict[str, Any]:
    if image == tag == "*":
        return {}
    path = f"{image}/{tag}"
    return {"path": {"$match": path} if "*" in path else path}


def _any(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    if not all(conditions):
        return {}
    return conditions[0] if len(conditions) == 1 else {"$or": conditions}


def _tag_of(item: Item) -> ImageReference | None:
    """Return the tag whose manifest a file is; None for children of indexes."""
    image, tag = split_folder(item.folder)
    return _reference(item.repository, image, tag) if is_tag_folder(tag) else None


def _reference(repository: str, image: str, tag: str) -> ImageReference | None:
    """Return the reference to a tag; None for what no Docker client can name."""
    try:
        return ImageReference(repository, image, tag)
    except InvalidReference as error:
        log.info("Passing over %s/%s/%s: %s", repository, image, tag, error)
        return None


async def _list_each(
    ledger: Ledger,
    criteria: TagCriteria,
    repository: str,
    found: SourceTags,
    *,
    with_times: bool,
    with_attachments: bool,
) -> None:
    client = ledger.client
    images = [image for image in await list_images(client, criteria, repository) if criteria.images.match(image)]
    tags = dict(
        zip(images, await concurrently(lambda image: _read_tags(client, repository, image), images), strict=True)
    )
    wanted = [
        reference
        for image in images
        for tag in select_images(tags[image])
        if criteria.selects_tag(tag) and (reference := _reference(repository, image, tag))
    ]

    async def one(reference: ImageReference) -> ListedTag | None:
        return await _look_at(client, criteria, reference, with_times=with_times)

    listed = [tag for tag in await concurrently(one, wanted) if tag is not None]
    found.tags.extend(listed)
    if with_attachments:
        subjects = {(one.reference.image, str(one.reference.digest)) for one in listed}
        attached = {
            ImageReference(repository, image, tag): subject
            for image in images
            for tag in tags[image]
            if (subject := subject_of(tag)) and (image, subject) in subjects
        }
        seen = await ledger.look(Question(tags=tuple(attached)))
        for tag, subject in attached.items():
            if shown := seen.shows(tag):
                found.attach(tag.pinned(shown.digest), subject)


async def list_images(client: ArtifactoryClient, criteria: TagCriteria, repository: str) -> Sequence[str]:
    """Return the images of a repository that may be meant, without a list where all are named.

    :param client: an open client.
    :param criteria: which tags are meant.
    :param repository: the repository key.
    """
    return await client.images(repository) if criteria.images.has_wildcards else criteria.images.exact


async def _read_tags(client: ArtifactoryClient, repository: str, image: str) -> list[str]:
    try:
        return await client.tags(repository, image)
    except (NotFound, InvalidReference):
        return []


async def _look_at(
    client: ArtifactoryClient, criteria: TagCriteria, reference: ImageReference, *, with_times: bool
) -> ListedTag | None:
    """Return a tag that meets the criteria, or None; one that is gone since the list was read is none."""
    descriptor = await look(client, reference)
    if descriptor is None:
        return None
    path = manifest_path(reference, descriptor)
    created = updated = None
    try:
        if with_times or criteria.created_from or criteria.created_before:
            created = await client.created(path)
        if criteria.updated_from or criteria.updated_before:
            updated = await client.updated(path)
        properties = await client.properties(path) if criteria.properties else {}
    except NotFound:
        return None
    has_properties = all(value in properties.get(name, []) for name, value in criteria.properties.items())
    if not has_properties or not criteria.selects_times(created, updated):
        return None
    return ListedTag(reference.pinned(descriptor.digest), created)
