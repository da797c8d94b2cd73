"""Making sure that a target holds what was promoted: the very bytes, and all that an index refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tenacity

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.promotion.errors import SourceRemains, TargetUnverified

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor, Manifest
    from artifactory_provider.artifactory.references import ImageReference

_MOST_MANIFESTS = 1000
_DEEPEST_INDEX = 4


async def confirm(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, *, copy: bool, within: float
) -> Manifest:
    """Return the target's manifest once it answers with the digest's bytes and all that belongs to them.

    :param client: an open client.
    :param source: what was promoted, with its digest.
    :param target: what it became, with the same digest.
    :param copy: False when the source tag has to be gone.
    :param within: the seconds that the target may take to show it: servers show what they wrote with a delay.
    :raises TargetUnverified: when the target does not show it in time.
    :raises SourceRemains: when it does, but the source tag of a move is still there.
    """
    patience = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type((TargetUnverified, SourceRemains)),
        stop=tenacity.stop_before_delay(within),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5) + tenacity.wait_random(0, 0.2),
        reraise=True,
    )
    return await patience(_confirm_once, client, source, target, copy)


async def shows(client: ArtifactoryClient, reference: ImageReference) -> bool:
    """Return whether a tag shows the digest of its reference.

    :param client: an open client.
    :param reference: repository, image, tag and digest.
    """
    found = await client.descriptor(reference)
    return found is not None and found.digest == reference.digest


async def _confirm_once(
    client: ArtifactoryClient, source: ImageReference, target: ImageReference, copy: bool
) -> Manifest:
    manifest = await _manifest(client, target)
    missing = await _missing_below(client, target, manifest)
    if missing:
        raise TargetUnverified(
            f"{target} is there, but {len(missing)} of the manifests that it refers to are missing in "
            f"{target.repository!r}: {', '.join(missing[:5])}. Check that the source has them, and promote again with "
            "on_conflict='overwrite'."
        )
    if not copy and await shows(client, source):
        raise SourceRemains(
            f"{target} is there, but {source} was to be moved and still is there, too. Run the promotion again to "
            "finish it; check that the user of the connection has Delete/Overwrite on the source."
        )
    return manifest


async def _manifest(client: ArtifactoryClient, target: ImageReference) -> Manifest:
    place = f"{target.repository}/{target.image}:{target.tag}"
    try:
        manifest = await client.manifest(target)
    except TagNotFound as error:
        raise TargetUnverified(
            f"{place} does not exist although {target.digest} was promoted to it: check that {target.repository!r} "
            "is a local or federated Docker repository, and run the promotion again."
        ) from error
    found = manifest.descriptor.digest
    if found != target.digest:
        raise TargetUnverified(
            f"{place} shows {found} although {target.digest} was promoted to it: the source tag or the target tag "
            "was moved meanwhile. Find out who writes these tags before promoting again."
        )
    return manifest


async def _missing_below(client: ArtifactoryClient, target: ImageReference, manifest: Manifest) -> list[str]:
    """Return the digests below an index, at every level, for which the target has no answer."""

    async def look(digest: str) -> tuple[str, Descriptor | None]:
        return digest, await client.descriptor(target.by_digest().pinned(digest))

    async def children(digest: str) -> tuple[str, ...]:
        return (await client.manifest(target.by_digest().pinned(digest))).children

    missing: list[str] = []
    seen: set[str] = set()
    level = list(manifest.children)
    for _ in range(_DEEPEST_INDEX):
        seen.update(level)
        if len(seen) > _MOST_MANIFESTS:
            break
        found = await concurrently(look, level)
        missing += [digest for digest, descriptor in found if descriptor is None]
        indexes = [digest for digest, descriptor in found if descriptor is not None and descriptor.is_index]
        below = await concurrently(children, indexes)
        level = list(dict.fromkeys(child for some in below for child in some if child not in seen))
        if not level:
            return missing
    raise TargetUnverified(
        f"{target} refers to more than {_MOST_MANIFESTS} manifests, or to indexes in indexes more than "
        f"{_DEEPEST_INDEX} deep: that is no image, and was not verified."
    )
