"""Removing a tag's folder, and never another image that lies in it.

A tag is a folder, and the name of an image may go on where a tag's folder is: ``team/api:web`` lies in
``team/api/web``, and so does all of the image ``team/api/web``. Deleting the folder would delete both. What the
promotion endpoint does with such a folder when it moves a tag is not documented, so it is not asked to.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import PermissionDenied
from artifactory_provider.artifactory.layout import LIST_FILE, MANIFEST_FILE, shown_file, tag_path
from artifactory_provider.promotion.errors import FolderShared, SourceRemains

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.artifactory.rest_api import FolderContent

log = logging.getLogger(__name__)


async def remove_tag(client: ArtifactoryClient, tag: ImageReference) -> None:
    """Delete a tag; where folders lie in its own, delete its files alone, the manifests first.

    Where the user may not see the folder, only the manifests go: the tag is gone with them, and its layers stay.

    :param client: an open client.
    :param tag: repository, image and tag; one that is gone already is no error.
    :raises ArtifactoryError: when what lies in the folder cannot be told, or the server refuses.
    """
    path = tag_path(tag)
    try:
        content = await client.list_folder(path)
    except PermissionDenied as error:
        log.warning("%s Only the manifest of %s is deleted.", error, tag.unpinned())
        content = None
    if content is not None and not content.folders:
        await client.delete_item(path)
        return
    manifests = (LIST_FILE, MANIFEST_FILE)
    files: Sequence[str] = manifests
    if content is not None:
        log.warning("%s lies in the folder of %s: only the tag's own files go.", _name(content), tag.unpinned())
        files = sorted(content.files, key=lambda name: (name not in manifests, name))
    for name in files:
        await client.delete_item(f"{path}/{name}")


async def is_shared(client: ArtifactoryClient, tag: ImageReference) -> bool:
    """Return whether something else lies in the folder of a renamed source tag.

    :param client: an open client.
    :param tag: repository, image and tag, which shows something.
    :raises SourceRemains: when the server does not show the folder, or not yet.
    :raises ArtifactoryError: when it cannot be told.
    """
    content = await client.list_folder(tag_path(tag))
    if content is None:
        raise SourceRemains(
            f"{tag.unpinned()} was to be deleted, and the server says that there is no folder {tag_path(tag)}: what "
            "lies in it is not known, and nothing was deleted. Check that the user of the connection has Read there, "
            "and run the promotion again."
        )
    return bool(content.folders)


async def check_movable(client: ArtifactoryClient, tag: ImageReference) -> None:
    """Make sure that a tag can be moved without anything that lies in its folder.

    :param client: an open client.
    :param tag: repository, image and tag; one that is gone already is no error.
    :raises FolderShared: when something else lies there.
    :raises ArtifactoryError: when it cannot be told.
    """
    content = await client.list_folder(tag_path(tag))
    if content is not None and content.folders and shown_file(content.files):
        raise FolderShared(
            f"{tag.unpinned()} was not moved: {_name(content)} lies in its folder {tag_path(tag)}, as another image "
            f"whose name goes on there, and would be moved or deleted with it. {_ADVICE}"
        )


def taken_along(tag: ImageReference) -> FolderShared:
    """Return the error of a move that has taken along what lay in the tag's folder, and was undone.

    :param tag: repository, image and tag.
    """
    return FolderShared(
        f"{tag.unpinned()} was renamed to be removed, and something else lay in its folder then, as another image "
        f"whose name goes on there: the tag was put back, and nothing was deleted. {_ADVICE}"
    )


_ADVICE = "Copy the tag instead of moving it, or give one of the two another name; an empty folder can be deleted."


def _name(content: FolderContent) -> str:
    first, *others = content.folders
    return f"{first!r}, with {len(others)} more," if others else repr(first)
