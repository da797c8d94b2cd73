"""What may go, as a team has written it down: which tags, after how long, and how many stay whatever happens."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.promotion.planning.patterns import Patterns

Kind = Literal["tag", "backup", "leftover", "attachment", "attic"]
"""What a tag is: an image of its own; what a promotion has replaced; what a dead run has left; what belongs to a
digest; what lies in the attic."""

SHORTEST_LIFE = datetime.timedelta(hours=1)
"""No run takes longer between a pending tag and its end: younger ones are those of runs under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule:
    """Which tags that are images of their own may go: those that are too old, or have come far enough.

    :param older_than: how long ago a tag has to have come to its repository; None for no such age.
    :param reached: the repository of the later stage that shows a tag's digest; None for none.
    :param keep_newest: how many tags of each image stay: those that came last.
    :param keep_for: how long each stays after it came.
    :param keep: the patterns of tags that stay; none for no such tags.
    """

    older_than: datetime.timedelta | None = None
    reached: str | None = None
    keep_newest: int
    keep_for: datetime.timedelta
    keep: Patterns | None = None

    def keeps(self, tag: str) -> bool:
        """Tell whether a tag stays for its name."""
        return self.keep is not None and self.keep.match(tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """What may go in some repositories.

    :param repositories: their keys.
    :param images: the patterns of the images that are meant.
    :param tags: which tags of their own; None where all of these stay.
    :param backups: how many backups of each tag stay, the newest; None where all do.
    :param leftovers: how old pending and renamed tags have to be that runs have left; None where they stay.
    """

    repositories: tuple[str, ...]
    images: Patterns
    tags: TagRule | None = None
    backups: int | None = None
    leftovers: datetime.timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """What may go at all: of several rules about one kind of tag of an image, the first one counts.

    :param stages: the repository keys of all stages, from the first to the last.
    :param transit: further repositories in which pending tags stand.
    :param rules: the rules.
    :param attic: the repository that tags are moved to first; None where they are deleted at once.
    :param attic_life: how long they lie there.
    :param name: what the document is called, for messages.
    """

    stages: tuple[str, ...]
    transit: tuple[str, ...] = ()
    rules: tuple[RetentionRule, ...]
    attic: str | None = None
    attic_life: datetime.timedelta = datetime.timedelta(days=7)
    name: str = "retention"

    @property
    def repositories(self) -> tuple[str, ...]:
        """All repositories that are looked at."""
        return (*self.stages, *self.transit, *((self.attic,) if self.attic else ()))

    @property
    def last(self) -> str:
        """The last stage."""
        return self.stages[-1]

    def later_than(self, repository: str) -> Sequence[str]:
        """Return the stages after that of a repository; all of them where it is that of none."""
        return self.stages[self.stages.index(repository) + 1 :] if repository in self.stages else self.stages

    def for_tags(self, repository: str, image: str) -> TagRule | None:
        """Return the rule for tags of their own of an image, or None where they stay."""
        return next((rule.tags for rule in self._match(repository, image) if rule.tags is not None), None)

    def for_backups(self, repository: str, image: str) -> int | None:
        """Return how many backups of each tag of an image stay, or None where all do."""
        return next((rule.backups for rule in self._match(repository, image) if rule.backups is not None), None)

    def for_leftovers(self, repository: str, image: str) -> datetime.timedelta | None:
        """Return how old an image's pending and renamed tags have to be to go, or None where they stay."""
        return next((rule.leftovers for rule in self._match(repository, image) if rule.leftovers is not None), None)

    def names(self, repository: str, image: str) -> bool:
        """Tell whether any rule is about an image, or it lies in the attic."""
        return repository == self.attic or bool(self._match(repository, image))

    def _match(self, repository: str, image: str) -> list[RetentionRule]:
        return [rule for rule in self.rules if repository in rule.repositories and rule.images.match(image)]
