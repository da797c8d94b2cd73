"""Looking at all stages of all ladders at once: a query for each repository, and never one for each image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.board.stock import Stock
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.sources import query
from artifactory_provider.verification.combinations import Combination
from artifactory_provider.verification.properties import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.verification.check import Check

log = logging.getLogger(__name__)

_AT_ONCE = 2
_ALWAYS = ("promotion.", "docker.manifest.digest")
_LABELS = ("docker.label.org.opencontainers.image.revision", "docker.label.org.opencontainers.image.source")


async def survey(
    client: ArtifactoryClient, pipelines: Sequence[Pipeline]
) -> tuple[dict[str, Stock], dict[str, ArtifactoryError]]:
    """Return what each repository of some pipelines holds of their images, or why that cannot be told.

    :param client: an open client of their server.
    :param pipelines: the pipelines.
    """
    wanted = find_properties(pipelines)
    found: dict[str, Stock] = {}
    failed: dict[str, ArtifactoryError] = {}

    async def look(repository: str, images: Patterns) -> None:
        stock = Stock()
        try:
            criteria = query(TagCriteria((repository,), images), with_attachments=False)
            stock.add(await client.find_annotated_items(criteria), wanted.__contains__)
        except ArtifactoryError as error:
            log.info("What %s holds cannot be told now: %s", repository, error)
            failed[repository] = error
        else:
            found[repository] = stock

    await concurrently(lambda one: look(*one), find_places(pipelines).items(), at_once=_AT_ONCE)
    return found, failed


def find_places(pipelines: Iterable[Pipeline]) -> dict[str, Patterns]:
    """Return which images of which repositories are meant by pipelines.

    :param pipelines: the pipelines.
    """
    included: dict[str, dict[str, None]] = {}
    for pipeline in pipelines:
        for stage in pipeline.stages:
            included.setdefault(stage.repository, {}).update(dict.fromkeys(pipeline.images.include))
    return {repository: Patterns(tuple(images)) for repository, images in included.items()}


class _Wanted:
    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: object) -> bool:
        return name in self._names or (isinstance(name, str) and name.startswith(_ALWAYS))


def find_properties(pipelines: Iterable[Pipeline]) -> _Wanted:
    """Return which properties of manifests tell something of the board: records, marks, labels, and what checks read.

    :param pipelines: the pipelines.
    """
    checks = (check for pipeline in pipelines for stage in pipeline.stages for check in stage.checks)
    return _Wanted([*_LABELS, *(name for check in checks for name in _read_by(check))])


def _read_by(check: Check) -> Iterator[str]:
    if isinstance(check, PropertyCheck):
        yield from (name for name in (check.name, check.timestamp, check.author) if name)
    elif isinstance(check, Combination):
        for part in check.checks:
            yield from _read_by(part)
