"""What is made sure of before anything is changed: a promotion that could not end does not begin.

The server itself refuses the first request of most that cannot work, and has changed nothing then. What is asked here
is what would come to light only after a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.diagnosis import explain_repository
from artifactory_provider.artifactory.errors import PermissionDenied, RequestRefused, UnsupportedRepository
from artifactory_provider.promotion.pending import new_pending

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.observation import Observation
    from artifactory_provider.promotion.promotion import Promotion


async def check_permissions(
    client: ArtifactoryClient, promotion: Promotion, seen: Observation, source: ImageReference, target: ImageReference
) -> None:
    """Make sure that the user may do what comes last: drop the pending tag, and remove the source tag of a move.

    Artifactory tells nobody but administrators what they may do. So what is not there is deleted, and an upload is
    begun and given up: who may not do that is refused, and nothing is changed. Without ``attachments`` a copy makes as
    few requests as it can, and does not ask.

    :param client: an open client.
    :param promotion: what is promoted, and how.
    :param seen: what was seen at first.
    :param source: the source with its digest.
    :param target: the target with its digest.
    :raises PermissionDenied: naming the permission that is missing, and all that are needed there.
    """
    is_put_up = any(other.is_of(target, promotion.run) for other in seen.pending)
    if promotion.two_phase and promotion.attachments and not is_put_up:
        record = ", and Annotate for the record" if promotion.property_prefix else ""
        with_what = f"Read, Deploy/Cache and Delete/Overwrite{record}"
        await _ask(client, client.delete_item(_path(new_pending(target, promotion.run))), target, with_what)
    if not promotion.copy:
        # A name that no move renames to: under that one an earlier try may have left what others have pushed.
        absent = new_pending(source, promotion.run)
        with_what = "Read, Deploy/Cache and Delete/Overwrite, as it is moved from there"
        await _ask(client, client.delete_item(_path(absent)), source, with_what)
        await _ask(client, client.check_may_push(source), source, with_what)


async def check_repositories(client: ArtifactoryClient, *references: ImageReference) -> None:
    """Make sure that promotions from and to some repositories can work, as far as the user may ask.

    :param client: an open client.
    :param references: what stands in them.
    :raises RepositoryNotFound: when there is no such repository.
    :raises UnsupportedRepository: when one is no local or federated Docker repository.
    """
    for repository in dict.fromkeys(reference.repository for reference in references):
        await explain_repository(client, repository)


async def _ask(client: ArtifactoryClient, request: Awaitable[None], place: ImageReference, with_what: str) -> None:
    try:
        await request
    except (PermissionDenied, RequestRefused, UnsupportedRepository) as error:
        await explain_repository(client, place.repository)
        if not isinstance(error, PermissionDenied):
            raise
        raise PermissionDenied(
            f"{error} Nothing was changed. This promotion needs on {place.repository!r}: {with_what}.",
            status=error.status,
            endpoint=error.endpoint,
            detail=error.detail,
        ) from error


def _path(reference: ImageReference) -> str:
    return f"{reference.repository}/{reference.image}/{reference.tag}"
