"""Making sure that a tag shows what was promoted to it: the very bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tenacity

from artifactory_provider.artifactory.errors import TagNotFound
from artifactory_provider.promotion.errors import TargetUnverified

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference


def patience_for(*errors: type[Exception], within: float) -> tenacity.AsyncRetrying:
    """Return what calls a function again while it raises these errors, for a limited time.

    :param errors: the errors that may pass: servers show what they wrote with a delay.
    :param within: the seconds after which it is not called again.
    """
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(errors),
        stop=tenacity.stop_before_delay(within),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5) + tenacity.wait_random(0, 0.2),
        reraise=True,
    )


async def confirm(client: ArtifactoryClient, target: ImageReference, *, within: float) -> Manifest:
    """Return a tag's manifest once the tag answers with the bytes of its digest.

    :param client: an open client.
    :param target: repository, image, tag and digest.
    :param within: the seconds that the tag may take to show it.
    :raises TargetUnverified: when it does not show it in time.
    """
    return await patience_for(TargetUnverified, within=within)(_confirm_once, client, target)


async def shows(client: ArtifactoryClient, reference: ImageReference) -> bool:
    """Return whether a tag shows the digest of its reference.

    :param client: an open client.
    :param reference: repository, image, tag and digest.
    """
    found = await client.descriptor(reference)
    return found is not None and found.digest == reference.digest


async def _confirm_once(client: ArtifactoryClient, target: ImageReference) -> Manifest:
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
            "was moved meanwhile. Find out who writes these tags before promoting again.",
            found=found,
        )
    return manifest
