"""DAGs that pushes and verdicts start, and what tells of pushes without webhooks: a DAG has to stand in a file."""

from __future__ import annotations

import datetime

from airflow.sdk import DAG, get_current_context, task

from artifactory_provider.dags import pushed_dag, watching_dag
from artifactory_provider.pipelines import Pipeline, Stage, Starts
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.tasks.push_schedules import schedule_on_push
from artifactory_provider.tasks.pushes import find_pushed
from artifactory_provider.verification import PropertyCheck


def follow(name: str, repository: str, starts: Starts) -> DAG:
    stages = (
        Stage(name="first", repository=repository, checks=(PropertyCheck(),)),
        Stage(name="next", repository="docker-qa"),
    )
    pipeline = Pipeline(name=name, images=Patterns(("team/*",)), stages=stages, tag="newest", starts=starts)
    with DAG(name, schedule=schedule_on_push(pipeline), catchup=False) as dag:

        @task
        def find() -> str:
            """Return what has started this run."""
            return str(find_pushed(get_current_context()))

        find()
    return dag


def promote(name: str, repository: str, starts: Starts) -> DAG | None:
    stages = (
        Stage(name="dev", repository=repository, checks=(PropertyCheck(),)),
        Stage(name="qa", repository="docker-qa", checks=(PropertyCheck(name="qa.test.status"),)),
        Stage(name="prod", repository="docker-prod"),
    )
    return pushed_dag(
        Pipeline(
            name=name,
            images=Patterns((f"{name}/*",)),
            stages=stages,
            mode="fleet",
            starts=starts,
            poke_interval=datetime.timedelta(seconds=2),
        )
    )


by_webhook = follow("by_webhook", "docker-dev", Starts(on_push="webhook"))
by_verdict = follow("by_verdict", "docker-dev", Starts(on_verdict=True))
by_watcher = follow("by_watcher", "docker-watched", Starts(on_push="watcher"))
watch = watching_dag("docker-watched", artifactory_conn_id="artifactory_default", poke_interval=1)
shop = promote("shop", "docker-dev", Starts(on_push="webhook"))
store = promote("store", "docker-watched", Starts(on_push="watcher"))
