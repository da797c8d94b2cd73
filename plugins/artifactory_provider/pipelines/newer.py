"""Which images of a run are given up: a newer tag was pushed, or their tag shows another digest by now.

What was pushed starts a run of its own, so that the one before has nothing left to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ImageNotFound
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification.evidence import Subject
from artifactory_provider.verification.looks import look_at_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.pipelines.model import Pipeline


async def find_superseded(
    client: ArtifactoryClient, pipeline: Pipeline, starts: Sequence[ImageReference]
) -> dict[ImageReference, str]:
    """Return which images have been superseded in the repository that they began in, and by what.

    Of one that is there no more, nobody can tell: a stage may have moved it on.

    :param client: an open client.
    :param pipeline: the pipeline: it says which tags are meant.
    :param starts: repository, image and tag, pinned, where they began.
    :raises ArtifactoryError: when the server cannot be asked.
    """
    places = sorted({(start.repository, start.image) for start in starts})
    listed = await concurrently(lambda place: _list_tags(client, *place), places)
    tags = dict(zip(places, listed, strict=True))
    async with Ledger(client) as ledger:
        seen = await look_at_all(ledger, starts)
    found: dict[ImageReference, str] = {}
    for start, shown in zip(starts, seen, strict=True):
        newer = pipeline.find_newer(tags[start.repository, start.image], str(start.tag))
        if newer is not None:
            found[start] = f"{start.repository} has {newer} by now, which is promoted by a run of its own."
        elif isinstance(shown, Subject) and shown.digest != start.digest:
            found[start] = f"{start.unpinned()} shows {shown.digest} by now, which is promoted by a run of its own."
    return found


async def _list_tags(client: ArtifactoryClient, repository: str, image: str) -> list[str]:
    try:
        return await client.tags(repository, image)
    except ImageNotFound:
        return []  # Its last tag was moved on, or deleted.
