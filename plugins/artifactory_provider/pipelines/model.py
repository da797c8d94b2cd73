"""What a pipeline is: images, which of their tags, the stages that they climb through, and what starts it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.policy.origins import ORIGINS
from artifactory_provider.policy.rules import Rule
from artifactory_provider.policy.targets import TargetPatterns
from artifactory_provider.promotion.planning.newest import TagVersions
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.promotion.request import policy_for
from artifactory_provider.promotion.selection import NEWEST, Candidate, name_candidate
from artifactory_provider.promotion.tags import select_images

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artifactory_provider.policy.requirements import ApprovalRule
    from artifactory_provider.policy.windows import Windows
    from artifactory_provider.promotion.request import OnConflict
    from artifactory_provider.verification.check import Check

Mode = Literal["chain", "fleet"]
Push = Literal["webhook", "watcher"]
Event = Literal["waits", "refused", "failed", "late", "superseded", "digest"]
"""What people may want to be told: that a question waits for them, that a rule refuses a promotion, that a task or
image has failed, has waited for too long, or was given up for a newer tag; and what a whole run has come to."""

TRIGGERING = "triggering"
"""The tag that a push or a verdict has named: such a pipeline has no other start."""
ON_PUSH = "_on_push"
"""What the name of the DAG whose runs are started by pushes and verdicts has behind the pipeline's."""


