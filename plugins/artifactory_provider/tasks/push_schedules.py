"""Who is started by pushes and verdicts: the schedule of a pipeline, and which events mean it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.partition_mappers.base import PartitionMapper
from airflow.sdk import AssetAny, PartitionedAssetTimetable

from artifactory_provider.pipelines.model import TRIGGERING, Pipeline
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks.pushes import hash_of, pushes_asset, read_key, verdicts_asset
from artifactory_provider.verification import Check, PropertyCheck
from artifactory_provider.verification.combinations import Combination

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow.sdk.definitions.asset import BaseAsset


class TagMapper(PartitionMapper):
    """Which pushes or verdicts start a pipeline: those of a tag that it means; all others start nothing.

    :param include: patterns of the images that are meant.
    :param exclude: patterns of images that are not, after all.
    :param tag: which of their tags, as a pipeline has it.
    :param properties: the hashes of the properties whose verdicts count; None for all, and for pushes.
    """

    def __init__(
        self,
        *,
        include: Sequence[str],
        exclude: Sequence[str] = (),
        tag: str = TRIGGERING,
        properties: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.tag = tag
        self.properties = None if properties is None else tuple(properties)

    @cached_property
    def _pipeline(self) -> Pipeline:
        return Pipeline(name="-", images=Patterns(self.include, self.exclude), stages=(), tag=self.tag)

    def to_downstream(self, key: str) -> list[str]:
        """Return the key where it starts the pipeline, else nothing.

        A name so long that it was cut starts it: the run itself knows the whole one.

        :param key: the partition key of an event.
        """
        said = read_key(key)
        if self.properties is not None and said.verdict.partition(".")[0] not in self.properties:
            return []
        if said.image is None or said.tag is None or self._pipeline.means(said.image, said.tag):
            return [key]
        return []

    def serialize(self) -> dict[str, Any]:
        """Return its arguments."""
        return {
            "include": list(self.include),
            "exclude": list(self.exclude),
            "tag": self.tag,
            "properties": None if self.properties is None else list(self.properties),
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> TagMapper:
        """Return the mapper with these arguments.

        :param data: what ``serialize`` has returned.
        """
        return cls(**data)


def schedule_on_push(pipeline: Pipeline) -> PartitionedAssetTimetable:
    """Return the schedule of a pipeline that pushes and verdicts start: one run for each tag that it means.

    :param pipeline: the pipeline; its ``starts`` say which of the two.
    :raises ValueError: when neither starts it.
    """
    mappers: dict[BaseAsset, Any] = {}
    if pipeline.starts.on_push is not None:
        mappers[pushes_asset(pipeline.stages[0].repository)] = _mapper(pipeline, pipeline.tag)
    tag = pipeline.tag
    for number, stage in enumerate(pipeline.stages):
        if number and stage.tags[0].template.text != "{tag}":
            tag = TRIGGERING  # It is called otherwise from here on.
        if pipeline.starts.on_verdict and stage.checks:
            mappers[verdicts_asset(stage.repository)] = _mapper(pipeline, tag, stage.checks)
    if not mappers:
        raise ValueError(f"Neither a push nor a verdict starts the pipeline {pipeline.name}: say so in its starts.")
    return PartitionedAssetTimetable(assets=AssetAny(*mappers), partition_mapper_config=mappers)


def _mapper(pipeline: Pipeline, tag: str, checks: Sequence[Check] = ()) -> TagMapper:
    names = _find_properties(checks) if checks else None
    return TagMapper(
        include=pipeline.images.include,
        exclude=pipeline.images.exclude,
        tag=tag,
        properties=None if names is None else sorted(map(hash_of, names)),
    )


def _find_properties(checks: Iterable[Check]) -> set[str] | None:
    """Return the properties that checks read; None where one of them may read any."""
    names: set[str] = set()
    for check in checks:
        parts = _find_properties(check.checks) if isinstance(check, Combination) else _properties_of(check)
        if parts is None:
            return None
        names |= parts
    return names


def _properties_of(check: Check) -> set[str] | None:
    return {check.name} if isinstance(check, PropertyCheck) else None
