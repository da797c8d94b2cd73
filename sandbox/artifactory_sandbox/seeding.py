"""Filling a data directory from promotion manifests, or with single images."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import yaml

from artifactory_sandbox import layout
from artifactory_sandbox.items import Stamp, stamp, timestamp
from artifactory_sandbox.names import Place, is_image, is_tag
from artifactory_sandbox.sample_images import PLATFORMS, SampleImage, make_image

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from artifactory_sandbox.service import Service

_BATCH = 100
SEEDER = "seed"
"""Who has pushed what was seeded, where nobody is named."""


class SeedError(Exception):
    """A promotion manifest that cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True, slots=True)
class SeedTag:
    """One tag to be made: the image's content follows from the digest in the file alone.

    :param created: when it was pushed; None for the moment when it is made.
    """

    image: str
    tag: str
    digest: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """What a seed has made."""

    images: int
    tags: int
    digests: int


def read_promotion_manifest(path: Path) -> list[SeedTag]:
    """Read the tags of a promotion manifest: a list of `name` and `dmap` (digest → tags).

    An image may have `created` as well (tag → moment), which promotion manifests do not have.

    :param path: a YAML file.
    :raises SeedError: when it is not one.
    """
    try:
        text = path.read_text(encoding="utf-8")
        entries = yaml.load(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        raise SeedError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SeedError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if entries is None and text.strip():  # comments, where an image will stand one day
        return []
    if not isinstance(entries, list):
        raise SeedError(f"{path}: expected a list of images, each with 'name' and 'dmap'")
    return [tag for entry in entries for tag in _tags_of(path, entry)]


def select_tags(files: Iterable[Path], *, images: Sequence[str] = (), per_image: int | None = None) -> list[SeedTag]:
    """Choose what to seed.

    :param files: promotion manifests.
    :param images: patterns with `*` and `?`; none means all images.
    :param per_image: how many tags of each image to take, the highest versions; None means all.
    :raises SeedError: when a file is no promotion manifest.
    """
    found = [tag for file in files for tag in read_promotion_manifest(file)]
    chosen = [tag for tag in found if not images or any(fnmatch.fnmatchcase(tag.image, one) for one in images)]
    if per_image is None:
        return chosen
    by_image: dict[str, list[SeedTag]] = {}
    for tag in chosen:
        by_image.setdefault(tag.image, []).append(tag)
    return [tag for group in by_image.values() for tag in sorted(group, key=_version)[-per_image:]]


def seed(service: Service, repository: str, tags: Sequence[SeedTag], *, user: str = SEEDER) -> SeedSummary:
    """Store the images of tags in a repository; a tag that is there already with this content stays as it is.

    :param service: the open data directory; a server may be running on it.
    :param repository: key of a local Docker repository.
    :param tags: what to make.
    :param user: who has pushed them, as the repository says.
    """
    now = stamp(user)
    for start in range(0, len(tags), _BATCH):
        made = [(tag, _image_of(tag)) for tag in tags[start : start + _BATCH]]
        for _, image in made:
            write_contents(service, image)
        with service.database.writing() as tx:
            for tag, image in made:
                who = Stamp(now.user, timestamp(tag.created)) if tag.created else now
                store_image(tx, service, Place(repository, tag.image), tag.tag, image, who)
    images, digests = {tag.image for tag in tags}, {tag.digest for tag in tags}
    return SeedSummary(len(images), len(tags), len(digests))


def write_contents(service: Service, image: SampleImage) -> None:
    """Write an image's bytes to disk; nothing refers to them yet."""
    for content in (*image.blobs, *(manifest.content for manifest in (*image.children, image.top))):
        service.blobs.add(content)


def store_image(
    tx: sqlite3.Connection, service: Service, place: Place, tag: str, image: SampleImage, who: Stamp
) -> None:
    """Make an image, whose bytes have been written, known under a tag or its digest, as a push does."""
    if image.top.digest in {item.digest for item in layout.folder_items(tx, place, tag)}:
        return
    for manifest in (*image.children, image.top):
        for digest, part in manifest.blobs.items():
            layout.add_blob(tx, place, digest, part.size, who)
    for child in image.children:
        layout.put_manifest(tx, place, child.digest, child, blobs=service.blobs, stamp=who)
    layout.put_manifest(tx, place, tag, image.top, blobs=service.blobs, stamp=who)


def _image_of(tag: SeedTag) -> SampleImage:
    """Decide by the digest: a third are indexes of two platforms, half of all have Docker's media types."""
    number = hashlib.sha256(tag.digest.encode()).digest()[0]
    platforms = PLATFORMS if number % 3 == 0 else PLATFORMS[:1]
    return make_image(tag.digest, platforms=platforms, oci=number % 2 == 0)


def _tags_of(path: Path, entry: object) -> Iterator[SeedTag]:
    if not isinstance(entry, dict) or not isinstance(entry.get("dmap"), dict):
        raise SeedError(f"{path}: an image has no 'name' or no 'dmap'")
    image = str(entry.get("name"))
    if not is_image(image):
        raise SeedError(f"{path}: {image!r} is no image name")
    created = _created_of(path, image, entry)
    for digest, tags in entry["dmap"].items():
        # Real files hold mistyped digests. They only tell images apart here, so any text will do.
        if not isinstance(digest, str) or not isinstance(tags, list):
            raise SeedError(f"{path}: {image}: {digest!r} is no digest with a list of tags")
        for tag in map(str, tags):
            if not is_tag(tag):
                raise SeedError(f"{path}: {image}: {tag!r} is no tag")
            yield SeedTag(image, tag, digest, created.get(tag))


def _created_of(path: Path, image: str, entry: Mapping[str, Any]) -> dict[str, datetime]:
    moments = entry.get("created") or {}
    if not isinstance(moments, dict):
        raise SeedError(f"{path}: {image}: 'created' is no mapping of tags to moments")
    tags = {str(tag) for tags in entry["dmap"].values() if isinstance(tags, list) for tag in tags}
    if unknown := sorted({str(tag) for tag in moments} - tags):
        raise SeedError(f"{path}: {image}: 'created' names {unknown[0]!r}, which is no tag in 'dmap'")
    return {str(tag): _moment(path, image, moment) for tag, moment in moments.items()}


def _moment(path: Path, image: str, value: object) -> datetime:
    """Return a moment that YAML has read or left as text; without an offset it is UTC."""
    try:
        moment = value if isinstance(value, date) else datetime.fromisoformat(str(value))
    except ValueError:
        raise SeedError(f"{path}: {image}: {value!r} is no moment such as 2026-10-01T12:00:00Z") from None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _version(tag: SeedTag) -> list[tuple[int, int, str]]:
    """Order tags as versions: numbers by value, and a pre-release before its release."""
    parts = re.findall(r"\d+|[a-zA-Z]+", tag.tag)
    return [(2, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts] + [(1, 0, "")]
