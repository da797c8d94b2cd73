"""All that the pages take from inside Airflow, which promises to keep none of it.

Each name is looked for where it is needed. One that an Airflow lacks costs the pages that need it: they answer 503 and
say what is missing. It never costs the API server's start, and what guards a page never falls away.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from fastapi import Depends
from sqlalchemy import Text, and_, cast, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from artifactory_provider.web.events import AssetEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Select, Subquery

    from artifactory_provider.web.events import EventQuery

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
def needed() -> Iterator[None]:
    """Say of an Airflow that lacks what is looked for within that it does.

    :raises AirflowLacks: where Airflow has changed.
    """
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


def _find_reading(entity: Literal["RUN", "TASK_INSTANCE"]) -> Callable[[], Callable[..., Any]]:
    def find() -> Callable[..., Any]:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

        meant = DagAccessEntity[entity]

        def may_read(user: UserDep) -> bool:
            return bool(get_auth_manager().is_authorized_dag(method="GET", access_entity=meant, user=user))

        return may_read

    return find


def _find_dag_reading() -> Callable[..., Any]:
    from airflow.api_fastapi.app import get_auth_manager

    def readable_dags(user: UserDep) -> frozenset[str]:
        return frozenset(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))

    return readable_dags


REQUIRES_LOGIN = _dependency(_find_login)
REQUIRES_ASSET_ACCESS = _dependency(_find_asset_access)
REQUIRES_XCOM_ACCESS = _dependency(_find_xcom_access)

UserDep: TypeAlias = Annotated[Any, REQUIRES_LOGIN]
"""Who is logged in."""

SessionDep: TypeAlias = Annotated[Session, _dependency(_find_session, scope="function")]
"""A session of Airflow's database; pages only read."""

EventFilterDep: TypeAlias = Annotated[Any, _dependency(_find_event_filter)]
"""What leaves only asset events that the user may see, as Airflow's own list of them does."""

MayReadRunsDep: TypeAlias = Annotated[bool, _dependency(_find_reading("RUN"))]
"""Whether the user may know of the runs of the DAGs that they may read, and so who started them."""

MayReadQuestionsDep: TypeAlias = Annotated[bool, _dependency(_find_reading("HITL_DETAIL"))]
"""Whether the user may know what tasks of the DAGs that they may read ask people, and whom."""

MayReadTasksDep: TypeAlias = Annotated[bool, _dependency(_find_reading("TASK_INSTANCE"))]
"""Whether the user may know of the tasks of these runs."""

ReadableDagsDep: TypeAlias = Annotated[frozenset[str], _dependency(_find_dag_reading)]
"""The ids of the DAGs that the user may read."""


def may_trigger(user: Any, dag_id: str) -> bool:
    """Return whether a user may start runs of a DAG.

    :param user: who is logged in.
    :param dag_id: the DAG.
    :raises AirflowLacks: where Airflow has changed.
    """
    return may(user, "POST", dag_id, "RUN") and may(user, "GET", dag_id, "RUN")


def may(user: Any, method: Literal["GET", "POST", "PUT"], dag_id: str, entity: str) -> bool:
    """Return whether a user may do something to a part of a DAG.

    :param user: who is logged in.
    :param method: ``GET`` to read, ``POST`` to make, ``PUT`` to change.
    :param dag_id: the DAG.
    :param entity: the part, as ``DagAccessEntity`` calls it: ``RUN``, ``TASK_INSTANCE``, ``HITL_DETAIL``.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
        from airflow.models.dag import DagModel

        details, meant = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)), DagAccessEntity[entity]
        return bool(
            get_auth_manager().is_authorized_dag(method=method, access_entity=meant, details=details, user=user)
        )


def find_dags_folder() -> str:
    """Return the folder of the DAGs, as Airflow is set up."""
    from airflow.configuration import conf

    return str(conf.get_mandatory_value("core", "dags_folder"))


class Run(NamedTuple):
    """A DAG run.

    :param state: its state.
    :param conf: what it was triggered with.
    """

    state: str
    conf: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in {"success", "failed"}


def find_run(session: Session, *, dag_id: str, run_id: str) -> Run | None:
    """Return a DAG run, or None where there is no such run.

    :param session: a session of Airflow's database.
    :param dag_id: the DAG.
    :param run_id: its run.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.dagrun import DagRun

        query = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        run = session.scalar(query)
        if run is None:
            return None
        return Run(state=str(run.state), conf=run.conf if isinstance(run.conf, dict) else {})


