"""A hundred past nights, twice, as a backfill runs them: each takes a tag of its own, and again nothing is written."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.pipelines.climbing import DEV, PROD, QA, judge
from tests.integration.promotion.history import History

from artifactory_sandbox.items import Stamp, timestamp
from artifactory_sandbox.names import Place
from artifactory_sandbox.sample_images import make_image
from artifactory_sandbox.seeding import store_image, write_contents

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox

pytestmark = pytest.mark.timeout(600)

IMAGE = "nights/app"
NIGHTS = [datetime.datetime(2025, 1, 1, 2, tzinfo=datetime.UTC) + datetime.timedelta(days=day) for day in range(100)]
TAGS = [f"1.{number}.0" for number in range(len(NIGHTS))]


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


@pytest.fixture
def _backfilled(migrated_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``dag.test`` make runs as a backfill makes them, of the day before their logical dates."""
    from airflow.models import dagrun
    from airflow.utils.types import DagRunType

    create = dagrun.get_or_create_dagrun

    def create_of_a_night(*, session: Any, **arguments: Any) -> Any:
        run, night = create(session=session, **arguments), arguments["logical_date"]
        run.run_type = DagRunType.BACKFILL_JOB
        run.data_interval_start, run.data_interval_end = night - datetime.timedelta(days=1), night
        session.commit()
        return run

    monkeypatch.setattr(dagrun, "get_or_create_dagrun", create_of_a_night)


@pytest.mark.usefixtures("_backfilled")
def test_a_hundred_past_nights_twice_come_to_the_same_and_the_second_time_writes_nothing(
    sandbox: RunningSandbox, dags: dict[str, DAG]
) -> None:
    seed(sandbox)
    in_dev = {tag: sandbox.digest(f"{DEV}/{IMAGE}:{tag}") for tag in TAGS}

    for number, night in enumerate(NIGHTS):
        assert str(dags["nights"].test(logical_date=night).state) == "success"
        assert sandbox.tags(QA, IMAGE) == sorted(TAGS[: number + 1]), "a night takes the newest tag that it had"
    assert {tag: sandbox.digest(f"{QA}/{IMAGE}:{tag}") for tag in TAGS} == in_dev
    in_prod = {tag: sandbox.digest(f"{PROD}/{IMAGE}:{tag}") for tag in (*TAGS, "1")}
    assert in_prod == in_dev | {"1": in_dev[TAGS[-1]]}

    history = History(sandbox)
    for night in NIGHTS:
        assert str(dags["nights"].test(logical_date=night).state) == "success"
    assert history.events() == []
    assert {tag: sandbox.digest(f"{PROD}/{IMAGE}:{tag}") for tag in (*TAGS, "1")} == in_prod


def seed(sandbox: RunningSandbox) -> None:
    """Store one more tag in dev before each night, with the verdicts of both stages."""
    place = Place(DEV, IMAGE)
    for tag, night in zip(TAGS, NIGHTS, strict=True):
        image = make_image(f"{IMAGE}:{tag}")
        pushed = Stamp("seed", timestamp(night - datetime.timedelta(hours=1)))
        write_contents(sandbox.service, image)
        with sandbox.service.database.writing() as tx:
            store_image(tx, sandbox.service, place, tag, image, pushed)
        for stage in ("dev", "qa"):
            judge(sandbox, f"{DEV}/{IMAGE}:{tag}", stage, "passed")
