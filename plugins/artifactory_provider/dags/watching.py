"""The DAG of a watcher: what was pushed to a repository becomes an event for each tag, as webhooks make it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, get_current_context, task

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.tasks.pushes import CHANGES, describe_asset, describe_pushes, key_of_push, pushes_asset
from artifactory_provider.tasks.retries import RETRY_POLICY
from artifactory_provider.triggers.pushes import ArtifactoryPushTrigger

_TAGS_A_TASK = 50
"""All events of a task leave it in one request."""
_KNOWN = 2000


def watching_dag(repository: str, *, artifactory_conn_id: str, poke_interval: float = 30.0) -> DAG:
    """Return the DAG that makes a run of each tag that is pushed to a repository, without webhooks.

    It is ``watch_<repository>``. A repository has one, however many pipelines begin there.

    :param repository: the repository key.
    :param artifactory_conn_id: the Airflow connection.
    :param poke_interval: seconds between two looks; those with the same look together.
    :raises InvalidReference: when the repository key is malformed.
    """
    name, uri = describe_asset(CHANGES, repository)
    trigger = ArtifactoryPushTrigger(
        repository=repository, artifactory_conn_id=artifactory_conn_id, poke_interval=poke_interval
    )
    changes = Asset(name=name, uri=uri, watchers=[AssetWatcher(name=f"watch_{repository}", trigger=trigger)])
    pushes = pushes_asset(repository)
    with DAG(
        f"watch_{repository}",
        dag_display_name=f"Watch {repository}",
        description=f"Tells of each tag that is pushed to {repository}.",
        schedule=[changes],
        catchup=False,
        max_active_runs=1,  # the next one knows what this one has told
        default_args={"retries": 3, "retry_policy": RETRY_POLICY},
        tags=["artifactory", "watcher"],
    ) as dag:

        @task(inlets=[pushes])
        def find_new() -> list[list[str]]:
            """Return the tags that nobody was told of yet, some for each task."""
            context = get_current_context()
            told = {event.partition_key for event in context["inlet_events"][pushes].ascending(False).limit(_KNOWN)}
            new = [image for image in _find_pushed(context) if key_of_push(image) not in told]
            return [[str(one) for one in new[at : at + _TAGS_A_TASK]] for at in range(0, len(new), _TAGS_A_TASK)]

        @task(outlets=[pushes], map_index_template="{{ images[0] }} …")
        def tell(images: list[str]) -> None:
            """Tell of each of them by an event of its own."""
            context = get_current_context()
            context["images"] = images
            references = [ImageReference.parse(image) for image in images]
            event = context["outlet_events"][pushes]
            event.extra = describe_pushes(references)
            event.add_partitions([key_of_push(one) for one in references])

        tell.expand(images=find_new())
    return dag


def _find_pushed(context: Any) -> list[ImageReference]:
    """Return what the watcher has found since the last run, each once."""
    found: dict[str, ImageReference] = {}
    for events in (context["triggering_asset_events"] or {}).values():
        for event in events:
            for image in event.extra.get("payload", {}).get("pushed", ()):
                found.setdefault(image, ImageReference.parse(image))
    return list(found.values())
