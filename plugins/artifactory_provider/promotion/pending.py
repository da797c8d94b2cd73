"""Tags that a promotion makes for itself, and drops: what is under them has not been verified yet."""

from __future__ import annotations

import datetime
import hashlib
import logging
import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.artifactory.client import ArtifactoryClient

log = logging.getLogger(__name__)

_RUN = re.compile(r"[a-z0-9]{1,32}")
_OWN = re.compile(
    rf"(?P<kind>pending|moved)-(?P<hex>[0-9a-f]{{12}})-(?P<tag>[0-9a-f]{{8}})-(?P<run>{_RUN.pattern})(-[0-9a-f]{{8}})?"
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A pending tag that stands in a repository.

    :param place: where it stands: repository, image and tag, ``pending-<12 hex of the digest>-<8 hex that stand for the
        target tag>-<run>-<8 hex>``.
    :param updated: when it was put there; None where that is not known yet.
    """

    place: ImageReference
    updated: datetime.datetime | None

    @property
    def run(self) -> str:
        """The run that has made it."""
        return _parts(self.place)["run"]

    @property
    def target_hash(self) -> str:
        """The 8 hex that stand for the target tag."""
        return _parts(self.place)["tag"]

    def is_for(self, target: ImageReference) -> bool:
        """Tell whether what waits under it will take a target tag."""
        return self.target_hash == hash_of(target)

    def is_of(self, target: ImageReference, run: str) -> bool:
        """Tell whether an earlier try of a run has made it for this digest and target tag."""
        return self.run == run and self.is_for(target) and not self.is_rival_to(target)

    def is_rival_to(self, target: ImageReference) -> bool:
        """Tell whether another digest waits under it for the same target tag."""
        return self.is_for(target) and not str(target.digest).startswith(f"sha256:{_parts(self.place)['hex']}")

    def is_dead(self, *, after: float) -> bool:
        """Tell whether the run that made it has certainly ended.

        :param after: the seconds that no run takes.
        """
        age = datetime.datetime.now(datetime.UTC) - self.updated if self.updated else datetime.timedelta()
        return age.total_seconds() > after


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


def new_pending(target: ImageReference, run: str) -> ImageReference:
    """Return a new tag under which a digest is to wait in the target image until it has been verified.

    Each is promoted to once. A server may carry out a request long after its client has given up waiting, and with the
    source tag moved meanwhile that would change what stands there. So a tag that is there was put there by the one
    request that ever will be, and one that is not is never asked for again.

    :param target: repository, image, tag and digest.
    :param run: the run's identifier.
    """
    return _numbered(_own_tag("pending", target, run))


def renewed(pending: ImageReference) -> ImageReference:
    """Return another new tag of the same run for the same digest and target tag.

    :param pending: a pending tag.
    """
    return _numbered(replace(pending, tag=str(pending.tag).rpartition("-")[0]))


def moved_reference(source: ImageReference, run: str) -> ImageReference:
    """Return the tag to which a move renames the source tag before it removes it.

    :param source: repository, image, tag and digest.
    :param run: the run's identifier.
    """
    return _own_tag("moved", source, run)


def is_pending(tag: str) -> bool:
    """Tell whether a tag is a pending tag; one that people have called so is none."""
    name = _OWN.fullmatch(tag)
    return name is not None and name["kind"] == "pending"


def is_of_a_promotion(tag: str) -> bool:
    """Tell whether a tag was made by a promotion for itself, and is no image of its own."""
    return _OWN.fullmatch(tag) is not None


async def drop(client: ArtifactoryClient, reference: ImageReference) -> None:
    """Remove a tag of our own; what cannot be removed now is left for the next promotion of the image.

    :param client: an open client.
    :param reference: repository, image and tag.
    """
    try:
        await client.delete_item(_path(reference))
    except ArtifactoryError as error:
        log.warning("%s is left behind: %s", reference, error)


async def drop_left_behind(
    client: ArtifactoryClient, found: Iterable[Pending], *, target: ImageReference, run: str, after: float
) -> None:
    """Remove the pending tags of earlier tries of this run, and of other runs that have died.

    :param client: an open client.
    :param found: the pending tags of the image, as they were seen at first.
    :param target: repository, image and tag that this run promotes to.
    :param run: this run's identifier.
    :param after: the seconds after which a pending tag's run has certainly ended.
    """
    for pending in found:
        if (pending.is_for(target) and pending.run == run) or (await dated(client, pending)).is_dead(after=after):
            log.info("Dropping %s, which was left behind.", pending.place)
            await drop(client, pending.place)


async def dated(client: ArtifactoryClient, pending: Pending) -> Pending:
    """Return a pending tag with its time, asking for it where it is not known.

    :param client: an open client.
    :param pending: the pending tag.
    """
    if pending.updated is not None:
        return pending
    try:
        return replace(pending, updated=await client.updated(_path(pending.place)))
    except ArtifactoryError as error:
        log.info("How old %s is stays unknown: %s", pending.place, error)
        return pending


def hash_of(target: ImageReference) -> str:
    """Return the 8 hex that stand for a target tag in the names of its pending tags.

    :param target: the target tag.
    """
    return hashlib.sha256(str(target.tag).encode()).hexdigest()[:8]


def _numbered(place: ImageReference) -> ImageReference:
    return replace(place, tag=f"{place.tag}-{secrets.token_hex(4)}")


def _own_tag(kind: str, place: ImageReference, run: str) -> ImageReference:
    digest = str(place.digest)
    tag = f"{kind}-{digest.removeprefix('sha256:')[:12]}-{hash_of(place)}-{check_run(run)}"
    return ImageReference(place.repository, place.image, tag, digest)


def _parts(place: ImageReference) -> re.Match[str]:
    parts = _OWN.fullmatch(str(place.tag))
    if parts is None:
        raise ValueError(f"{place} is no tag of a promotion.")
    return parts


def _path(reference: ImageReference) -> str:
    return f"{reference.repository}/{reference.image}/{reference.tag}"
