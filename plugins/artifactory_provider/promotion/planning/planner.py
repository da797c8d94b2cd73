"""Making a plan: what is meant, what it becomes, what both sides show, and so what is left to do."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.artifactory.errors import RepositoryNotFound, UnsupportedRepository
from artifactory_provider.artifactory.references import ImageReference, InvalidReference, check_repository
from artifactory_provider.promotion.errors import InvalidPlan
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.explanation import explain_nothing
from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion
from artifactory_provider.promotion.planning.sources import ListedTag, list_tags
from artifactory_provider.promotion.planning.templates import ImageTemplate, TargetTemplate
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.request import Attachments, OnConflict, check_attachments, check_on_conflict
from artifactory_provider.promotion.rules import Change, find_marks
from artifactory_provider.promotion.tags import can_have_backup, select_images

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.promotion.listing import Listing
    from artifactory_provider.promotion.planning.criteria import TagCriteria
    from artifactory_provider.promotion.planning.plan import Action
    from artifactory_provider.promotion.planning.sources import SourceTags
    from artifactory_provider.promotion.rules import Refusal, Rules

log = logging.getLogger(__name__)

_NAMES_SHOWN = 3
_CHANGING = frozenset({"promote", "conflict"})
_REPLACING = {"overwrite": "overwrites what is there", "backup": "keeps what is there under a backup tag"}


class _Wanted(NamedTuple):
    source: ImageReference
    target: ImageReference


@dataclass(frozen=True)
class _Naming:
    """Where source tags go.

    :param repository: the target repository's key.
    :param image: what the target image is called.
    :param tags: what the target tags are called.
    """

    repository: str
    image: ImageTemplate
    tags: tuple[TargetTemplate, ...]

    @classmethod
    def read(cls, repository: str, image: str, tags: Sequence[str]) -> _Naming:
        if isinstance(tags, str) or not tags:
            raise InvalidPlan(f"target_tags is a list of templates such as '{{tag}}', not {tags!r:.120}.")
        try:
            check_repository(repository)
        except InvalidReference as error:
            raise InvalidPlan(str(error)) from error
        return cls(repository, ImageTemplate(image), tuple(map(TargetTemplate, dict.fromkeys(tags))))

    @property
    def needs_date(self) -> bool:
        return any(template.needs_date for template in self.tags)

    def targets(self, listed: ListedTag) -> list[ImageReference]:
        image = self.image.render(listed.reference.image)
        tags = dict.fromkeys(template.render(str(listed.reference.tag), listed.created) for template in self.tags)
        return [ImageReference(self.repository, image, tag) for tag in tags]


async def make_plan(
    client: ArtifactoryClient,
    criteria: TagCriteria,
    *,
    target_repository: str,
    target_tags: Sequence[str] = ("{tag}",),
    target_image: str = "{image}",
    on_conflict: OnConflict = "fail",
    attachments: Attachments = "all",
    largest: int | None = None,
) -> Plan:
    """Return the promotions that a run would make, and change nothing.

    :param client: an open client.
    :param criteria: which tags are promoted.
    :param target_repository: the key of the repository that they are promoted to.
    :param target_tags: what each is called there: templates, one target for each; see ``TargetTemplate``.
    :param target_image: what its image is called there, such as ``mirror/{image}``.
    :param on_conflict: what a target tag that shows another digest means: ``fail`` is a conflict; with ``overwrite``
        and ``backup`` it is promoted to.
    :param attachments: with ``tags`` or ``all``, an image that is there already is promoted again where a tag of its
        attachments is not.
    :param largest: how many promotions there may be; None for any number, unless everything is meant.
    :raises InvalidPlan: when nothing is meant, or more than confirmed; when two sources would become one target; when
        a template makes no tag; when a repository cannot promote.
    :raises ArtifactoryError: when the server cannot be asked.
    """
    check_on_conflict(on_conflict)
    check_attachments(attachments)
    naming = _Naming.read(target_repository, target_image, target_tags)
    if largest is not None and largest < 1:
        raise InvalidPlan(f"largest is the number of promotions that there may be, 1 or more, not {largest!r}.")
    try:
        async with Ledger(client) as ledger:
            sources, wanted = await _choose(ledger, criteria, naming, with_attachments=attachments != "none")
            _check_size(len(wanted), largest, is_everything=criteria.is_everything)
            return await _compare(ledger, sources, wanted, on_conflict)
    except (RepositoryNotFound, UnsupportedRepository) as error:
        raise InvalidPlan(str(error)) from error


async def _choose(
    ledger: Ledger, criteria: TagCriteria, naming: _Naming, *, with_attachments: bool
) -> tuple[SourceTags, list[_Wanted]]:
    sources = await _list(ledger, criteria, with_times=naming.needs_date, with_attachments=with_attachments)
    missing = await _find_missing(ledger, criteria, sources)
    if not sources.tags and not missing:
        raise await explain_nothing(ledger, criteria)
    return sources, _list_wanted(naming, sources.tags, missing)


async def _compare(ledger: Ledger, sources: SourceTags, wanted: Sequence[_Wanted], on_conflict: OnConflict) -> Plan:
    carried = {one.target: _list_carried(sources, one) for one in wanted}
    # Both in the same queries: most of what is looked at is there already in a run that is repeated.
    asked = (*(one.target for one in wanted), *itertools.chain.from_iterable(carried.values()))
    digests = tuple(one.source.digest for one in wanted if one.source.digest)
    if ledger.refuses_queries:
        asked += tuple(one.source for one in wanted if one.source.digest)  # only they themselves tell that
    there = await ledger.look(Question(tags=asked, with_marks=True, rejected=digests))
    # A virtual repository shows what stands behind it, too; queries do not take that for its own.
    if not there.knows_files or not any(there.shows(tag) for tag in asked):
        await ledger.check_repositories(wanted[0].target)
    planned = [_plan_one(one, there, on_conflict, carried[one.target]) for one in wanted]
    marks = find_marks([Change(one.source, one.target) for one in planned], there)
    return Plan(tuple(_refused(one, mark) for one, mark in zip(planned, marks, strict=True)))


async def apply_rules(plan: Plan, rules: Rules) -> Plan:
    """Return a plan in which what the rules forbid now is refused.

    :param plan: the plan.
    :param rules: what may refuse promotions beside holds and rejections.
    """
    asked = [one for one in plan.promotions if one.action in _CHANGING]
    answers = await rules.find_refusals([Change(one.source, one.target) for one in asked])
    refusals = dict(zip(asked, answers, strict=True))
    return Plan(tuple(_refused(one, refusals.get(one)) for one in plan.promotions))


def _refused(one: PlannedPromotion, refusal: Refusal | None) -> PlannedPromotion:
    if refusal is None or one.action not in _CHANGING:
        return one
    return replace(one, action="refused", reason=str(refusal))


async def _list(ledger: Ledger, criteria: TagCriteria, *, with_times: bool, with_attachments: bool) -> SourceTags:
    try:
        sources = await list_tags(ledger, criteria, with_times=with_times, with_attachments=with_attachments)
    except UnsupportedRepository:
        for repository in criteria.repositories:
            await ledger.check_repository(repository)
        raise
    seen = {listed.reference.repository for listed in sources.tags}
    for repository in criteria.repositories:
        if repository not in seen:
            await ledger.check_repository(repository)
            log.info("Nothing in %s is meant.", repository)
    return sources


async def _find_missing(ledger: Ledger, criteria: TagCriteria, sources: SourceTags) -> list[ListedTag]:
    """Return the tags that are named as they are, in images that are, and that no repository has."""
    listed = {(one.reference.image, one.reference.tag) for one in sources.tags}
    names = [
        (image, tag)
        for tag in select_images(criteria.tags.exact)
        if criteria.selects_tag(tag)
        for image in criteria.images.exact
        if (image, tag) not in listed
    ]
    first = criteria.repositories[0]
    try:
        absent = {name: ImageReference(first, *name) for name in names}
    except InvalidReference as error:
        raise InvalidPlan(str(error)) from error
    if absent and (criteria.has_times or criteria.properties):
        # What is there, but outside of a window, is not missing: it is not meant.
        places = [ImageReference(key, *name) for key in criteria.repositories for name in names]
        seen = await ledger.look(Question(tags=tuple(places)))
        for tag in places:
            if seen.shows(tag):
                absent.pop((tag.image, str(tag.tag)), None)
    return [ListedTag(reference, None) for reference in absent.values()]


def _list_wanted(naming: _Naming, tags: Iterable[ListedTag], missing: Iterable[ListedTag]) -> list[_Wanted]:
    """Return all sources with their targets, in the targets' order; no two have one target."""
    sources: dict[ImageReference, ImageReference] = {}
    collisions: list[str] = []
    for listed in (*tags, *missing):
        for target in naming.targets(listed):
            source = listed.reference
            if (source.repository, source.image, source.tag) == (target.repository, target.image, target.tag):
                raise InvalidPlan(
                    f"{source} would be promoted to {target}, which is itself: name another target repository, a "
                    "target image such as 'mirror/{image}' or a target tag such as '{tag}-stable'."
                )
            other = sources.setdefault(target, source)
            if other is not source:
                collisions.append(f"{target} from {other} and from {source}")
    if collisions:
        more = f"; and {len(collisions) - _NAMES_SHOWN} more" if len(collisions) > _NAMES_SHOWN else ""
        raise InvalidPlan(
            f"Two sources would become one target: {'; '.join(collisions[:_NAMES_SHOWN])}{more}. Give each target one "
            "source: choose fewer repositories or tags, or target tags that differ, such as '{tag}'."
        )
    ordered = sorted(sources, key=lambda target: (target.repository, target.image, str(target.tag)))
    return [_Wanted(sources[target], target) for target in ordered]


