"""Which tag stands for an image in each stage, and how many newer ones the stages before have."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.promotion.planning.newest import TagVersions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.pipelines.model import Pipeline

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
    every = {tag: None for tags in stages for tag in tags}
    versions = pipeline.versions_of(every) or TagVersions(every)
    ranks = {tag: at for at, tag in enumerate(versions.ordered)}
    chosen: list[Chosen] = []
    for level, tags in enumerate(stages):
        if level == 0:
            shown, doubtful = _choose_first(pipeline, tags, versions if len(tags) == len(every) else None)
        else:
            shown, doubtful = _choose_above(tags, ranks, chosen[-1].shown), ()
        chosen.append(Chosen(shown, _count_newer(shown, stages[:level], ranks), doubtful))
    return chosen


def _choose_first(
    pipeline: Pipeline, tags: Mapping[str, StandingTag], versions: TagVersions | None
) -> tuple[StandingTag | None, tuple[str, ...]]:
    """Return what a run would take, and what may be newer.

    :param versions: those of the tags, where they are known already.
    """
    if pipeline.named_tag is not None:
        return tags.get(pipeline.named_tag), ()
    choice = (versions or pipeline.versions_of(tags) or TagVersions(tags)).choose()
    if choice is not None:
        return tags[choice.newest[0]], choice.doubtful
    return (None, ()) if pipeline.takes_newest else (_choose_latest(tags), ())


def _choose_above(
    tags: Mapping[str, StandingTag], ranks: Mapping[str, int], below: StandingTag | None
) -> StandingTag | None:
    """Return the newest version; of several names of it, the one that shows what the stage below does."""
    ranked = [tag for tag in tags if tag in ranks]
    if not ranked:
        return _choose_latest(tags)
    if below is not None and below.name in ranked and ranks[below.name] == min(map(ranks.__getitem__, ranked)):
        return tags[below.name]
    return tags[min(ranked, key=ranks.__getitem__)]


def _choose_latest(tags: Mapping[str, StandingTag]) -> StandingTag | None:
    """Return what came last: a tag such as 'stable' names no version."""
    return max(tags.values(), key=lambda one: (one.updated or _LONG_AGO, one.name), default=None)


def _count_newer(
    shown: StandingTag | None, below: Sequence[Mapping[str, StandingTag]], ranks: Mapping[str, int]
) -> int:
    """Return how many versions that are newer than what is shown the stages before have."""
    there = [(ranks[tag], standing.digest) for tags in below for tag, standing in tags.items() if tag in ranks]
    if shown is None:
        return len({digest for _, digest in there})
    # Where the tag has another name here, the digest tells which version it is.
    same = [rank for rank, digest in there if digest == shown.digest]
    rank = min([*same, *([ranks[shown.name]] if shown.name in ranks else [])], default=None)
    if rank is None:
        return 0
    return len({digest for other, digest in there if other < rank and digest != shown.digest})
