"""The images that backfills are measured with: names and tags of real ones, two platforms each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import PLATFORMS, make_image
from artifactory_sandbox.seeding import read_promotion_manifest, store_image, write_contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from artifactory_sandbox.service import Service

_IMAGES = Path(__file__).resolve().parents[1] / "demo" / "images"
_TAGS_A_TRANSACTION = 500


def name_tags(repository: str, folder: str, count: int) -> list[ImageReference]:
    """Return tags of images below a folder, each image's tags together.

    The names are those of the demo's promotion manifests, which are real; where more are asked for than there are,
    the same ones come again one folder deeper.

    :param repository: the repository key.
    :param folder: the first part of the images' names.
    :param count: how many tags.
    """
    files = sorted(_IMAGES.glob("*.yaml"))
    known = list(dict.fromkeys((one.image, one.tag) for file in files for one in read_promotion_manifest(file)))

    def names() -> Iterator[tuple[str, str]]:
        above = f"{folder}/"
        while True:
            yield from ((above + image, tag) for image, tag in known)
            above += "more/"

    return [ImageReference(repository, image, tag) for _, (image, tag) in zip(range(count), names(), strict=False)]


def store_tags(service: Service, tags: Iterable[ImageReference], *, signed: bool = False) -> None:
    """Store an image of two platforms under each tag, its digest like no other's.

    :param service: the sandbox's open data.
    :param tags: repository, image and tag of each.
    :param signed: whether each has a signature as well, under cosign's tag.
    """
    waiting = list(tags)
    while waiting:
        part, waiting = waiting[:_TAGS_A_TRANSACTION], waiting[_TAGS_A_TRANSACTION:]
        made = [(tag, make_image(str(tag), platforms=PLATFORMS)) for tag in part]
        for _, image in made:
            write_contents(service, image)
        with service.database.writing() as tx:
            for tag, image in made:
                place = Place(tag.repository, tag.image)
                store_image(tx, service, place, str(tag.tag), image, stamp("seed"))
                if signed:
                    # What is in a signature does not matter here, only where it stands.
                    signature = make_image(f"signature of {tag}")
                    write_contents(service, signature)
                    store_image(tx, service, place, cosign_tag(image.top.digest), signature, stamp("seed"))


def cosign_tag(digest: str) -> str:
    """Return the tag under which cosign keeps the signature of a digest."""
    return f"{digest.replace(':', '-')}.sig"


def to_repository(tags: Iterable[ImageReference], repository: str) -> tuple[tuple[ImageReference, ImageReference], ...]:
    """Return the promotions of tags to another repository, under the names that they have."""
    return tuple((tag, ImageReference(repository, tag.image, tag.tag)) for tag in tags)


def pass_tests(service: Service) -> None:
    """Let the tests of all images in docker-dev have passed, in dev and in qa.

    :param service: the sandbox's open data.
    """
    with service.database.writing() as tx:
        for name in ("test.status", "qa.test.status"):
            tx.execute(
                "INSERT INTO properties (item, key, value) SELECT id, ?, 'passed' FROM items "
                "WHERE repository = 'docker-dev' AND name = 'list.manifest.json'",
                (name,),
            )
