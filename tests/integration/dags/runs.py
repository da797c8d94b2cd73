"""What became of a run of a DAG."""

from __future__ import annotations

from typing import Any


def states(dag_run: Any) -> dict[str, str]:
    """Return task id → state."""
    return {one.task_id: str(one.state) for one in dag_run.get_task_instances()}


def told(dag_run: Any, key: str) -> list[Any]:
    """Return what the tasks of a run have handed on under a key."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, key=key)
        return [XComModel.deserialize_value(found) for found in session.scalars(query)]


def explain(dag_run: Any) -> str:
    """Return what there is to say of a run that has not ended as it should."""
    return f"{states(dag_run)} {told(dag_run, 'plan_problem')} {told(dag_run, 'report_summary')}"
