"""Events on assets, and which of them are meant: values that know no Airflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence


class AssetEvent(NamedTuple):
    """An event on an asset, as Airflow has it.

    :param id: its number; of two at the same moment the later one has the higher.
    :param uri: the asset's URI.
    :param timestamp: when it was emitted.
    :param extra: what was emitted with it; anybody may have emitted anything.
    :param dag_id: the DAG whose task emitted it, if one did.
    :param run_id: its run.
    :param task_id: its task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :param started: how its run was started: ``manual``, ``scheduled``, ``backfill``, …
    :param user: who started its run, where somebody did and the asking user may know.
    :param left_out: how many more events of the same run are left out; of the last one that is not.
    """

    id: int
    uri: str
    timestamp: datetime.datetime
    extra: Mapping[str, Any]
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int
    started: str | None
    user: str | None
    left_out: int

    @classmethod
    def read(cls, event: Any, uri: str, started: Any, user: str | None, *, left_out: int = 0) -> AssetEvent:
        """Return an event that Airflow's database has.

        :param event: the event, as Airflow's models have it.
        :param uri: its asset's URI.
        :param started: how its run was started.
        :param user: who started its run, where the asking user may know.
        :param left_out: how many more events of the same run are left out.
        """
        return cls(
            id=event.id,
            uri=uri,
            timestamp=event.timestamp,
            extra=event.extra if isinstance(event.extra, dict) else {},
            dag_id=event.source_dag_id,
            run_id=event.source_run_id,
            task_id=event.source_task_id,
            map_index=-1 if event.source_map_index is None else event.source_map_index,
            started=started and str(getattr(started, "value", started)),
            user=user,
            left_out=left_out,
        )


@dataclass(frozen=True, kw_only=True)
class EventQuery:
    """Which asset events are meant: those that meet all conditions.

    :param uri_start: what the assets' URIs start with.
    :param words: texts, each of which stands, in any case, in the URI, in what was emitted, in the DAG's or run's name,
        or in the name of who started the run.
    :param emitted: a text that was emitted.
    :param dag_id: the DAG; None for any.
    :param run_id: its run; None for any.
    :param since: not before this moment; None for all.
    :param until: before this moment; None for all.
    :param older_than: moment and number of an event that they are older than, where a page ended; None for all.
    :param limit: how many at most.
    :param most_of_a_run: how many of one run at most; None for all.
    :param newest: how many of Airflow's newest events are looked at, where neither a DAG, a run nor a time is given.
    """

    uri_start: str
    words: Sequence[str] = ()
    emitted: str = ""
    dag_id: str | None = None
    run_id: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    older_than: tuple[datetime.datetime, int] | None = None
    limit: int = 100
    most_of_a_run: int | None = None
    newest: int = 20_000

    @property
    def is_narrow(self) -> bool:
        """Whether a DAG, a run or a time is given: then all of Airflow's events are looked at."""
        return any(one is not None for one in (self.dag_id, self.run_id, self.since, self.until))
