"""The tasks that runs are named after in records: listed once, then what is new."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
from uuid import UUID

from artifactory_provider.web.trail.airflow_internals import list_makers, show_maker

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from artifactory_provider.audit import Maker

_KEPT = 250_000
_LATE = 10 * 60 * 1000
"""Milliseconds after which a task instance is certainly seen by others: its number is older than its transaction."""
_RANDOM_BITS = 80
"""What of a task instance's number, a UUID of version 7, comes after its moment in milliseconds."""


class KnownMakers:
    """The tasks behind records, for pages that people look at again and again.

    A name is a hash, which no database can look for: the newest task instances are read once, whatever name is asked
    for, and from then on those that are newer. A name that none of them has is known for good, too: a task is there
    before what it promotes.
    """

    def __init__(self) -> None:
        self._known: dict[str, Maker | None] = {}
        self._newest: UUID | None = None
        self._lock = Lock()

    def find(
        self, session: Session, runs: Collection[str], *, readable_dags: Collection[str], may_read_runs: bool
    ) -> dict[str, Maker | None]:
        """Return the tasks as ``find_makers`` does: run → task, or None for one of a DAG that the user may not read.

        :param session: a session of Airflow's database.
        :param runs: the names.
        :param readable_dags: the DAGs that the user may read.
        :param may_read_runs: whether the user may know who started a run.
        :raises AirflowLacks: where Airflow has changed.
        """
        with self._lock:
            if any(run not in self._known for run in runs):
                self._read_on(session)
            known = {run: self._known.setdefault(run, None) for run in runs}
            for run in list(self._known)[: max(0, len(self._known) - _KEPT)]:
                del self._known[run]
        return {
            run: show_maker(maker, readable_dags, may_read_runs=may_read_runs)
            for run, maker in known.items()
            if maker is not None
        }

    def _read_on(self, session: Session) -> None:
        newer = list_makers(session, after=_begin_again(self._newest) if self._newest else None)
        self._known |= {name: maker for _, name, maker in newer}
        if newer:
            self._newest = max(newer[-1][0], self._newest or newer[-1][0])


def _begin_again(newest: UUID) -> UUID:
    """Return the number that is older than all that may have been written since."""
    return UUID(int=max(0, (newest.int >> _RANDOM_BITS) - _LATE) << _RANDOM_BITS)