def _check_size(number: int, largest: int | None, *, is_everything: bool) -> None:
    if largest is None and is_everything:
        raise InvalidPlan(
            f"All tags are meant, which are {number} promotions. A pattern that matches everything must be confirmed "
            f"by a count: say largest={number}, or choose images or tags by narrower patterns, such as 'payments/*'."
        )
    if largest is not None and number > largest:
        raise InvalidPlan(
            f"{number} promotions are meant, and {largest} are the most that were confirmed (largest={largest}): say "
            f"largest={number} if all of them are meant, or choose images or tags by narrower patterns, such as "
            "'payments/*'."
        )


def _list_carried(sources: SourceTags, one: _Wanted) -> list[ImageReference]:
    """Return the tags of attachments as the target would have them, pinned to what they show in the source."""
    if (one.source.repository, one.source.image) == (one.target.repository, one.target.image):
        return []
    return [
        ImageReference(one.target.repository, one.target.image, tag.tag, tag.digest)
        for tag in sources.attachments_of(one.source)
    ]


def _plan_one(
    one: _Wanted,
    there: Listing,
    on_conflict: OnConflict,
    carried: Sequence[ImageReference],
) -> PlannedPromotion:
    shown = there.shows(one.target)
    current = shown.digest if shown else None
    if one.source.digest is None:
        return PlannedPromotion(source=one.source, target=one.target, action="missing", current=current)
    if current is None:
        return PlannedPromotion(source=one.source, target=one.target, action="promote")
    if current != one.source.digest:
        reason = _REPLACING.get(on_conflict, "")
        action: Action = "promote" if reason else "conflict"
        if on_conflict == "backup" and not can_have_backup(one.target):
            action, reason = "conflict", "its tag is too long for a backup tag of it"
        return PlannedPromotion(source=one.source, target=one.target, action=action, current=current, reason=reason)
    lacking = [tag for tag in carried if (seen := there.shows(tag)) is None or seen.digest != tag.digest]
    if not lacking:
        return PlannedPromotion(source=one.source, target=one.target, action="unchanged", current=current)
    names = ", ".join(f"{str(tag.tag)[:19]}…{str(tag.tag)[71:]}" for tag in lacking[:_NAMES_SHOWN])
    reason = f"the target lacks {len(lacking)} of its attachments' tags as they are in the source: {names}"
    return PlannedPromotion(source=one.source, target=one.target, action="promote", current=current, reason=reason)
