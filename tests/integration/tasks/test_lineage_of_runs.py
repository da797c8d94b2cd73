"""What OpenLineage's own provider sends of runs, as its file transport writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.conftest import PASSWORD
from tests.integration.pipelines.climbing import push

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from artifactory_sandbox.pytest_plugin import RunningSandbox

RUN = """
import os
from airflow.dag_processing.dagbag import DagBag

dags = DagBag(os.path.join(os.environ["AIRFLOW_HOME"], "dags", "metric_dags.py")).dags
dags["counted"].test()
dags["counted_fleet"].test(run_conf={"images": ["counted-fleet/d", "counted-fleet/e"]})
"""


@pytest.fixture(scope="module")
def told(
    sandbox: RunningSandbox, dags: dict[str, DAG], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Run the DAGs where OpenLineage's provider is configured; return what the tasks have told when they ended."""
    for tag in ("1", "2"):
        for image in ("one", "whole", "request", "many"):
            sandbox.push_image(f"docker-dev/counted/{image}:{tag}", content=f"{image} {tag}")
        sandbox.set_properties(f"docker-dev/counted/one:{tag}", {"test.status": "passed"})
    for image in ("d", "e"):
        push(sandbox, f"counted-fleet/{image}:1.0", dev="passed", qa="passed")
    written = tmp_path_factory.mktemp("lineage") / "events.jsonl"
    connection = {"conn_type": "artifactory", "host": f"http://{sandbox.registry}/artifactory"}
    environment = {
        **os.environ,
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(written), "append": True}),
        "AIRFLOW_CONN_ARTIFACTORY_DEFAULT": json.dumps({**connection, "login": "admin", "password": PASSWORD}),
    }
    subprocess.run([sys.executable, "-c", RUN], env=environment, check=True, capture_output=True)
    events = [json.loads(line) for line in written.read_text().splitlines()]
    return {
        event["job"]["name"].partition(".")[2]: event for event in events if event["eventType"] in {"COMPLETE", "FAIL"}
    }


def names(event: dict[str, Any], side: str) -> list[str]:
    return [dataset["name"] for dataset in event[side]]


def test_single_bulk_whole_images_and_sensors_tell_what_they_have_read_and_written(
    sandbox: RunningSandbox, told: dict[str, dict[str, Any]]
) -> None:
    [verified] = told["verify"]["inputs"]
    assert verified["name"] == "docker-dev/counted/one"
    assert verified["facets"]["version"]["datasetVersion"] == sandbox.digest("docker-dev/counted/one:2")
    assert verified["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] is True
    assert names(told["verify_many"], "inputs") == ["docker-dev/counted/one"]
    for task, image in (("one", "one"), ("whole", "whole"), ("request", "request"), ("many", "many")):
        assert names(told[task], "inputs") == [f"docker-dev/counted/{image}"]
        assert names(told[task], "outputs") == [f"docker-qa/counted/{image}"]
    assert told["many"]["eventType"] == "FAIL"
    assert told["many"]["run"]["facets"]["artifactory_images"]["tags"] == 2


def test_a_fleet_tells_where_each_image_has_come_from_and_to(told: dict[str, dict[str, Any]]) -> None:
    origins = {
        one["name"]: one["facets"]["columnLineage"]["fields"]["manifest"]["inputFields"][0]["name"]
        for one in told["climb_to_prod"]["outputs"]
    }
    assert origins == {f"docker-prod/counted-fleet/{image}": f"docker-dev/counted-fleet/{image}" for image in "de"}
