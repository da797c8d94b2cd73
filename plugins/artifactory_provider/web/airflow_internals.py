"""All that the pages take from inside Airflow, which promises to keep none of it.

Each name is looked for where it is needed. One that an Airflow lacks costs the pages that need it: they answer 503 and
say what is missing. It never costs the API server's start, and what guards a page never falls away.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from fastapi import Depends
from sqlalchemy import select
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterator, Mapping, Sequence

SUPPORTED, TESTED = "3.3", "3.3.2"
"""The Airflow that this package is made for, and the release that its tests run on."""


class AirflowLacks(Exception):
    """This Airflow lacks something that a page needs.

    :param error: what came of looking for it.
    """

    def __init__(self, error: Exception) -> None:
        from airflow import __version__

        missing = str(error).partition(" (/")[0]  # what follows is a path of this server
        super().__init__(
            f"This page cannot be shown: Airflow {__version__} lacks what it needs ({missing}). It is made for Airflow "
            f"{SUPPORTED} and tested with {TESTED}. Promotions do not need it, and go on."
        )


@contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except (AttributeError, ImportError) as error:
        raise AirflowLacks(error) from error


def _dependency(find: Callable[[], Callable[..., Any]], *, scope: Literal["function"] | None = None) -> Any:
    """Return a dependency of Airflow's, or one that refuses every request where Airflow has it no longer.

    :param find: returns it.
    :param scope: ``function`` ends what it yields before the answer is sent.
    """
    try:
        found = find()
    except (AttributeError, ImportError, TypeError) as error:
        lacks = AirflowLacks(error)

        def refuse() -> None:
            raise lacks

        return Depends(refuse)
    return Depends(found, scope=scope)


def _find_login() -> Callable[..., Any]:
    from airflow.api_fastapi.core_api.security import get_user

    return get_user


def _find_asset_access() -> Callable[..., Any]:
    from airflow.api_fastapi.core_api.security import requires_access_asset

    return requires_access_asset(method="GET")


def _find_xcom_access() -> Callable[..., Any]:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag

    return requires_access_dag(method="GET", access_entity=DagAccessEntity.XCOM)


def _find_session() -> Callable[..., Any]:
    from airflow.utils.session import create_session

    def session() -> Iterator[Session]:
        with create_session(scoped=False) as opened:
            yield opened

    return session


def _find_event_filter() -> Callable[..., Any]:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.core_api.security import PermittedAssetEventFilter

    def event_filter(user: UserDep) -> Any:
        return PermittedAssetEventFilter(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))

    return event_filter


REQUIRES_LOGIN = _dependency(_find_login)
REQUIRES_ASSET_ACCESS = _dependency(_find_asset_access)
REQUIRES_XCOM_ACCESS = _dependency(_find_xcom_access)

UserDep: TypeAlias = Annotated[Any, REQUIRES_LOGIN]
"""Who is logged in."""

SessionDep: TypeAlias = Annotated[Session, _dependency(_find_session, scope="function")]
"""A session of Airflow's database; pages only read."""

EventFilterDep: TypeAlias = Annotated[Any, _dependency(_find_event_filter)]
"""What leaves only asset events that the user may see, as Airflow's own list of them does."""


def airflow_url() -> str:
    """Return the URL under which people reach Airflow, as it is configured, without a slash at its end.

    :raises AirflowLacks: where Airflow has changed.
    """
    with _needed():
        from airflow.sdk import conf

        return (conf.get("api", "base_url", fallback=None) or "").rstrip("/")


def find_run_state(session: Session, *, dag_id: str, run_id: str) -> str | None:
    """Return the state of a DAG run, or None where there is no such run.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :raises AirflowLacks: where Airflow has changed.
    """
    with _needed():
        from airflow.models.dagrun import DagRun

        query = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        run = session.scalar(query)
        return None if run is None else str(run.state)


def read_xcoms(session: Session, *, dag_id: str, run_id: str, key: str, limit: int) -> list[Any]:
    """Return what tasks of a run have handed on under a key, the oldest first.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :param key: the key.
    :param limit: how many at most.
    :raises AirflowLacks: where Airflow has changed.
    """
    with _needed():
        from airflow.models.xcom import XComModel

        query = (
            select(XComModel)
            .where(XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key == key)
            .order_by(XComModel.timestamp)
            .limit(limit)
        )
        return [XComModel.deserialize_value(entry) for entry in session.scalars(query)]


class AssetEvent(NamedTuple):
    """An event on an asset, as Airflow has it.

    :param uri: the asset's URI.
    :param timestamp: when it was emitted.
    :param extra: what was emitted with it; anybody may have emitted anything.
    :param dag_id: the DAG whose task emitted it, if one did.
    :param run_id: its run.
    :param task_id: its task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    """

    uri: str
    timestamp: datetime.datetime
    extra: Mapping[str, Any]
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int


def list_asset_events(
    session: Session, event_filter: Any, *, uri_start: str, contains: str, limit: int
) -> Sequence[AssetEvent]:
    """Return events on assets, the newest first.

    :param session: a session of Airflow's database.
    :param event_filter: what leaves only those that the user may see, as ``EventFilterDep`` gives it.
    :param uri_start: what the assets' URIs start with.
    :param contains: a text that they hold.
    :param limit: how many at most.
    :raises AirflowLacks: where Airflow has changed.
    """
    with _needed():
        from airflow.models.asset import AssetEvent as Event
        from airflow.models.asset import AssetModel

        query = event_filter.to_orm(
            select(Event, AssetModel.uri)
            .join(AssetModel, AssetModel.id == Event.asset_id)
            .where(
                AssetModel.uri.startswith(uri_start, autoescape=True),
                AssetModel.uri.contains(contains, autoescape=True),
            )
            .order_by(Event.timestamp.desc(), Event.id.desc())
            .limit(limit)
        )
        return [
            AssetEvent(
                uri=uri,
                timestamp=event.timestamp,
                extra=event.extra,
                dag_id=event.source_dag_id,
                run_id=event.source_run_id,
                task_id=event.source_task_id,
                map_index=-1 if event.source_map_index is None else event.source_map_index,
            )
            for event, uri in session.execute(query)
        ]
