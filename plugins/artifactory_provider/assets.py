"""Every repository/image pair is an asset: ``artifactory://<repository>/<image>``.

An event on it is one promotion into the repository; its extra is the promotion's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias

from artifactory_provider.artifactory.references import check_image, check_repository

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SCHEME = "artifactory"


def image_asset(repository: str, image: str) -> Asset:
    """Return the asset of an image in a repository.

    :param repository: the repository key.
    :param image: the image name.
    :raises InvalidReference: when one of them is malformed.
    """
    return Asset(f"{SCHEME}://{check_repository(repository)}/{check_image(image)}")


def repository_alias(repository: str) -> AssetAlias:
    """Return the alias that stands for every image promoted into a repository.

    A DAG scheduled on it runs whatever image was promoted there.

    :param repository: the repository key.
    """
    return AssetAlias(f"{SCHEME}://{check_repository(repository)}")


def check_uri(parts: SplitResult) -> SplitResult:
    """Check the URI of such an asset, for Airflow's asset registry.

    :param parts: the URI, split.
    :raises InvalidReference: when it does not name a repository and an image.
    """
    check_repository(parts.netloc)
    check_image(parts.path.removeprefix("/"))
    return parts