def list_asset_events(
    session: Session, event_filter: Any, wanted: EventQuery, *, may_read_runs: bool
) -> list[AssetEvent]:
    """Return events on assets, the newest first.

    :param session: a session of Airflow's database.
    :param event_filter: what leaves only those that the user may see, as ``EventFilterDep`` gives it.
    :param wanted: which are meant.
    :param may_read_runs: whether the user may know who started a run.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.asset import AssetEvent as Event
        from airflow.models.asset import AssetModel
        from airflow.models.dagrun import DagRun

        found = _find_events(event_filter, wanted, may_read_runs=may_read_runs)
        query = (
            select(Event, AssetModel.uri, DagRun.run_type, DagRun.triggering_user_name, found.c.place, found.c.of_run)
            .join(found, found.c.id == Event.id)
            .join(AssetModel, AssetModel.id == Event.asset_id)
            .outerjoin(DagRun, and_(DagRun.dag_id == Event.source_dag_id, DagRun.run_id == Event.source_run_id))
        )
        most = wanted.most_of_a_run
        if most is not None:
            query = _page(query.where(or_(Event.source_run_id.is_(None), found.c.place <= most)), wanted)
        return [
            AssetEvent.read(
                event,
                uri,
                started,
                user if may_read_runs else None,
                left_out=of_run - place if place == most and event.source_run_id else 0,
            )
            for event, uri, started, user, place, of_run in session.execute(
                query.order_by(Event.timestamp.desc(), Event.id.desc())
            )
        ]


def _page(query: Select[Any], wanted: EventQuery) -> Select[Any]:
    """Return a query of events for one page of them, the newest first."""
    from airflow.models.asset import AssetEvent as Event

    if wanted.older_than:
        moment, number = wanted.older_than
        query = query.where(or_(Event.timestamp < moment, and_(Event.timestamp == moment, Event.id < number)))
    return query.order_by(None).order_by(Event.timestamp.desc(), Event.id.desc()).limit(wanted.limit)


def _find_events(event_filter: Any, wanted: EventQuery, *, may_read_runs: bool) -> Subquery:
    """Return the events that are meant, each with its place in its run, the newest first, and how many that has.

    Where all of a run are meant, nobody asks for these, and the events are those of the page.
    """
    from airflow.models.asset import AssetEvent as Event
    from airflow.models.asset import AssetModel
    from airflow.models.dagrun import DagRun

    extra, latest, run = cast(Event.extra, Text), aliased(Event), [Event.source_dag_id, Event.source_run_id]
    place: ColumnElement[int] = literal(0)
    of_run: ColumnElement[int] = literal(0)
    if wanted.most_of_a_run is not None:
        place = func.row_number().over(partition_by=run, order_by=[Event.timestamp.desc(), Event.id.desc()])
        of_run = func.count().over(partition_by=run)
    texts = [AssetModel.uri, *run, *([DagRun.triggering_user_name] if may_read_runs else [])]
    query = (
        select(Event.id, place.label("place"), of_run.label("of_run"))
        .join(AssetModel, AssetModel.id == Event.asset_id)
        .outerjoin(DagRun, and_(DagRun.dag_id == Event.source_dag_id, DagRun.run_id == Event.source_run_id))
        .where(AssetModel.uri.startswith(wanted.uri_start, autoescape=True))
    )
    if not wanted.is_narrow:
        query = query.where(Event.id > select(func.coalesce(func.max(latest.id), 0) - wanted.newest).scalar_subquery())
    if wanted.emitted:
        query = query.where(extra.contains(wanted.emitted, autoescape=True))
    if wanted.dag_id:
        query = query.where(Event.source_dag_id == wanted.dag_id)
    if wanted.run_id:
        query = query.where(Event.source_run_id == wanted.run_id)
    if wanted.since is not None:
        query = query.where(Event.timestamp >= wanted.since)
    if wanted.until is not None:
        query = query.where(Event.timestamp < wanted.until)
    for word in wanted.words:
        found = [text.icontains(word, autoescape=True) for text in texts]
        as_json = json.dumps(word)[1:-1]
        query = query.where(or_(*found, extra.icontains(as_json, autoescape=True)))
    query = event_filter.to_orm(query)
    return (query if wanted.most_of_a_run is not None else _page(query, wanted)).subquery()


def list_asset_places(session: Session, *, uri_start: str, limit: int = 1000) -> list[str]:
    """Return what stands in the URIs of assets between a start and the next slash: each once, in their order.

    :param session: a session of Airflow's database.
    :param uri_start: what they start with.
    :param limit: how many at most.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.asset import AssetModel

        # SQLite and MySQL call it one name, PostgreSQL another.
        find = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
        rest = func.substr(AssetModel.uri, len(uri_start) + 1, type_=Text)
        place = func.substr(rest, 1, find(rest.concat("/"), "/") - 1, type_=Text)
        query = select(place).where(AssetModel.uri.startswith(uri_start, autoescape=True)).distinct().limit(limit)
        return sorted(session.scalars(query))
