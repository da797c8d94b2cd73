"""A pipeline dev → qa → prod as an Airflow DAG, of the images below a folder that is called as this file is."""

from __future__ import annotations

import datetime
from pathlib import Path

from artifactory_provider.dags import promotion_dag
from artifactory_provider.pipelines import Pipeline, Stage
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.verification import PropertyCheck

NAME = Path(__file__).stem
MODE, _, _ = NAME.partition("_")

dag = promotion_dag(
    Pipeline(
        name=NAME,
        images=Patterns((f"{NAME}/*",)),
        mode="chain" if MODE == "chain" else "fleet",
        stages=(
            Stage(name="dev", repository="docker-dev", checks=(PropertyCheck(name="test.status"),)),
            Stage(name="qa", repository="docker-qa", checks=(PropertyCheck(name="qa.test.status"),)),
            Stage(name="prod", repository="docker-prod"),
        ),
        poke_interval=datetime.timedelta(seconds=5),
    )
)
