"""The tasks that runs are named after in records, looked up once: what a name stands for never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.web.trail.airflow_internals import find_makers

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from artifactory_provider.audit import Maker

_KEPT = 50_000


class KnownMakers:
    """The tasks behind records, for pages that people look at again and again.

    A name that no task has is known for good, too: a task is there before what it promotes.
    """

    def __init__(self) -> None:
        self._known: dict[str, Maker | None] = {}

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
        known = {run: self._known[run] for run in runs if run in self._known}
        if missing := [run for run in runs if run not in known]:
            found = find_makers(session, missing, readable_dags=None, may_read_runs=True)
            known |= {run: found.get(run) for run in missing}
            self._known = dict(list({**self._known, **known}.items())[-_KEPT:])
        return {
            run: _show(maker, readable_dags, may_read_runs=may_read_runs)
            for run, maker in known.items()
            if maker is not None
        }


def _show(maker: Maker, readable_dags: Collection[str], *, may_read_runs: bool) -> Maker | None:
    if maker.dag_id not in readable_dags:
        return None
    return maker if may_read_runs else maker._replace(user="")
