"""Saying which part of a reference is missing, once something was not found."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    NotArtifactory,
    RepositoryNotFound,
    RequestRefused,
    TagNotFound,
    UnsupportedRepository,
)

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

_TAGS_SHOWN = 5


async def explain_missing(client: ArtifactoryClient, reference: ImageReference) -> ArtifactoryError:
    """Return the error that names what is missing: the repository, the image, or the tag.

    :param reference: the image that was not found.
    """
    try:
        await explain_repository(client, reference.repository)
        tags = await client.tags(reference.repository, reference.image)
    except ArtifactoryError as error:
        return error
    shown = readable(", ".join(sorted(tags, reverse=True)[:_TAGS_SHOWN])) or "none"
    return TagNotFound(
        f"There is no {reference}: the image has {len(tags)} tags, among them {shown}. Check the tag.",
        status=404,
    )


async def look(client: ArtifactoryClient, reference: ImageReference) -> Descriptor | None:
    """Return what a tag or digest shows, or None; where the server refuses to say, name the reason.

    :param reference: the image.
    :raises RepositoryNotFound: when there is no such repository.
    :raises UnsupportedRepository: when it is no local or federated Docker repository.
    """
    try:
        return await client.descriptor(reference)
    except (RequestRefused, UnsupportedRepository):
        await explain_repository(client, reference.repository)
        raise


async def explain_repository(client: ArtifactoryClient, key: str) -> None:
    """Raise the error that says why promotions from or to a repository cannot work, if that is known.

    Users without more permissions than they need may not be allowed to ask; then nothing is raised.

    :param key: the repository key.
    :raises RepositoryNotFound: when there is no such repository.
    :raises UnsupportedRepository: when it is no local or federated Docker repository.
    """
    try:
        await check_promotable(client, key)
    except (NotArtifactory, RepositoryNotFound, UnsupportedRepository):
        raise
    except ArtifactoryError as error:
        log.info("Whether %r can promote is unknown: %s", key, error)


async def check_promotable(client: ArtifactoryClient, key: str) -> None:
    """Make sure that promotions from and to a repository can work.

    Servers may answer 200 to a promotion with a remote or virtual repository and do nothing.

    :param key: the repository key.
    :raises RepositoryNotFound: when there is no such repository.
    :raises UnsupportedRepository: when it is no local or federated Docker repository.
    """
    repository = await client.repository(key)
    if not repository.can_promote:
        raise UnsupportedRepository(
            f"{key!r} is a {repository.kind} {repository.package_type} repository: images are promoted from and "
            "to local or federated Docker repositories only. For a virtual repository, name the local one behind it."
        )
