"""All that the trail takes from inside Airflow: events of promotions, and the tasks behind records.

(Read of Airflow 3.3.2.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from artifactory_provider.audit.trail import Maker
from artifactory_provider.promotion.tags import name_run
from artifactory_provider.tasks.assets import SCHEME, as_event, removals_asset
from artifactory_provider.web.airflow_internals import needed
from artifactory_provider.web.events import AssetEvent
from artifactory_provider.web.history import read_told_promotions

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterator
    from uuid import UUID

    from sqlalchemy.orm import Session

    from artifactory_provider.audit.event_log import Event
    from artifactory_provider.audit.trail import Period, ToldPromotion

MOST_EVENTS = 100_000
_EVENTS_A_QUERY = 1000
_MOST_TASKS = 500_000
_MOST_LISTED = 200_000
_LONGEST_TASK = 7
"""Days after a promotion that its task ends within, and emits its event."""


class TooManyEvents(Exception):
    """There are more events in the time that is asked for than are read at once."""

    def __init__(self) -> None:
        super().__init__(
            f"Airflow has more than {MOST_EVENTS:,} events of promotions for that time and repository: ask for a "
            "shorter time."
        )


class AnybodysEvents:
    """Leaves all asset events, for who may read Airflow's database itself."""

    def to_orm(self, query: Any) -> Any:
        """Return the query as it is."""
        return query


