"""Which tag stands for an image in each stage, and how many newer ones the stages before have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.audit import by_age
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.planning.newest import TagVersions
from artifactory_provider.promotion.selection import explain_doubt, explain_two_images

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.pipelines.model import Pipeline, Stage

_KEEPS_TAG = "{tag}"


class Chosen(NamedTuple):
    """What stands for an image in a stage.

    :param shown: the tag; None where there is none that is meant.
    :param behind: how many newer versions the stages before have.
    :param doubt: why it is not certain that it is the newest, in the words of the run that would take it.
    """

    shown: StandingTag | None
    behind: int
    doubt: str = ""


def choose_tags(pipeline: Pipeline, stages: Sequence[Mapping[str, StandingTag]]) -> list[Chosen]:
    """Return what stands for an image in each stage.

    :param pipeline: the ladder.
    :param stages: what the image's tags show in each stage.
    """
    every = {tag: None for tags in stages for tag in tags}
    versions = pipeline.versions_of(every) or TagVersions(every)
    ranks = {tag: at for at, tag in enumerate(versions.ordered)}
    chosen = [_choose_first(pipeline, stages[0], every, versions)]
    keeps = pipeline.takes_newest
    for level, tags in enumerate(stages[1:], 1):
        keeps = keeps and pipeline.stages[level].tags[0].template.text == _KEEPS_TAG
        shown = _choose_above(pipeline.stages[level], tags, ranks, chosen[-1].shown, is_ranked=keeps)
        chosen.append(Chosen(shown, _count_newer(shown, stages[:level], ranks)))
    return chosen


def _choose_first(
    pipeline: Pipeline, tags: Mapping[str, StandingTag], every: Collection[str], versions: TagVersions
) -> Chosen:
    """Return what a run would take.

    :param every: the tags of all stages.
    :param versions: those of them.
    """
    if pipeline.named_tag is not None:
        return Chosen(tags.get(pipeline.named_tag), 0)
    if len(tags) == len(every):
        choice = versions.choose()
    elif not versions.others and not tags.keys().isdisjoint(versions.ordered):
        # Nothing is in doubt, so that the others change nothing: to read the tags once more would take as long again.
        choice = versions.choose(without=[tag for tag in every if tag not in tags])
    else:
        choice = (pipeline.versions_of(tags) or TagVersions(tags)).choose()
    if choice is None:
        return Chosen(None if pipeline.takes_newest else _choose_latest(tags), 0)
    shown, digests = tags[choice.newest[0]], [tags[tag].digest for tag in choice.newest]
    if not pipeline.takes_newest:
        return Chosen(shown, 0)
    place = ImageReference(shown.place.repository, shown.place.image)
    if choice.doubtful:
        return Chosen(shown, 0, str(explain_doubt(place, choice)))
    return Chosen(shown, 0, str(explain_two_images(place, choice, digests)) if len(set(digests)) > 1 else "")


def _choose_above(
    stage: Stage,
    tags: Mapping[str, StandingTag],
    ranks: Mapping[str, int],
    below: StandingTag | None,
    *,
    is_ranked: bool,
) -> StandingTag | None:
    """Return what the stage below was promoted to here, or else the newest version, or else what came last.

    :param is_ranked: whether tags keep their names on the way, so that others than those that are meant do not count.
    """
    ranked = [tag for tag in tags if tag in ranks]
    if is_ranked or (ranked and stage.tags[0].template.text == _KEEPS_TAG):
        return tags[min(ranked, key=ranks.__getitem__)] if ranked else None
    expected = _name_here(stage, below)
    return tags.get(expected or "") or _choose_latest(tags)


def _name_here(stage: Stage, below: StandingTag | None) -> str | None:
    """Return what the tag of the stage below becomes here; None where it becomes none."""
    if below is None:
        return None
    try:
        return stage.targets(below.place, created=below.created)[0].tag
    except (InvalidPromotion, InvalidReference):
        return None


def _choose_latest(tags: Mapping[str, StandingTag]) -> StandingTag | None:
    """Return what came last: a tag such as 'stable' names no version."""
    return max(tags.values(), key=by_age, default=None)


def _count_newer(
    shown: StandingTag | None, below: Sequence[Mapping[str, StandingTag]], ranks: Mapping[str, int]
) -> int:
    """Return how many versions that are newer than what is shown the stages before have."""
    if shown is not None and ranks.get(shown.name) == 0:
        return 0
    there = [(ranks[tag], standing.place.digest) for tags in below for tag, standing in tags.items() if tag in ranks]
    if shown is None:
        return len({digest for _, digest in there})
    # Where the tag has another name here, the digest tells which version it is.
    rank = min([rank for rank, digest in there if digest == shown.digest], default=len(ranks))
    rank = min(rank, ranks.get(shown.name, rank))
    if rank == len(ranks):
        return 0
    return len({digest for other, digest in there if other < rank and digest != shown.digest})
