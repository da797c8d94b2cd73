"""Tags that a promotion makes for itself, and drops: what is under them has not been verified yet."""

from __future__ import annotations

import datetime
import hashlib
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient

log = logging.getLogger(__name__)

MOVED_PREFIX = "moved-"
_RUN = re.compile(r"[a-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Pending:
    """A pending tag that stands in a repository.

    :param repository: the repository key.
    :param image: the image name.
    :param tag: the tag, ``pending-<12 hex of the digest>-<run>``.
    :param updated: when it was put there; None where the server does not say.
    """

    PREFIX: ClassVar[str] = "pending-"

    repository: str
    image: str
    tag: str
    updated: datetime.datetime | None

    @property
    def reference(self) -> ImageReference:
        """Where it stands."""
        return ImageReference(self.repository, self.image, self.tag)

    def is_dead(self, *, now: datetime.datetime, after: float) -> bool:
        """Tell whether the run that made it has certainly ended.

        :param now: the time.
        :param after: the seconds that no run takes.
        """
        return self.updated is not None and (now - self.updated).total_seconds() > after


def check_run(run: str) -> str:
    """Return the run's identifier when a tag can hold it.

    :param run: 1 to 32 lower-case letters and digits.
    :raises InvalidPromotion: when it is not.
    """
    if _RUN.fullmatch(run):
        return run
    raise InvalidPromotion(f"run is 1 to 32 lower-case letters and digits, not {run!r}.")


def run_identifier(*parts: object) -> str:
    """Return the short identifier of a run, the same for the same parts, so that a retry finds its own tags.

    :param parts: what names the run, such as the ids of DAG, run and task.
    """
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def pending_reference(target: ImageReference, run: str) -> ImageReference:
    """Return the tag under which a digest waits in the target image until it has been verified.

    :param target: repository, image and digest.
    :param run: the run's identifier.
    """
    return _own_tag(Pending.PREFIX, target, run)


def moved_reference(source: ImageReference, run: str) -> ImageReference:
    """Return the tag to which a move renames the source tag before it removes it.

    :param source: repository, image and digest.
    :param run: the run's identifier.
    """
    return _own_tag(MOVED_PREFIX, source, run)


def is_pending(folder: str, target: ImageReference) -> bool:
    """Tell whether a folder is that of a pending tag of an image."""
    return folder.startswith(f"{target.image}/{Pending.PREFIX}")


def is_of_a_promotion(tag: str) -> bool:
    """Tell whether a tag was made by a promotion for itself, and is no image of its own."""
    return tag.startswith((Pending.PREFIX, MOVED_PREFIX))


async def drop(client: ArtifactoryClient, reference: ImageReference) -> None:
    """Remove a tag of our own; what cannot be removed now is left for the next promotion of the image.

    :param client: an open client.
    :param reference: repository, image and tag.
    """
    try:
        await client.delete_item(f"{reference.repository}/{reference.image}/{reference.tag}")
    except ArtifactoryError as error:
        log.warning("%s is left behind: %s", reference, error)


async def drop_dead(client: ArtifactoryClient, found: Iterable[Pending], *, own: ImageReference, after: float) -> None:
    """Remove the pending tags of runs that have died.

    :param client: an open client.
    :param found: the pending tags of the image.
    :param own: the tag of this run, which is spared.
    :param after: the seconds after which a pending tag's run has certainly ended.
    """
    now = datetime.datetime.now(datetime.UTC)
    for pending in found:
        if pending.tag != own.tag and pending.is_dead(now=now, after=after):
            log.info("Dropping %s, which a run that died has left.", pending.reference)
            await drop(client, pending.reference)


def _own_tag(prefix: str, place: ImageReference, run: str) -> ImageReference:
    digest = str(place.digest)
    tag = f"{prefix}{digest.removeprefix('sha256:')[:12]}-{check_run(run)}"
    return ImageReference(place.repository, place.image, tag, digest)
