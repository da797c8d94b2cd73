"""Going back to what a tag showed before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.answers import readable
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.references import ImageReference, check_digest
from artifactory_provider.promotion.backup import INFIX, backup_reference
from artifactory_provider.promotion.errors import NothingToRestore
from artifactory_provider.promotion.sending import pin

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient


async def find_previous(
    client: ArtifactoryClient, target: ImageReference, *, property_prefix: str = "promotion"
) -> ImageReference:
    """Return the backup of what a tag showed before its last promotion, pinned.

    :param client: an open client.
    :param target: repository, image and tag; with a digest, that one is gone back to.
    :param property_prefix: the first part of the names of the properties that record promotions.
    :raises NotFound: when there is no such tag.
    :raises NothingToRestore: when there is no backup of it.
    """
    tag = ImageReference(target.repository, target.image, target.tag)
    wanted = target.digest or await _replaced(client, tag, property_prefix)
    backup = backup_reference(tag, wanted)
    found = await client.descriptor(backup)
    if found is None or found.digest != wanted:
        raise NothingToRestore(
            f"{tag} showed {wanted} before, but there is no backup of it under {backup.tag}: promotions keep one with "
            f"on_conflict='backup'. {await _others(client, tag)}"
        )
    return backup


async def _replaced(client: ArtifactoryClient, target: ImageReference, prefix: str) -> str:
    """Return the digest that the last promotion has replaced, as its record says."""
    descriptor = await pin(client, target)
    properties = await client.properties(manifest_path(target, descriptor))
    replaced = properties.get(f"{prefix}.replaced", [])
    if len(replaced) != 1 or replaced[0] in {"none", "unknown"}:
        raise NothingToRestore(
            f"{target} shows {descriptor.digest}, and nothing says that it showed another digest before "
            f"({prefix}.replaced is {readable(', '.join(replaced)) or 'not set'}). {await _others(client, target)}"
        )
    return check_digest(replaced[0])


async def _others(client: ArtifactoryClient, target: ImageReference) -> str:
    tags = await client.tags(target.repository, target.image)
    kept = sorted(tag for tag in tags if tag.startswith(f"{target.tag}{INFIX}"))
    if not kept:
        return "There is nothing to go back to."
    return f"Name the digest to go back to one of {', '.join(kept)}."
