"""Looking at all stages of all ladders at once: some queries for thousands of images, and never one for each."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.concurrency import concurrently, in_turns
from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.layout import any_manifest
from artifactory_provider.audit import Survey
from artifactory_provider.audit.survey import list_manifests
from artifactory_provider.promotion.marks import REJECTED
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.verification.combinations import Combination
from artifactory_provider.verification.properties import PropertyCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from artifactory_provider.artifactory.aql import Item
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.verification.check import Check

log = logging.getLogger(__name__)

REVISION, SOURCE = (f"docker.label.org.opencontainers.image.{name}" for name in ("revision", "source"))
_AT_ONCE = 1
"""Repositories: each has two queries under way, and Artifactory bears three of a user, with those of tasks."""
_MANIFESTS_A_SPAN = 2500
"""About 3 MB of an answer; the fewer there are, the more often the end of the next span is asked for."""
_TAGS_ALONE = ({"path": {"$nmatch": "*/sha256:*"}}, {"path": {"$nmatch": "*/sha256-*"}})
"""Without the children of indexes, and without attachments: the board shows neither."""


async def survey(
    client: ArtifactoryClient, pipelines: Sequence[Pipeline]
) -> tuple[dict[str, Survey], dict[str, ArtifactoryError]]:
    """Return what each repository of some pipelines holds of their images, or why that cannot be told.

    :param client: an open client of their server.
    :param pipelines: the pipelines.
    """
    wanted = WantedProperties(pipelines)
    found: dict[str, Survey] = {}
    failed: dict[str, ArtifactoryError] = {}

    async def look(repository: str, images: Patterns) -> None:
        standing = Survey([repository], images)
        try:
            async for span in list_manifests(client, repository, images, a_span=_MANIFESTS_A_SPAN, among=_TAGS_ALONE):
                async for item in in_turns(span):
                    standing.add((wanted.keep(item),))
        except ArtifactoryError as error:
            log.info("What %s holds cannot be told now: %s", repository, error)
            failed[repository] = error
        else:
            found[repository] = standing

    await concurrently(lambda one: look(*one), find_places(pipelines).items(), at_once=_AT_ONCE)
    return found, failed


async def find_rejections(client: ArtifactoryClient) -> Survey:
    """Return what is rejected anywhere on a server: a digest is, wherever the image stands that says so.

    :param client: an open client.
    :raises ArtifactoryError: when that cannot be asked.
    """
    found = Survey()
    for item in await client.find_annotated_items({f"@{REJECTED}": {"$match": "*"}, **any_manifest()}):
        found.note_rejection(item)
    return found


def find_places(pipelines: Iterable[Pipeline]) -> dict[str, Patterns]:
    """Return which images of which repositories are meant by pipelines.

    :param pipelines: the pipelines.
    """
    included: dict[str, dict[str, None]] = {}
    for pipeline in pipelines:
        for stage in pipeline.stages:
            included.setdefault(stage.repository, {}).update(dict.fromkeys(pipeline.images.include))
    return {repository: Patterns(tuple(images)) for repository, images in included.items()}


class WantedProperties:
    """Which properties of manifests tell something of the board: records, marks, revisions, and what checks read.

    :param pipelines: the pipelines whose checks are meant.
    """

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        checks = (check for pipeline in pipelines for stage in pipeline.stages for check in stage.checks)
        read = (name for check in checks for name in _read_by(check))
        self._names = frozenset([REVISION, SOURCE, "docker.manifest.digest", *read])

    def keep(self, item: Item) -> Item:
        """Return a manifest with those alone: ten thousand images have more labels than memory should.

        :param item: the manifest.
        """
        properties = item.properties or {}
        # Records have whatever prefix a task gives them: what has the name of one of their parts stays.
        kept = {
            name: values
            for name, values in properties.items()
            if name in self._names or not name.startswith(("docker.", "build.", "vcs."))
        }
        return replace(item, properties=kept)


def _read_by(check: Check) -> Iterator[str]:
    if isinstance(check, PropertyCheck):
        yield from (name for name in (check.name, check.timestamp, check.author) if name)
    elif isinstance(check, Combination):
        for part in check.checks:
            yield from _read_by(part)
