"""What OpenLineage is told of a promotion, where that provider is installed.

An image in a repository is a dataset: its namespace is the server, its name ``repository/image``, its version the
digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from artifactory_provider.assets import SCHEME

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from artifactory_provider.artifactory.references import ImageReference


Lineage: TypeAlias = "tuple[str, ImageReference, ImageReference, str | None]"
"""The arguments of ``promotion_lineage``."""


def promotion_lineage(
    base_url: str, source: ImageReference, target: ImageReference, digest: str | None
) -> OperatorLineage[Any, Any]:
    """Return where an image came from and what it became.

    :param base_url: the server's URL.
    :param source: what was promoted.
    :param target: what it became.
    :param digest: the version of both; None for all tags of an image.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.generated.base import Dataset
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet

    namespace = f"{SCHEME}://{urlsplit(base_url).netloc}"

    def dataset(reference: ImageReference) -> Dataset:
        facets: dict[str, Any] = {"version": DatasetVersionDatasetFacet(datasetVersion=digest)} if digest else {}
        return Dataset(namespace=namespace, name=f"{reference.repository}/{reference.image}", facets=facets)

    return OperatorLineage(inputs=[dataset(source)], outputs=[dataset(target)])
