"""What the tests of metrics share: Airflow's metrics, switched on as its configuration does it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.conftest import SANDBOX
from tests.integration.tasks.receivers import OtlpReceiver, StatsdReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox


@pytest.fixture(scope="module")
def sandbox(artifactory_sandbox_factory: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox without what others have promoted: their modules run the same DAG."""
    return artifactory_sandbox_factory(SANDBOX)


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None]) -> None:
    connect()


def start_metrics() -> None:
    """Do what every process of Airflow does when it starts."""
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Configure Airflow's metrics, and start them: ``metrics(statsd_on=True)``."""
    with pytest.MonkeyPatch.context() as patch:

        def configure(**options: object) -> None:
            for name, value in options.items():
                patch.setenv(f"AIRFLOW__METRICS__{name.upper()}", str(value))
            start_metrics()

        yield configure
    start_metrics()


@pytest.fixture
def statsd(metrics: Callable[..., None]) -> Iterator[StatsdReceiver]:
    """A StatsD server that takes tags as InfluxDB's and Prometheus's exporters have them, and Airflow that tells it."""
    with StatsdReceiver.running() as receiver:
        metrics(statsd_on=True, statsd_host="127.0.0.1", statsd_port=receiver.port, statsd_influxdb_enabled=True)
        yield receiver


@pytest.fixture
def otlp(metrics: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    """An OpenTelemetry collector, and Airflow that tells it."""
    with OtlpReceiver.running() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.port}")
        metrics(otel_on=True)
        yield receiver
        receiver.end()


@pytest.fixture(scope="module")
def dags(migrated_database: None) -> dict[str, DAG]:
    """The DAGs of ``metric_dags.py``, in Airflow's own folder."""
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    bag = DagBag(shutil.copy(Path(__file__).with_name("metric_dags.py"), folder))
    assert bag.import_errors == {}
    return bag.dags
