"""What a sandbox holds, looked up where it keeps it: faster than its API, for tests that look very often."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from artifactory_sandbox import layout
from artifactory_sandbox.names import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from artifactory_sandbox.pytest_plugin import RunningSandbox


def named(text: str | None, parts: Mapping[str, str | None]) -> str:
    """Return a text, such as a tag, with the part that a digest plays instead of the digest, whole or its first 12 hex.

    :param text: the text.
    :param parts: part → digest.
    """
    for part, digest in parts.items():
        if digest is not None:
            in_hex = digest.removeprefix("sha256:")
            text = str(text).replace(in_hex, part).replace(in_hex[:12], part)
    return str(text)


def everything(sandbox: RunningSandbox) -> list[tuple[str, ...]]:
    """Return every item of every repository with its digest and its times, and every property."""
    with sandbox.service.database.reading() as tx:
        items = tx.execute(
            "SELECT repository, path, name, digest, created, modified, updated FROM items ORDER BY 1, 2, 3"
        )
        properties = tx.execute("SELECT item, key, value FROM properties ORDER BY 1, 2, 3")
        return [*map(tuple, items), *map(tuple, properties)]


def is_whole(sandbox: RunningSandbox, image: str, digest: str) -> bool:
    """Tell whether an image, `repository/image`, has a manifest with all its children and blobs."""
    place, _ = parse_reference(f"{image}@{digest}")
    with sandbox.service.database.reading() as tx:
        has_manifest = layout.find_manifest(tx, place, digest) is not None
    if not has_manifest:
        return False
    document = json.loads(sandbox.service.blobs.path(digest).read_bytes())
    if "manifests" in document:
        return all(is_whole(sandbox, image, child["digest"]) for child in document["manifests"])
    blobs = [part["digest"] for part in (document["config"], *document["layers"])]
    with sandbox.service.database.reading() as tx:
        known = all(layout.find_blob(tx, place, blob) for blob in blobs)
    return known and all(sandbox.service.blobs.path(blob).exists() for blob in blobs)
