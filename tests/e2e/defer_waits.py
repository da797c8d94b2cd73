"""Leave the mapped sensors of a run as their workers and the scheduler would: deferred, each with its trigger.

A program of its own, since it writes to the database of another Airflow than that of the tests:
``python -m tests.e2e.defer_waits RUN_ID``, with a JSON list of the digests on standard input.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.timezone import utcnow
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select
from tests.e2e.distributed_dags import POKE_INTERVAL, name_wait

from artifactory_provider.sensors.verification import ArtifactoryVerificationSensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Waiting(ArtifactoryVerificationSensor):
    """A sensor whose first look has found no verdict yet."""

    def poke(self, context: Any) -> PokeReturnValue:
        return PokeReturnValue(is_done=False)


def deferral(number: int, digest: str) -> TaskDeferred:
    """Return what a worker tells of a task that begins to wait."""
    sensor = Waiting(
        task_id="verify",
        repository="docker-dev",
        image=name_wait(number)["image"],
        tag=name_wait(number)["tag"],
        digest=digest,
        poke_interval=POKE_INTERVAL,
    )
    try:
        sensor.execute({})
    except TaskDeferred as deferred:
        return deferred
    raise AssertionError("The sensor did not wait.")


def main(run_id: str, digests: Sequence[str]) -> None:
    """Defer all task instances of a run of ``many_waits``, as the execution API does when a worker asks for it.

    :param run_id: the run.
    :param digests: the digest that each waits for, in the order of their map indexes.
    """
    deferrals = [deferral(number, digest) for number, digest in enumerate(digests)]
    triggers = [Trigger.from_object(one.trigger) for one in deferrals]
    with create_session() as session:
        session.add_all(triggers)
        session.flush()
        query = select(TaskInstance).where(TaskInstance.dag_id == "many_waits", TaskInstance.run_id == run_id)
        for ti in session.scalars(query):
            told = deferrals[ti.map_index]
            ti.state, ti.try_number, ti.trigger_id = TaskInstanceState.DEFERRED, 1, triggers[ti.map_index].id
            ti.next_method, ti.next_kwargs = told.method_name, told.kwargs or {}
            ti.trigger_timeout = utcnow() + told.timeout


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
