"""What OpenLineage is told of images: datasets of which the namespace is the server, the name ``repository/image``.

Only OpenLineage's provider asks for it, so this module is imported where that is installed, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attr
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated.base import RunFacet
from openlineage.client.generated.column_lineage_dataset import ColumnLineageDatasetFacet, Fields, InputField
from openlineage.client.generated.data_quality_assertions_dataset import Assertion, DataQualityAssertionsDatasetFacet
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet

from artifactory_provider.tasks.assets import SCHEME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.references import ImageReference

MOST_IMAGES = 100
"""The datasets that an event has on either side, at most: some servers refuse events of a megabyte."""
_COLUMN = "manifest"


@attr.define
class ImagesRunFacet(RunFacet):
    """How many images a run was about, and how many of them its event does not name.

    :param tags: how many tags.
    :param images: how many images they are of.
    :param imagesLeftOut: of how many images the event has no dataset.
    """

    tags: int
    images: int
    imagesLeftOut: int  # noqa: N815 - facets are written so


def describe_lineage(
    base_url: str,
    *,
    promoted: Sequence[tuple[ImageReference, ImageReference]] = (),
    verified: Sequence[tuple[ImageReference, Mapping[str, bool]]] = (),
) -> OperatorLineage[Any, Any]:
    """Return what an event tells: where images came from and what they became, or which were looked at.

    A dataset's version is the digest, where the event is about one digest of the image alone. Of more than a hundred
    images, the first hundred are told; the run facet ``artifactory_images`` counts the others.

    :param base_url: the server's URL.
    :param promoted: what was promoted, and what it became, each with its digest.
    :param verified: what was verified, with its digest where it is known, and which checks it has passed.
    """
    namespace = f"{SCHEME}://{urlsplit(base_url).netloc}"
    passages: dict[tuple[str, str], list[tuple[ImageReference, ImageReference]]] = {}
    for source, target in promoted:
        passages.setdefault((_name(source), _name(target)), []).append((source, target))
    looks: dict[str, list[tuple[ImageReference, Mapping[str, bool]]]] = {}
    for image, checks in verified:
        looks.setdefault(_name(image), []).append((image, checks))
    inputs: dict[str, InputDataset] = {}
    outputs: dict[str, OutputDataset] = {}
    for (source_name, target_name), pairs in list(passages.items())[:MOST_IMAGES]:
        read = inputs.setdefault(source_name, InputDataset(namespace, source_name))
        written = outputs.setdefault(target_name, OutputDataset(namespace, target_name))
        read.facets = {**(read.facets or {}), **_version(source for source, _ in pairs)}
        written.facets = {**(written.facets or {}), **_version(target for _, target in pairs)}
        if len(passages) > 1:
            # Of many images in one event, each output comes of its own input alone.
            written.facets |= _origin(written, namespace, source_name)
    for name, seen in list(looks.items())[:MOST_IMAGES]:
        facets = _assertions(seen)
        inputs[name] = InputDataset(namespace, name, facets=_version(one for one, _ in seen), inputFacets=facets)
    images = len(passages) + len(looks)
    counts = ImagesRunFacet(len(promoted) + len(verified), images, max(images - MOST_IMAGES, 0))
    return OperatorLineage(
        inputs=list(inputs.values()), outputs=list(outputs.values()), run_facets={"artifactory_images": counts}
    )


def _name(image: ImageReference) -> str:
    return f"{image.repository}/{image.image}"


def _version(images: Any) -> dict[str, Any]:
    digests = {image.digest for image in images}
    [digest] = digests if len(digests) == 1 else [None]
    return {"version": DatasetVersionDatasetFacet(datasetVersion=digest)} if digest else {}


def _origin(written: OutputDataset, namespace: str, source: str) -> dict[str, Any]:
    known = (written.facets or {}).get("columnLineage")
    fields = known.fields[_COLUMN].inputFields if isinstance(known, ColumnLineageDatasetFacet) else []
    origin = Fields(inputFields=[*fields, InputField(namespace, source, _COLUMN)])
    return {"columnLineage": ColumnLineageDatasetFacet(fields={_COLUMN: origin})}


def _assertions(seen: Sequence[tuple[ImageReference, Mapping[str, bool]]]) -> dict[str, Any]:
    """Return the verdicts on an image as assertions: with many tags, one is met where all have met it."""
    met: dict[str, bool] = {}
    for _, checks in seen:
        for check, passed in checks.items():
            met[check] = met.get(check, True) and passed
    if not met:
        return {}
    assertions = [Assertion(assertion=check, success=passed) for check, passed in met.items()]
    return {"dataQualityAssertions": DataQualityAssertionsDatasetFacet(assertions=assertions)}