def read_promotions(
    session: Session, event_filter: Any, repository: str, period: Period, *, may_read_runs: bool
) -> Iterator[ToldPromotion]:
    """Yield what events tell of promotions into a repository, page by page, the oldest first.

    :param session: a session of Airflow's database.
    :param event_filter: what leaves only those that the user may see, as ``EventFilterDep`` gives it.
    :param repository: the repository key.
    :param period: when the promotions were made; their tasks may have ended a week after it.
    :param may_read_runs: whether the user may know who started a run.
    :raises TooManyEvents: when there are very many.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.asset import AssetEvent as Event
        from airflow.models.asset import AssetModel
        from airflow.models.dagrun import DagRun

        query = (
            select(Event, AssetModel.uri, DagRun.run_type, DagRun.triggering_user_name)
            .join(AssetModel, AssetModel.id == Event.asset_id)
            .outerjoin(DagRun, and_(DagRun.dag_id == Event.source_dag_id, DagRun.run_id == Event.source_run_id))
            .where(AssetModel.uri.startswith(f"{SCHEME}://{repository}/", autoescape=True))
            .order_by(Event.id)
            .limit(_EVENTS_A_QUERY)
        )
        if period.start is not None:
            query = query.where(Event.timestamp >= period.start)
        if period.end is not None:
            query = query.where(Event.timestamp < _add_days(period.end, _LONGEST_TASK))
        query = event_filter.to_orm(query)
        last = found = 0
        while rows := session.execute(query.where(Event.id > last)).all():
            found += len(rows)
            if found > MOST_EVENTS:
                raise TooManyEvents
            for event, uri, started, user in rows:
                yield from read_told_promotions(AssetEvent.read(event, uri, started, user if may_read_runs else None))
            last = rows[-1][0].id
            session.expunge_all()  # What was read of thousands of events is not kept.


def read_events(session: Session, repository: str, *, after: datetime.datetime) -> Iterator[Event]:
    """Yield what tasks have told of a repository: of promotions into it, and of what was taken out on purpose.

    :param session: a session of Airflow's database, of somebody who may read all of it.
    :param repository: the repository key.
    :param after: how far back, with a time zone.
    :raises TooManyEvents: when there are very many.
    :raises AirflowLacks: where Airflow has changed.
    """
    with needed():
        from airflow.models.asset import AssetEvent as Event
        from airflow.models.asset import AssetModel

        uri = AssetModel.uri
        of_images = uri.startswith(f"{SCHEME}://{repository}/", autoescape=True)
        query = (
            select(Event)
            .join(AssetModel, AssetModel.id == Event.asset_id)
            .where(or_(of_images, uri == removals_asset(repository).uri), Event.timestamp >= after)
            .order_by(Event.id)
            .limit(MOST_EVENTS + 1)
        )
        for number, told in enumerate(session.scalars(query)):
            if number == MOST_EVENTS:
                raise TooManyEvents
            if event := as_event(told):
                yield event


def find_makers(
    session: Session, runs: Collection[str], *, readable_dags: Collection[str] | None, may_read_runs: bool
) -> dict[str, Maker | None]:
    """Return the task instances that runs are named after in records: run → task.

    A name is a hash of DAG, run, task and index: those of the newest task instances are made anew, and compared.

    :param session: a session of Airflow's database.
    :param runs: the names.
    :param readable_dags: the DAGs that the user may read, a task of another is None; None for all.
    :param may_read_runs: whether the user may know who started a run.
    :raises AirflowLacks: where Airflow has changed.
    """
    wanted, makers = set(runs), dict[str, Maker | None]()
    if not wanted:
        return makers
    for _, run, maker in _go_through_tasks(session, after=None, most=_MOST_TASKS):
        if run in wanted:
            makers[run] = show_maker(maker, readable_dags, may_read_runs=may_read_runs)
            if len(makers) == len(wanted):
                break
    return makers


def show_maker(maker: Maker, readable_dags: Collection[str] | None, *, may_read_runs: bool) -> Maker | None:
    """Return what a user may know of a task; None where that is nothing.

    :param maker: the task.
    :param readable_dags: the DAGs that the user may read; None for all.
    :param may_read_runs: whether the user may know who started a run.
    """
    if readable_dags is not None and maker.dag_id not in readable_dags:
        return None
    return maker if may_read_runs else maker._replace(user="")


def list_makers(session: Session, *, after: UUID | None) -> list[tuple[UUID, str, Maker]]:
    """Return the newest task instances that may have promoted, the oldest first: number, name in records, task.

    :param session: a session of Airflow's database.
    :param after: the number that theirs come after; None for all.
    :raises AirflowLacks: where Airflow has changed.
    """
    return list(_go_through_tasks(session, after=after, most=_MOST_LISTED))[::-1]


def _go_through_tasks(session: Session, *, after: UUID | None, most: int) -> Iterator[tuple[UUID, str, Maker]]:
    """Yield task instances that may have promoted, the newest first: number, name in records, task.

    Numbers grow with the time at which a task instance was made or begins anew, and are the key of their table.
    """
    with needed():
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance as Ti

        place = (Ti.dag_id, Ti.run_id, Ti.task_id, Ti.map_index)
        query = (
            select(Ti.id, *place, DagRun.run_type, DagRun.triggering_user_name)
            .join(DagRun, and_(DagRun.dag_id == Ti.dag_id, DagRun.run_id == Ti.run_id))
            .where(Ti.operator.startswith("Artifactory"))
            .order_by(Ti.id.desc())
            .limit(most)
            .execution_options(yield_per=_EVENTS_A_QUERY)
        )
        if after is not None:
            query = query.where(Ti.id > after)
        same = dict[str, str]()
        for number, dag_id, run_id, task_id, index, started, user in session.execute(query):
            # Many tasks are of one DAG and run: their names are kept once.
            dag, run, task, kind, who = (
                same.setdefault(text, text) for text in (dag_id, run_id, task_id, _name(started), user or "")
            )
            yield number, name_run(dag_id, run_id, task_id, index), Maker(dag, run, task, index, kind, who)


def _name(kind: Any) -> str:
    return str(getattr(kind, "value", kind) or "")


def _add_days(moment: datetime.datetime, days: int) -> datetime.datetime:
    import datetime

    try:
        return moment + datetime.timedelta(days=days)
    except OverflowError:
        return moment
