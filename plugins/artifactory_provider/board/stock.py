"""What the repositories of ladders hold, as one look has found it, and what is said of it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from artifactory_provider.audit import Explainer, Survey
from artifactory_provider.promotion.listing import Shown
from artifactory_provider.promotion.tags import select_images

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import Explanation, StandingTag
    from artifactory_provider.promotion.marks import Mark
    from artifactory_provider.promotion.planning.patterns import Patterns

_END = "\U0010ffff"
"""Greater than all that names hold."""


class Stock:
    """What the repositories of one server hold of some images: a ``Marked`` and a ``Server`` of the room ``promotion``.

    :param surveys: repository → what stands there; one that is missing could not be looked at.
    :param elsewhere: what else tells of rejections.
    :param known: (repository, image, tag) → digests that were promoted there as others know.
    :param server_version: the server's version, where it is known.
    """

    def __init__(
        self,
        surveys: Mapping[str, Survey],
        elsewhere: Survey | None = None,
        *,
        known: Mapping[tuple[str, str, str], Collection[str]] | None = None,
        server_version: tuple[int, ...] | None = None,
    ) -> None:
        self.server_version = server_version
        self._surveys = dict(surveys)
        self._rejected = {
            digest: mark
            for survey in (*surveys.values(), *([elsewhere] if elsewhere else []))
            for digest, mark in survey.rejected.items()
        }
        self._images = {key: sorted(name for _, name in survey.images) for key, survey in surveys.items()}
        self._explainers = {key: Explainer(survey, known=known) for key, survey in surveys.items()}

    def knows(self, repository: str) -> bool:
        """Tell whether a repository could be looked at.

        :param repository: the repository key.
        """
        return repository in self._surveys

    def survey(self, repository: str) -> Survey | None:
        """Return what stands in a repository, or None where it could not be looked at.

        :param repository: the repository key.
        """
        return self._surveys.get(repository)

    def find_images(self, repository: str, patterns: Patterns) -> list[str]:
        """Return the images of a repository that patterns mean, in their order.

        :param repository: the repository key.
        :param patterns: the patterns.
        """
        there = self._images.get(repository, [])
        found = {name for name in patterns.exact if _has(there, name)}
        for prefix in patterns.prefixes:
            # Hundreds of ladders have the same stages: none looks at the images of all.
            some = there[bisect_left(there, prefix) : bisect_left(there, prefix + _END)]
            found.update(name for name in some if patterns.match(name))
        return sorted(found)

    def tags(self, repository: str, image: str) -> dict[str, StandingTag]:
        """Return what the tags of an image show that are images of their own; none where it is not there.

        :param repository: the repository key.
        :param image: the image name.
        """
        if not self.knows(repository):
            return {}
        standing = self._surveys[repository].tags_of((repository, image))
        return {tag: standing[tag] for tag in select_images(standing)}

    def find(self, tag: ImageReference) -> StandingTag | None:
        """Return what stands under a tag, or None.

        :param tag: repository, image and tag.
        """
        return self._surveys[tag.repository].find(tag) if self.knows(tag.repository) else None

    def shows(self, tag: ImageReference) -> Shown | None:
        """Return what a tag shows, or None.

        :param tag: repository, image and tag.
        """
        found = self.find(tag)
        return Shown(found.digest, found.is_index, found.updated, found.properties) if found else None

    def holds(self, tag: ImageReference) -> Mark | None:
        """Return the hold on a tag, or None.

        :param tag: repository, image and tag.
        """
        found = self.find(tag)
        return found.hold if found else None

    def rejects(self, digest: str) -> Mark | None:
        """Return the rejection of a digest, wherever it was found, or None.

        :param digest: the digest.
        """
        return self._rejected.get(digest)

    def explain(self, tag: StandingTag) -> Explanation:
        """Return why a tag stands where it stands.

        :param tag: what stands there.
        """
        return self._explainers[tag.place.repository].explain(tag)


def _has(there: Sequence[str], name: str) -> bool:
    at = bisect_left(there, name)
    return at < len(there) and there[at] == name
