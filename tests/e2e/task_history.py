"""All that ever happened to the states of tasks: not a watcher that may blink, but a trigger in Airflow's database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

_STATEMENTS = (
    """CREATE TABLE state_history (
        id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        dag_id text, run_id text, task_id text, map_index int, try_number int, before text, after text)""",
    """CREATE FUNCTION note_state() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO state_history (dag_id, run_id, task_id, map_index, try_number, before, after)
        VALUES (NEW.dag_id, NEW.run_id, NEW.task_id, NEW.map_index, NEW.try_number, OLD.state, NEW.state);
        RETURN NULL; END $$""",
    """CREATE TRIGGER note_state AFTER UPDATE ON task_instance FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION note_state()""",
)


@dataclass(frozen=True)
class Change:
    """A task instance came from one state to another; no state is the one before it is scheduled."""

    run_id: str
    map_index: int
    try_number: int
    before: str | None
    after: str | None


class TaskHistory:
    """What happened to the states of all task instances since this was made.

    :param engine: Airflow's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            for statement in _STATEMENTS:
                connection.execute(text(statement))

    def changes(self, dag_id: str, task_id: str) -> list[Change]:
        """Return what happened to the instances of a task, in order."""
        query = """SELECT run_id, map_index, try_number, before, after FROM state_history
            WHERE dag_id = :dag_id AND task_id = :task_id ORDER BY id"""
        with self._engine.connect() as connection:
            return [Change(*row) for row in connection.execute(text(query), {"dag_id": dag_id, "task_id": task_id})]

    def counts(self, dag_id: str, task_id: str, before: str, after: str) -> Counter[tuple[str, int]]:
        """Return how often each instance came from one state to another, by its run and map index."""
        return Counter(
            (one.run_id, one.map_index)
            for one in self.changes(dag_id, task_id)
            if (one.before, one.after) == (before, after)
        )
