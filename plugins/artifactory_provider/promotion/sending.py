"""One promotion request and what became of it: after an unclear end, only the registry tells what was done."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.diagnosis import explain_missing, explain_repository, look
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    ConnectionFailed,
    NotFound,
    RequestNotSent,
    ServerFailed,
    UnexpectedAnswer,
    UnsupportedRepository,
)
from artifactory_provider.promotion.confirmation import confirm, shows
from artifactory_provider.promotion.errors import PromotionError, SourceMoved, TargetUnverified

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor, Manifest
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

_SHORT_LOOK = 5.0
"""Seconds to look for the work of a request that a server has refused with 404 or 5xx: it is very likely undone."""


async def pin(client: ArtifactoryClient, source: ImageReference) -> Descriptor:
    """Return what the source tag shows now.

    :param client: an open client.
    :param source: repository, image and tag; with a digest, the tag must show it.
    :raises NotFound: naming what is missing: repository, image or tag.
    :raises SourceMoved: when the tag shows another digest than the reference's.
    """
    descriptor = await look(client, source)
    if descriptor is None:
        raise await explain_missing(client, source)
    if source.digest is not None and descriptor.digest != source.digest:
        raise SourceMoved(
            f"{source.repository}/{source.image}:{source.tag} shows {descriptor.digest}, but {source.digest} "
            "was to be promoted: the tag was moved since. Verify the new digest and promote that."
        )
    return descriptor


async def send(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, *, copy: bool, within: float
) -> Manifest:
    """Send one promotion request, once, and confirm that the target shows the digest.

    :param client: an open client.
    :param source: repository, image, tag and digest.
    :param target: repository, image, tag and the same digest.
    :param copy: False moves; whether the source tag is gone then is not looked at.
    :param within: the seconds that the target may take to show it.
    :raises SourceMoved: when the source tag shows another digest now, and so does the target.
    :raises TargetUnverified: when the target does not show the digest in time.
    :raises ArtifactoryError: when the server refuses, or the work of an unclear end is not to be found.
    """
    log.info("%s %s to %s.", "Copying" if copy else "Moving", source, _tag(target))
    try:
        await client.promote(source, target, copy=copy)
    except RequestNotSent:
        raise
    except UnsupportedRepository:
        for repository in (source.repository, target.repository):
            await explain_repository(client, repository)
        raise
    except (ConnectionFailed, ServerFailed, NotFound, UnexpectedAnswer) as error:
        log.warning("%s Looking at %s for what was done.", error, _tag(target))
        try:
            return await confirm(client, target, within=within if _may_go_on(error) else min(within, _SHORT_LOOK))
        except (PromotionError, ArtifactoryError) as unconfirmed:
            raise await _explained(client, source, error) from unconfirmed
    return await _confirmed(client, source, target, within)


async def _confirmed(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, within: float
) -> Manifest:
    """Confirm what the server says it has done; another digest than the wanted one has most likely been promoted."""
    try:
        return await confirm(client, target, within=0)
    except TargetUnverified as first:
        if first.found is not None:
            await _check_source(client, source, first.found)
    try:
        return await confirm(client, target, within=within)
    except TargetUnverified:
        for repository in (source.repository, target.repository):
            await explain_repository(client, repository)
        raise


async def _check_source(client: ArtifactoryClient, source: ImageReference, found: str) -> None:
    now = await client.descriptor(source)
    if now is not None and now.digest == found != source.digest:
        raise SourceMoved(
            f"{_tag(source)} was moved from {source.digest} to {found} while it was promoted: the wrong digest is not "
            "kept. Verify the new one and promote that."
        )


def _may_go_on(error: ArtifactoryError) -> bool:
    """Tell whether the server may still be at work: nobody waits for it any more, but nobody has refused either."""
    return isinstance(error, ConnectionFailed) or error.status == HTTPStatus.GATEWAY_TIMEOUT


async def _explained(client: ArtifactoryClient, source: ImageReference, error: ArtifactoryError) -> ArtifactoryError:
    """Return the better explanation of a 404: what is missing, unless the source tag shows its digest still."""
    if not isinstance(error, NotFound) or await shows(client, source):
        return error
    return await explain_missing(client, source)


def _tag(reference: ImageReference) -> str:
    return f"{reference.repository}/{reference.image}:{reference.tag}"
