"""The end of a move: the source tag goes, but never an image that was put under it meanwhile.

Deleting a tag deletes whatever it shows at that moment. So the tag is renamed first, on the server; only when what was
renamed proves to be what was promoted is it deleted, and anything else is put back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import (
    ConnectionFailed,
    NotFound,
    RequestNotSent,
    ServerFailed,
    UnexpectedAnswer,
)
from artifactory_provider.artifactory.layout import tag_path
from artifactory_provider.promotion.errors import SourceRemains
from artifactory_provider.promotion.removal import check_movable, is_shared, taken_along
from artifactory_provider.promotion.tags import name_moved
from artifactory_provider.promotion.transfer import is_shown, request, retry

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference

log = logging.getLogger(__name__)

_SECONDS_TO_SHOW = 10.0


async def remove_source(client: ArtifactoryClient, source: ImageReference, run: str) -> None:
    """Remove the source tag, if it shows what was promoted.

    :param client: an open client.
    :param source: repository, image, tag and digest; the digest has been verified in the target.
    :param run: the run's identifier.
    :raises SourceRemains: when the tag could not be removed.
    :raises FolderShared: when another image lies in its folder.
    """
    moved = name_moved(source, run)
    if not await is_shown(client, source):
        log.info("%s shows it no longer: nothing to remove.", source)
        return
    try:
        await request(client, source, moved, copy=False)
    except RequestNotSent:
        raise
    except (ConnectionFailed, ServerFailed, NotFound, UnexpectedAnswer) as error:
        log.warning("%s Looking at %s for what was done.", error, moved)
        if await is_shown(client, source):
            raise
    await retry(lambda: _settle(client, source, moved), SourceRemains, within=_SECONDS_TO_SHOW)


async def finish_move(client: ArtifactoryClient, source: ImageReference, run: str) -> None:
    """Remove the source tag after the target was found to show the digest already; go on where a try has stopped.

    :param client: an open client.
    :param source: repository, image, tag and digest.
    :param run: the run's identifier, the same as that of the try before.
    :raises SourceRemains: when the tag could not be removed.
    :raises FolderShared: when another image lies in its folder.
    """
    moved = name_moved(source, run)
    if await client.descriptor(moved) is not None:
        await _settle(client, source, moved)
    await check_movable(client, source)
    await remove_source(client, source, run)


async def _settle(client: ArtifactoryClient, source: ImageReference, moved: ImageReference) -> None:
    """Delete what was renamed, or put it back when it is not what was promoted, or not that alone."""
    found = await client.descriptor(moved)
    if found is None:
        raise SourceRemains(
            f"{source} was to be removed after it was promoted, and whether it was is unclear: run the promotion again "
            "to finish it; check that the user of the connection has Delete/Overwrite and Deploy/Cache on the source."
        )
    is_promoted = found.digest == moved.digest
    if is_promoted and not await is_shared(client, moved):
        await client.delete_item(tag_path(moved))
        log.info("Removed %s.", source)
        return
    tag = source.unpinned()
    if await client.descriptor(source) is not None:
        raise SourceRemains(
            f"{tag} was written twice while it was removed: {found.digest} is kept as {moved.tag}. Give it a tag of "
            "its own before you delete that."
        )
    await request(client, moved, source, copy=False)
    if is_promoted:
        raise taken_along(tag)
    log.info("%s had been moved to %s meanwhile: that was put back.", tag, found.digest)
