"""Whose time has come by the rules alone, whatever may need it still."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.audit import by_age
from artifactory_provider.policy.durations import show_duration
from artifactory_provider.promotion.tags import backed_up_tag, select_images, step_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from artifactory_provider.audit import StandingTag, Survey
    from artifactory_provider.promotion.listing import Image
    from artifactory_provider.retention.rules import Kind, RetentionRules, TagRule


@dataclass(frozen=True, slots=True)
class Due:
    """A tag whose time has come.

    :param tag: what stands there.
    :param kind: what kind of tag it is.
    :param why: why, in words.
    :param is_old: whether that is its age alone.
    """

    tag: StandingTag
    kind: Kind
    why: str
    is_old: bool = False


def is_own(tag: StandingTag) -> bool:
    """Tell whether a tag is an image of its own: nothing that a promotion has made, and no attachment."""
    return bool(select_images([tag.name]))


def age_of(tag: StandingTag, now: datetime.datetime) -> datetime.timedelta:
    """Return how long ago a tag came to its repository; one that does not tell has just come.

    :param tag: what stands there.
    :param now: the current moment.
    """
    return datetime.timedelta() if tag.updated is None else now - tag.updated


def find_due(
    seen: Survey, rules: RetentionRules, images: Collection[Image], *, now: datetime.datetime
) -> Iterator[Due]:
    """Yield the tags whose time has come, but for attachments, whose time is that of their digest.

    :param seen: what stands in all repositories of the rules.
    :param rules: what may go.
    :param images: the images that are meant, all tags of which were seen.
    :param now: the current moment.
    """
    for image in images:
        tags = seen.tags_of(image).values()
        if image[0] == rules.attic:
            yield from _due_in_attic(tags, rules.attic_life, now)
            continue
        if (rule := rules.for_tags(*image)) is not None:
            # Under another name, an image that happens to be the same may have arrived for others.
            above = seen.tags_of((rule.reached, image[1])).values() if rule.reached else ()
            arrived = {tag.digest for tag in above if is_own(tag)}
            yield from _due_tags([tag for tag in tags if is_own(tag)], rule, arrived, now)
        if (most := rules.for_backups(*image)) is not None:
            yield from _due_backups(tags, most)
        if (life := rules.for_leftovers(*image)) is not None:
            yield from _due_leftovers(tags, life, now)


def _due_tags(tags: list[StandingTag], rule: TagRule, arrived: set[str], now: datetime.datetime) -> Iterator[Due]:
    for tag in _newest_first(tags)[rule.keep_newest :]:
        age = age_of(tag, now)
        if age <= rule.keep_for or rule.keeps(tag.name):
            continue
        if tag.digest in arrived:
            yield Due(tag, "tag", f"{rule.reached} shows its digest")
        elif rule.older_than is not None and age > rule.older_than:
            yield Due(tag, "tag", _describe_age(age), is_old=True)


def _due_backups(tags: Iterable[StandingTag], most: int) -> Iterator[Due]:
    of: dict[str, list[StandingTag]] = {}
    for tag in tags:
        if (before := backed_up_tag(tag.name, tag.digest)) is not None:
            of.setdefault(before, []).append(tag)
    for before, backups in of.items():
        for tag in _newest_first(backups)[most:]:
            yield Due(tag, "backup", _describe_newer(most, before))


def _due_leftovers(tags: Iterable[StandingTag], life: datetime.timedelta, now: datetime.datetime) -> Iterator[Due]:
    for tag in tags:
        step, age = step_of(tag.name, tag.digest), age_of(tag, now)
        if step and age > life:
            what = "a pending tag" if step == "pending" else "the renamed source of a move"
            yield Due(tag, "leftover", f"{what} of a run that has ended: {_describe_age(age)}")


def _due_in_attic(tags: Iterable[StandingTag], life: datetime.timedelta, now: datetime.datetime) -> Iterator[Due]:
    for tag in tags:
        if (age := age_of(tag, now)) > life:
            yield Due(tag, "attic", f"it lies in the attic: {_describe_age(age)}")


def _newest_first(tags: Iterable[StandingTag]) -> list[StandingTag]:
    """Return tags by when they came, the last one first; of one moment, by their names."""
    return sorted(tags, key=by_age, reverse=True)


def _describe_newer(most: int, before: str) -> str:
    if most == 0:
        return "no backup has to stay"
    return f"a newer backup of {before} stays" if most == 1 else f"{most:,} newer backups of {before} stay"


def _describe_age(age: datetime.timedelta) -> str:
    whole = datetime.timedelta(days=age.days) if age.days else age
    return f"it came {show_duration(whole) or 'a moment'} ago"
