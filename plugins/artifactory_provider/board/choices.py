"""Which tag stands for an image in each stage, and how many newer ones the stages before have."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.promotion.planning.newest import TagVersions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.pipelines.model import Pipeline

_KEEPS_TAG = "{tag}"
_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)


class Chosen(NamedTuple):
    """What stands for an image in a stage.

    :param shown: the tag; None where there is none that is meant.
    :param behind: how many newer versions the stages before have.
    :param doubtful: the tags that may be newer, where that is not certain.
    """

    shown: StandingTag | None
    behind: int
    doubtful: tuple[str, ...] = ()


def choose_tags(pipeline: Pipeline, stages: Sequence[Mapping[str, StandingTag]]) -> list[Chosen]:
    """Return what stands for an image in each stage.

    :param pipeline: the ladder.
    :param stages: what the image's tags show in each stage.
    """
    ranks = _rank(pipeline, stages)
    chosen: list[Chosen] = []
    for level, tags in enumerate(stages):
        found, doubtful = _choose(pipeline, level, tags, chosen[-1].shown if chosen else None)
        chosen.append(Chosen(found, _count_newer(found, stages[:level], ranks), doubtful))
    return chosen


def _choose(
    pipeline: Pipeline, level: int, tags: Mapping[str, StandingTag], below: StandingTag | None
) -> tuple[StandingTag | None, tuple[str, ...]]:
    if not tags:
        return None, ()
    if level == 0 and pipeline.named_tag is not None:
        return tags.get(pipeline.named_tag), ()
    versions = _versions(pipeline, level, tags)
    choice = versions.choose()
    if choice is not None:
        same = [tags[tag] for tag in choice.newest]
        # Of several names of one version, the one that shows what the stage below does is the one that was promoted.
        alike = [one for one in same if below is not None and one.digest == below.digest]
        return (alike or same)[0], choice.doubtful if level == 0 else ()
    if level == 0 and pipeline.versions_of(()) is not None:
        return None, ()
    return max(tags.values(), key=lambda one: (one.updated or _LONG_AGO, one.name)), ()


def _versions(pipeline: Pipeline, level: int, tags: Mapping[str, StandingTag]) -> TagVersions:
    """Return the tags of a stage by their versions: those that the ladder means, as long as tags keep their names."""
    keeps = all(stage.tags[0].template.text == _KEEPS_TAG for stage in pipeline.stages[1 : level + 1])
    return (pipeline.versions_of(tags) if keeps else None) or TagVersions(tags)


def _rank(pipeline: Pipeline, stages: Sequence[Mapping[str, StandingTag]]) -> dict[str, int]:
    """Return tag → its place among all versions of all stages, the newest first."""
    every = {tag: None for tags in stages for tag in tags}
    versions = pipeline.versions_of(every) or TagVersions(every)
    return {tag: at for at, tag in enumerate(versions.ordered)}


def _count_newer(
    shown: StandingTag | None, below: Sequence[Mapping[str, StandingTag]], ranks: Mapping[str, int]
) -> int:
    """Return how many versions that are newer than what is shown the stages before have."""
    if not below:
        return 0
    there = {tag: stored for tags in below for tag, stored in tags.items() if tag in ranks}
    if shown is None:
        return len({stored.digest for stored in there.values()})
    # Where the tag has another name here, the digest tells which version it is.
    same = [ranks[tag] for tag, stored in there.items() if stored.digest == shown.digest]
    rank = min([*same, *([ranks[shown.name]] if shown.name in ranks else [])], default=None)
    if rank is None:
        return 0
    return len({stored.digest for tag, stored in there.items() if ranks[tag] < rank} - {shown.digest})
