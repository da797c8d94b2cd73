"""Every repository/image pair is an asset: ``artifactory://<repository>/<image>``.

An event on it is one promotion into the repository; its extra is the promotion's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from artifactory_provider.arguments import is_literal, is_mapped
from artifactory_provider.artifactory.references import check_image, check_repository

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.sdk import BaseOperator, Context

    from artifactory_provider.artifactory.references import ImageReference

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


def promotion_outlets(task: BaseOperator, repository: Any, image: Any) -> list[Asset | AssetAlias]:
    """Return the outlets that a task which promotes has besides its own: the asset, or the alias of the repository.

    Where neither is known at parse time, and in mapped instances, the alias comes with the event: Airflow drops events
    on assets that it has not seen in the DAG, and it sees none of a mapped operator's own.

    :param task: the task.
    :param repository: the target repository, as the task was given it.
    :param image: the target image, as the task was given it; the alias stands for one that is known only later.
    """
    if not is_literal(repository) or is_mapped(task):
        return []
    if not is_literal(image):
        alias = repository_alias(repository)
        return [] if alias in task.outlets else [alias]
    asset = image_asset(repository, image)
    # Airflow refuses two names for one URI.
    return [] if asset.uri in {getattr(outlet, "uri", None) for outlet in task.outlets} else [asset]


def emit_promotion(task: BaseOperator, context: Context, target: ImageReference, record: dict[str, Any]) -> None:
    """Emit the event of a promotion on its target's asset.

    :param task: the task that promoted.
    :param context: its context.
    :param target: repository and image that were promoted to.
    :param record: the promotion's record, the event's extra.
    """
    asset = image_asset(target.repository, target.image)
    if not any(isinstance(outlet, AssetAlias) or getattr(outlet, "uri", None) == asset.uri for outlet in task.outlets):
        task.outlets = [*task.outlets, repository_alias(target.repository)]
    for outlet in task.outlets:
        if isinstance(outlet, AssetAlias):
            context["outlet_events"][outlet].add(asset, extra=record)
        elif isinstance(outlet, Asset) and outlet.uri == asset.uri:
            context["outlet_events"][outlet].extra.update(record)
