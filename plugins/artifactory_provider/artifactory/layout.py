"""How Docker images lie in an Artifactory repository, and the grammar of the tags that belong to a digest.

A tag is a folder ``<image>/<tag>`` with its manifest: ``manifest.json``, or ``list.manifest.json`` for an index. Beside
a manifest lie its blobs as ``sha256__<hex>``; the children of an index lie in folders ``<image>/sha256:<hex>``. Where
both manifests are in one folder, the tag shows the index. (JFrog's documentation "Docker Registry"; observed in public
listings of repositories.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from artifactory_provider.artifactory.references import ImageReference

MANIFEST_FILE, LIST_FILE = "manifest.json", "list.manifest.json"

Folder = tuple[str, str]
"""Repository key, and path in the repository."""

_ATTACHMENT_TAG = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(?P<suffix>\.[A-Za-z0-9._-]+)?")
_NO_TAG = re.compile(r"sha256(:|__)[0-9a-f]{64}|_uploads")


def folder_of(reference: ImageReference) -> Folder:
    """Return the folder of a tag, or of a digest where the reference has no tag.

    :param reference: repository, image, and tag or digest.
    """
    return reference.repository, f"{reference.image}/{reference.name}"


def folder_of_digest(image: ImageReference, digest: str) -> Folder:
    """Return the folder of a digest that no tag leads to: a child of an index, a referrer.

    :param image: repository and image.
    :param digest: the digest.
    """
    return image.repository, f"{image.image}/{digest}"


def tag_path(reference: ImageReference) -> str:
    """Return the path of a tag's folder as the REST API takes it: ``<repository>/<image>/<tag>``.

    :param reference: repository, image and tag.
    """
    return "/".join(folder_of(reference))


def split_folder(path: str) -> tuple[str, str]:
    """Return image and tag of a tag's folder.

    :param path: the folder's path in its repository.
    """
    image, _, tag = path.rpartition("/")
    return image, tag


def is_tag_folder(name: str) -> bool:
    """Return whether a folder of an image is that of a tag, and neither of a child nor of uploads.

    :param name: the folder's name.
    """
    return _NO_TAG.fullmatch(name) is None


def blob_file(digest: str) -> str:
    """Return the name of the file that holds a blob.

    :param digest: the blob's digest.
    """
    return digest.replace(":", "__")


def subject_of(tag: str) -> str | None:
    """Return the digest that a tag belongs to; None for a tag of its own.

    Cosign and others keep what belongs to a digest under ``sha256-<hex>.<suffix>``, whatever the suffix; registries
    without the referrers endpoint have ``sha256-<hex>`` (OCI distribution specification 1.1, "Referrers Tag Schema").

    :param tag: any tag.
    """
    found = _ATTACHMENT_TAG.fullmatch(tag)
    return f"sha256:{found['hex']}" if found else None


def is_fallback_tag(tag: str) -> bool:
    """Return whether a tag is that of an index of referrers, as registries without their endpoint keep it.

    :param tag: any tag.
    """
    found = _ATTACHMENT_TAG.fullmatch(tag)
    return found is not None and found["suffix"] is None


def attachment_prefix(digest: str) -> str:
    """Return how all tags begin that belong to a digest.

    :param digest: the digest.
    """
    return digest.replace(":", "-")


def shown_file(names: Iterable[str]) -> str | None:
    """Return the file that a tag shows, out of those in its folder: the index wins; None where there is neither.

    :param names: the files' names.
    """
    there = set(names)
    return next((name for name in (LIST_FILE, MANIFEST_FILE) if name in there), None)


def manifests_in(repository: str, paths: Iterable[str]) -> dict[str, Any]:
    """Return the AQL criteria that find the manifests in some folders of a repository.

    :param repository: the repository key.
    :param paths: the folders' paths; one that holds ``*`` is a pattern.
    """
    places = [{"path": {"$match": path} if "*" in path else path} for path in paths]
    return {"repo": repository, "$and": [any_of(places), any_manifest()]}


def any_manifest() -> dict[str, Any]:
    """Return the AQL criteria of both manifest files."""
    return {"$or": [{"name": MANIFEST_FILE}, {"name": LIST_FILE}]}


def any_of(criteria: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Return the AQL criteria that find what at least one of some criteria finds.

    :param criteria: at least one.
    """
    return criteria[0] if len(criteria) == 1 else {"$or": criteria}
