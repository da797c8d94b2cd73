"""A pipeline dev → qa → prod as an Airflow DAG, of which each push starts a run."""

from __future__ import annotations

import datetime

from artifactory_provider.dags import pushed_dag
from artifactory_provider.pipelines import Pipeline, Stage, Starts
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.verification import PropertyCheck

dag = pushed_dag(
    Pipeline(
        name="pushed",
        images=Patterns(("pushed/*",)),
        mode="fleet",
        starts=Starts(on_push="webhook"),
        stages=(
            Stage(name="dev", repository="docker-dev", checks=(PropertyCheck(name="test.status"),)),
            Stage(name="qa", repository="docker-qa", checks=(PropertyCheck(name="qa.test.status"),)),
            Stage(name="prod", repository="docker-prod"),
        ),
        poke_interval=datetime.timedelta(seconds=5),
    )
)
