"""Images of one run that would become one tag: the first one has it, in each run, and the others are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import in_turns
from artifactory_provider.artifactory.references import ImageReference, InvalidReference
from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.pipelines.climber import Climber
    from artifactory_provider.pipelines.model import Pipeline


async def end_twins(climbers: Sequence[Climber], pipeline: Pipeline, *, goal: int) -> None:
    """End those of which a tag somewhere above would be that of another one, which comes before.

    :param climbers: all images of the run, those that have ended, too: what they have become stays theirs.
    :param pipeline: the pipeline.
    :param goal: the level of the stage that they climb to.
    """
    taken: dict[ImageReference, Climber] = {}
    async for climber in in_turns(climbers):
        for target in _list_targets(climber, pipeline, goal):
            if taken.setdefault(target, climber) is not climber and not climber.has_ended:
                climber.stand("failed", f"Another tag of this run becomes {target}, too: promote one of them.")


def _list_targets(climber: Climber, pipeline: Pipeline, goal: int) -> list[ImageReference]:
    """Return all that an image becomes on its way, as far as its templates can tell: the climb says what is wrong."""
    place, found = climber.start.unpinned(), list[ImageReference]()
    for stage in pipeline.stages[pipeline.level(place.repository) + 1 : goal + 1]:
        try:
            targets = stage.targets(place, created=climber.created)
        except (InvalidPromotion, InvalidReference):
            return found
        place = targets[0]
        found += targets
    return found
