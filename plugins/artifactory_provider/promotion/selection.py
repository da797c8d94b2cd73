"""Which tag of an image is meant, where only the image is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import semver

from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference, is_tag
from artifactory_provider.promotion.transfer import pin

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient


async def newest_version(
    client: ArtifactoryClient, repository: str, image: str, *, created_before: datetime.datetime | None = None
) -> ImageReference | None:
    """Return the newest released version of an image, pinned to its digest, or None where it had none by then.

    Versions are tags such as ``1.4.2`` and ``v1.4.2`` (Semantic Versioning 2.0.0); pre-releases and all other tags
    are passed over.

    :param client: an open client.
    :param repository: the repository key.
    :param image: the image name.
    :param created_before: what was created at this moment or later is passed over, so that a run for a past night
        finds what that night would have found.
    :raises ImageNotFound: when there is no such image.
    :raises TagNotFound: when it has no released version at all.
    """
    tags = await client.tags(repository, image)
    versions = released_versions(tags)
    if not versions:
        raise TagNotFound(
            f"{repository}/{image} has {len(tags)} tags, but no released version such as 1.4.2 or v1.4.2: "
            "name the tag, as in 'image:tag'."
        )
    for tag in versions:
        reference = ImageReference(repository, image, tag)
        descriptor = await pin(client, reference)
        if created_before is None or await client.created(manifest_path(reference, descriptor)) < created_before:
            return reference.pinned(descriptor.digest)
    return None


def released_versions(tags: Iterable[str]) -> list[str]:
    """Return the tags that are released versions, newest first.

    :param tags: any tags.
    """
    versions = [(version, tag) for tag in tags if (version := _released(tag)) is not None]
    return [tag for _, tag in sorted(versions, reverse=True)]


def _released(tag: str) -> semver.Version | None:
    text = tag.removeprefix("v")
    if not is_tag(tag) or not semver.Version.is_valid(text):
        return None
    version = semver.Version.parse(text)
    return None if version.prerelease else version
