"""What Airflow is told of promotions: each repository/image pair is an asset.

The asset is ``artifactory://<repository>/<image>``; an event on it is promotions into the repository, and its
extra ``{"promotions": [record, …]}`` holds their records, one for each tag.

What an audit finds is an event on an asset of its own, and what others have told of promotions explains what it sees.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from artifactory_provider.artifactory.references import check_image, check_repository
from artifactory_provider.audit.event_log import Event
from artifactory_provider.tasks.arguments import is_literal, is_mapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from urllib.parse import SplitResult

    from airflow.sdk import BaseOperator, Context

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.record import PromotionRecord

SCHEME = "artifactory"
EVENTS_ARE_READ_OF = datetime.timedelta(days=90)
"""How far back audits ask what tasks have told."""
_DRIFT = "x-artifactory-audit://drift"
_REMOVALS = "x-artifactory-removals"
_REMOVALS_AN_EVENT = 500


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


def stage_asset(repository: str) -> Asset:
    """Return the asset of a whole repository, as a stage of pipelines: an event on it is a run that has ended there.

    :param repository: the repository key.
    :raises InvalidReference: when it is malformed.
    """
    key = check_repository(repository)
    return Asset(name=f"stage:{key}", uri=f"x-artifactory-stage://{key}")


def drift_asset() -> Asset:
    """Return the asset of what audits find: an event on it is an audit with findings that nobody has accepted.

    Its extra has ``open`` and ``accepted``, how many there are, ``counts`` by kind, and ``by_repository``.
    """
    return Asset(name="drift", uri=_DRIFT)


def removals_asset(repository: str) -> Asset:
    """Return the asset of what was taken out of a repository on purpose: an event on it names tags.

    Its extra is ``{"removals": [{"target": "repository/image:tag", "digest": …}, …]}``, at most 500 an event.

    :param repository: the repository key.
    :raises InvalidReference: when it is malformed.
    """
    key = check_repository(repository)
    return Asset(name=f"removals:{key}", uri=f"{_REMOVALS}://{key}")


def removals_alias() -> AssetAlias:
    """Return the alias by which a task tells what it has taken out of whichever repositories."""
    return AssetAlias(_REMOVALS)


def drift_alias() -> AssetAlias:
    """Return the alias by which an audit emits an event only where it has found something."""
    return AssetAlias(_DRIFT)


def check_uri(parts: SplitResult) -> SplitResult:
    """Check the URI of such an asset, for Airflow's asset registry.

    :param parts: the URI, split.
    :raises InvalidReference: when it does not name a repository and an image.
    """
    check_repository(parts.netloc)
    check_image(parts.path.removeprefix("/"))
    return parts


def find_outlets(task: BaseOperator, repository: Any, image: Any) -> list[Asset | AssetAlias]:
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


def emit_promotion(
    task: BaseOperator, context: Context, target: ImageReference, records: Sequence[PromotionRecord]
) -> None:
    """Emit the event of an image's promotions on its target's asset: its extra is ``{"promotions": [record, …]}``.

    :param task: the task that promoted.
    :param context: its context.
    :param target: repository and image that were promoted to.
    :param records: the records of what was promoted, of one tag or of many.
    """
    asset = image_asset(target.repository, target.image)
    extra: dict[str, Any] = {"promotions": [record.as_dict() for record in records]}
    if not any(isinstance(outlet, AssetAlias) or getattr(outlet, "uri", None) == asset.uri for outlet in task.outlets):
        task.outlets = [*task.outlets, repository_alias(target.repository)]
    for outlet in task.outlets:
        if isinstance(outlet, AssetAlias):
            context["outlet_events"][outlet].add(asset, extra=extra)
        elif isinstance(outlet, Asset) and outlet.uri == asset.uri:
            context["outlet_events"][outlet].extra.update(extra)


def emit_removals(context: Context, tags: Iterable[ImageReference]) -> None:
    """Emit which tags a task has taken out of their repositories; ``removals_alias`` is an outlet of it.

    :param context: its context.
    :param tags: the tags, each with the digest that it showed.
    """
    removed: dict[str, list[dict[str, str | None]]] = {}
    for tag in tags:
        removed.setdefault(tag.repository, []).append({"target": str(tag.unpinned()), "digest": tag.digest})
    for repository, removals in removed.items():
        for start in range(0, len(removals), _REMOVALS_AN_EVENT):
            extra: dict[str, Any] = {"removals": removals[start : start + _REMOVALS_AN_EVENT]}
            context["outlet_events"][removals_alias()].add(removals_asset(repository), extra=extra)


def emit_drift(context: Context, found: Mapping[str, Any]) -> None:
    """Emit that an audit has findings that nobody has accepted; ``drift_alias`` is an outlet of its task.

    :param context: its context.
    :param found: what the event's extra holds.
    """
    context["outlet_events"][drift_alias()].add(drift_asset(), extra=dict(found))


def read_events(
    context: Context, assets: Iterable[Asset | AssetAlias], *, after: datetime.datetime, limit: int
) -> Iterator[Event]:
    """Yield what tasks have told of promotions: of each asset or alias the latest events, without those made by hand.

    :param context: a task's context.
    :param assets: images, or aliases of repositories.
    :param after: how far back, with a time zone.
    :param limit: how many of each, at most.
    """
    # Airflow makes this of a task's inlets, which are known when a DAG is read; a form's repositories are not.
    accessors: Any = type(context["inlet_events"])
    for asset in assets:
        for told in accessors([asset])[asset].after(after.isoformat()).ascending(False).limit(limit):
            if event := as_event(told):
                yield event


def as_event(told: Any) -> Event | None:
    """Return what a task has told; None for what others have.

    Others than tasks may create events by Airflow's API, with any extra: these tell of no promotion.

    :param told: an asset event, as Airflow gives it to tasks or has it in its database.
    """
    is_of_task = told.source_dag_id and told.source_task_id
    if told.timestamp and is_of_task and isinstance(told.extra, dict) and "from_rest_api" not in told.extra:
        return Event(told.timestamp, f"The run {told.source_run_id} of the DAG {told.source_dag_id}", told.extra)
    return None