@dataclass(frozen=True, kw_only=True)
class TargetTag:
    """What an image's tag becomes in a stage.

    :param template: what it is made of: the tag that the image has in the stage before.
    :param on_conflict: what happens where it shows another digest: ``fail``, ``overwrite`` or ``backup``.
    """

    template: TargetTemplate
    on_conflict: OnConflict = "fail"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One environment of a pipeline, bound to one repository.

    :param name: what it is called, such as ``qa``: part of task ids.
    :param repository: its repository key.
    :param checks: what must be true of a digest here before it moves on; none for the last stage, as a rule.
    :param tags: what its tag becomes here, at least one; the next stage starts from the first of them. The first stage
        has none of its own.
    :param copy: True copies from the stage before; False moves.
    :param pending_repository: the transit repository in which pending tags stand; None for this stage's own.
    :param asks_approval: whether people are asked before images come here: by ``approvals``, and by the policy.
    :param approvals: who has to approve; None for whoever the policy names.
    :param windows: when images may come here; None for always.
    :param timeout: how long an image may wait here for its verdicts, and for what refuses the next stage.
    :param line: where it stands in the pipeline's file.
    """

    name: str
    repository: str
    checks: tuple[Check, ...] = ()
    tags: tuple[TargetTag, ...] = (TargetTag(template=TargetTemplate("{tag}")),)
    copy: bool = True
    pending_repository: str | None = None
    asks_approval: bool = False
    approvals: ApprovalRule | None = None
    windows: Windows | None = None
    timeout: datetime.timedelta = datetime.timedelta(hours=4)
    line: int = 1

    @property
    def needs_date(self) -> bool:
        """Whether one of its tags is made of the moment when the image was created."""
        return any(tag.template.needs_date for tag in self.tags)

    def targets(self, source: ImageReference, *, created: datetime.datetime | None = None) -> list[ImageReference]:
        """Return what an image of the stage before becomes here: its first tag, and the further ones, one a template.

        :param source: repository, image and tag.
        :param created: when the image was created, for templates with a date.
        :raises InvalidPlan: when a template makes no tag of this one.
        """
        names = [tag.template.render(str(source.tag), created) for tag in self.tags]
        return [ImageReference(self.repository, source.image, name) for name in names]

    def find_policies(
        self, source: ImageReference, *, created: datetime.datetime | None = None
    ) -> dict[ImageReference, OnConflict]:
        """Return what an image of the stage before becomes here, and what it means where that shows another digest.

        Where two templates come to the same tag, the first says.

        :param source: repository, image and tag.
        :param created: when the image was created, for templates with a date.
        :raises InvalidPlan: when a template makes no tag of this one.
        """
        found: dict[ImageReference, OnConflict] = {}
        for tag, target in zip(self.tags, self.targets(source, created=created), strict=True):
            found.setdefault(target, policy_for(tag.on_conflict, target))
        return found


@dataclass(frozen=True, kw_only=True)
class Starts:
    """What starts a pipeline beside people.

    :param schedule: when it runs, as cron has it; None for no night of its own.
    :param timezone: whose clock that is about, such as ``Europe/Berlin``.
    :param after: the names of assets, any of which starts it when it is updated.
    :param on_push: whether each push of a tag that is meant starts a run for it, and how Airflow gets to know it.
    :param on_verdict: whether each property that a check reads starts a run for its tag; by webhooks.
    """

    schedule: str | None = None
    timezone: str = "UTC"
    after: tuple[str, ...] = ()
    on_push: Push | None = None
    on_verdict: bool = False


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Who is told what of a pipeline's runs.

    :param connection: the Airflow connection of the receiver.
    :param events: what is told.
    :param to: the addresses that mail goes to, where the receiver is a mail server.
    """

    connection: str
    events: tuple[Event, ...] = get_args(Event)
    to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The way of images through stages: one file, and one DAG, which has its name.

    :param name: the DAG's id: letters, digits, ``_``, ``-`` and ``.``.
    :param images: which images: names, and patterns over the names in the first stage's repository.
    :param tag: which of their tags: ``newest`` for the newest release; a range such as ``>=1.4 <2`` or a pattern such
        as ``*-alpine`` for the newest of these; a tag, in which ``{date:%Y%m%d}`` is the moment that the run is for;
        ``triggering`` for the one whose push has started the run.
    :param stages: from the first to the last, at least two.
    :param mode: ``chain`` makes each step of each image a task; ``fleet`` takes all of them up in one.
    :param starts: what starts it.
    :param title: what people read; its name where there is none.
    :param description: Markdown for the DAG's page.
    :param owner: whose it is.
    :param labels: the DAG's tags.
    :param pool: the pool that its promotions run in; None for the default one.
    :param connection: the Airflow connection.
    :param poke_interval: between two looks at what is waited for.
    :param supersedes: whether an image that waits is given up once its first stage has a newer tag that is meant.
    :param notify: who is told what of its runs; None for nobody.
    :param source: the file that it stands in, for messages.
    """

    name: str
    images: Patterns
    stages: tuple[Stage, ...]
    tag: str = NEWEST
    mode: Mode = "chain"
    starts: Starts = field(default_factory=Starts)
    title: str = ""
    description: str = ""
    owner: str = "platform"
    labels: tuple[str, ...] = ()
    pool: str | None = None
    connection: str = "artifactory_default"
    poke_interval: datetime.timedelta = datetime.timedelta(minutes=1)
    supersedes: bool = True
    notify: Notify | None = None
    source: str = ""

    def candidate(self, image: str, *, moment: datetime.datetime) -> str:
        """Return which tag of an image is meant, as ``Candidate`` reads it.

        :param image: the image name.
        :param moment: the moment that the run is for.
        :raises ValueError: when the pipeline takes the tag that has started its run.
        :raises InvalidPlan: when no tag can be made of it.
        """
        if self.tag == TRIGGERING:
            raise ValueError(f"The pipeline {self.name} takes the tag that starts its run: name one, as image:tag.")
        is_template = "{" in self.tag and not self.tag.startswith(("<", ">", "=", "!"))
        return name_candidate(image, TargetTemplate(self.tag).render("", moment) if is_template else self.tag)

    def complete(self, line: str, *, moment: datetime.datetime) -> str:
        """Return which tag is meant by a line that a person has given: an image for the tag that the pipeline takes.

        :param line: as ``Candidate`` reads it.
        :param moment: the moment that the run is for.
        :raises InvalidReference: when it is none.
        """
        wanted = Candidate.parse(line)
        return self.candidate(line, moment=moment) if line == wanted.image else line

    def means(self, image: str, tag: str) -> bool:
        """Tell whether a tag is one that the pipeline may take: what a push of it would start.

        :param image: the image name.
        :param tag: the tag.
        """
        if not self.images.match(image):
            return False
        if self.tag == TRIGGERING:
            return True
        if "{" in self.tag:
            return False  # It is another one every day: no push tells which.
        wanted = self._any_candidate
        if wanted.tag is not None:
            return tag == wanted.tag
        return TagVersions([tag], patterns=wanted.patterns, versions=wanted.versions).choose() is not None

    def find_newer(self, tags: Iterable[str], tag: str) -> str | None:
        """Return which tag of an image is meant instead of one by now: none where nobody can tell.

        :param tags: the tags that the image has.
        :param tag: the one that was taken.
        """
        there = select_images(tags)
        versions = self.versions_of(there)
        if versions is None or tag not in there:
            return None
        choice = versions.choose()
        if choice is None or choice.doubtful or tag in choice.newest:
            return None
        return choice.newest[0]

    def versions_of(self, tags: Iterable[str]) -> TagVersions | None:
        """Return the tags of an image that are meant, by their versions; None where the pipeline names one tag itself.

        :param tags: the tags that are images of their own.
        """
        if not self.takes_newest:
            return None
        return TagVersions(tags, patterns=self._any_candidate.patterns, versions=self._any_candidate.versions)

    @property
    def named_tag(self) -> str | None:
        """The one tag that is meant of each image; None where it is chosen, or another one each day."""
        return None if self.tag == TRIGGERING or "{" in self.tag else self._any_candidate.tag

    @property
    def takes_newest(self) -> bool:
        """Whether the tag that is meant of each image is chosen by its version."""
        return self.tag != TRIGGERING and "{" not in self.tag and self._any_candidate.tag is None

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules that the stages add to the policy's: windows and approvals, for whatever a run promotes."""
        return tuple(
            Rule(
                name=f"stage {stage.name} of {self.name}",
                line=stage.line,
                target=TargetPatterns(repositories=Patterns((stage.repository,))),
                applies_to=frozenset(ORIGINS) - {"rollback"},
                windows=stage.windows,
                approvals=stage.approvals,
            )
            for stage in self.stages[1:]
            if stage.windows is not None or stage.approvals is not None
        )

    def next_target(self, source: ImageReference, *, created: datetime.datetime | None = None) -> ImageReference:
        """Return what an image of a stage becomes in the next one: its first target tag there.

        :param source: repository, image and tag.
        :param created: when the image was created, for templates with a date.
        :raises ValueError: when the repository is that of no stage, or of the last.
        :raises InvalidPlan: when a template makes no tag of this one.
        """
        return self.stages[self.level(source.repository) + 1].targets(source, created=created)[0]

    def level(self, repository: str) -> int:
        """Return which stage a repository is, from 0.

        :param repository: the repository key.
        :raises ValueError: when it is that of none.
        """
        for at, stage in enumerate(self.stages):
            if stage.repository == repository:
                return at
        raise ValueError(f"{repository!r:.80} is no stage of the pipeline {self.name}.")

    @cached_property
    def _any_candidate(self) -> Candidate:
        return Candidate.parse(self.candidate("image", moment=datetime.datetime.now(datetime.UTC)))
