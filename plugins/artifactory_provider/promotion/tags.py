"""The tags that promotions give: pending tags, renamed sources, backups; and which tags are images of their own.

| tag | is |
|---|---|
| ``pending-<12 hex of the digest>-<8 hex of the target>-<run>-<8 hex>`` | a digest that waits to be verified |
| ``moved-<12 hex of the digest>-<8 hex of the source tag>-<run>`` | the source of a move, before it is removed |
| ``<tag>-previous-<12 hex of the digest>`` | what a tag showed before a promotion replaced it |
"""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.layout import subject_of
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Iterable

PENDING_PREFIX = "pending-"
BACKUP_INFIX = "-previous-"
_RUN = re.compile(r"[a-z0-9]{1,32}")
_OWN = re.compile(
    rf"(?P<kind>pending|moved)-(?P<hex>[0-9a-f]{{12}})-(?P<tag>[0-9a-f]{{8}})-(?P<run>{_RUN.pattern})(-[0-9a-f]{{8}})?"
)
_BACKUP = re.compile(rf"(?P<tag>.*){BACKUP_INFIX}(?P<hex>[0-9a-f]{{12}})")


@dataclass(frozen=True, slots=True)
class PendingTag:
    """A pending tag that stands in a repository.

    :param place: repository, image and tag; with the digest that it shows, where that was seen.
    :param hex: the first 12 hex of the digest that it was made for.
    :param target_hash: the 8 hex that stand for its target.
    :param run: the run that has made it.
    :param updated: when it was put there; None where that is not known.
    """

    place: ImageReference
    hex: str
    target_hash: str
    run: str
    updated: datetime.datetime | None

    @classmethod
    def read(
        cls, image: tuple[str, str], tag: str, digest: str | None, updated: datetime.datetime | None
    ) -> PendingTag | None:
        """Return what a pending tag says of itself; None for any other tag, and for what people have called so.

        :param image: repository and image.
        :param tag: the tag.
        :param digest: the digest that it shows, where that was seen.
        :param updated: when it was put there, where that is known.
        """
        name = _OWN.fullmatch(tag)
        if name is None or name["kind"] != "pending":
            return None
        try:
            place = ImageReference(*image, tag, digest)
        except InvalidReference:
            return None  # No promotion has an image of that name.
        return cls(place, name["hex"], name["tag"], name["run"], updated)

    def is_for(self, target: ImageReference) -> bool:
        """Return whether what waits under it will take a target tag of an image of this name."""
        return self.target_hash == _hash_target(target, self.place.repository)

    def is_of(self, target: ImageReference, run: str) -> bool:
        """Return whether a run has made it for this target tag and digest."""
        return self.run == run and self.is_for(target) and self._is_named_after(target)

    def is_rival_to(self, target: ImageReference) -> bool:
        """Return whether another digest waits under it for the same target tag."""
        return self.is_for(target) and not self._is_named_after(target)

    def is_dead(self, *, after: float) -> bool:
        """Return whether the run that made it has certainly ended.

        :param after: the seconds that no run takes.
        """
        age = datetime.datetime.now(datetime.UTC) - self.updated if self.updated else datetime.timedelta()
        return age.total_seconds() > after

    def _is_named_after(self, target: ImageReference) -> bool:
        return str(target.digest).startswith(f"sha256:{self.hex}")


def name_pending(target: ImageReference, run: str, repository: str | None = None) -> ImageReference:
    """Return a new tag under which a digest is to wait until it has been verified.

    Each is promoted to once. A server may carry out a request long after its client has given up waiting, and with the
    source tag moved meanwhile that would change what stands there. So a tag that is there was put there by the one
    request that ever will be, and one that is not is never asked for again.

    :param target: repository, image, tag and digest.
    :param run: the run's identifier.
    :param repository: where it is to wait, in an image of the same name; None for the target's repository.
    """
    own = _name_own("pending", target, run, repository or target.repository)
    return replace(own, tag=f"{own.tag}-{secrets.token_hex(4)}")


def name_moved(source: ImageReference, run: str) -> ImageReference:
    """Return the tag to which a move renames the source tag before it removes it.

    :param source: repository, image, tag and digest.
    :param run: the run's identifier.
    """
    return _name_own("moved", source, run, source.repository)


def name_backup(target: ImageReference, digest: str) -> ImageReference:
    """Return the tag that keeps a digest when another one takes its tag.

    :param target: repository, image and tag.
    :param digest: the digest that is kept.
    :raises InvalidPromotion: when the tag is too long to have such a companion.
    """
    tag = f"{target.tag}{BACKUP_INFIX}{digest.removeprefix('sha256:')[:12]}"
    try:
        return ImageReference(target.repository, target.image, tag, digest)
    except InvalidReference as error:
        raise InvalidPromotion(
            f"on_conflict='backup' keeps the old image under {tag!r}, which is too long for a tag: use a shorter "
            "target tag."
        ) from error


def backed_up_tag(tag: str, digest: str) -> str | None:
    """Return the tag that showed a digest before, where a tag is its backup; None for any other tag.

    :param tag: the tag that may be a backup.
    :param digest: the digest that it shows.
    """
    name = _BACKUP.fullmatch(tag)
    return name["tag"] if name and digest.startswith(f"sha256:{name['hex']}") else None


def is_backup(tag: str) -> bool:
    """Return whether a tag has the name of a backup.

    :param tag: any tag.
    """
    return _BACKUP.fullmatch(tag) is not None


def step_of(tag: str, digest: str) -> str | None:
    """Return the step of a promotion that a tag is of: ``pending``, or ``moved``; None for any other tag.

    :param tag: the tag.
    :param digest: the digest that it shows; the tag has to be named after it.
    """
    name = _OWN.fullmatch(tag)
    return name["kind"] if name and digest.startswith(f"sha256:{name['hex']}") else None


def can_have_backup(target: ImageReference) -> bool:
    """Return whether what a tag shows could be kept: whether its backup's name would be a tag, too.

    :param target: repository, image and tag.
    """
    try:
        name_backup(target, f"sha256:{'0' * 64}")
    except InvalidPromotion:
        return False
    return True


def select_images(tags: Iterable[str]) -> list[str]:
    """Return the tags that are images of their own: no attachments, backups, or tags of promotions under way.

    :param tags: all tags of an image.
    """
    return [tag for tag in tags if not (subject_of(tag) or _BACKUP.fullmatch(tag) or _OWN.fullmatch(tag))]


def check_run(run: str) -> str:
    """Return the run's identifier when a tag can hold it.

    :param run: 1 to 32 lower-case letters and digits.
    :raises InvalidPromotion: when it is not.
    """
    if _RUN.fullmatch(run):
        return run
    raise InvalidPromotion(f"run is 1 to 32 lower-case letters and digits, not {run!r:.120}.")


def name_run(*parts: object) -> str:
    """Return the short identifier of a run, the same for the same parts, so that a retry finds its own tags.

    :param parts: what names the run, such as the ids of DAG, run and task.
    """
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def _hash_target(target: ImageReference, repository: str) -> str:
    """Return the 8 hex that stand for a target in the names of tags in some repository.

    In another repository than its own, that of several targets' pending tags, the tag alone would not tell them apart.
    """
    name = str(target.tag) if repository == target.repository else f"{target.repository}:{target.tag}"
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _name_own(kind: str, place: ImageReference, run: str, repository: str) -> ImageReference:
    digest = str(place.digest)
    tag = f"{kind}-{digest.removeprefix('sha256:')[:12]}-{_hash_target(place, repository)}-{check_run(run)}"
    return ImageReference(repository, place.image, tag, digest)
