from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from demo.__main__ import WHAT_TO_TRY

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

PROJECT = Path(__file__).parents[2]

READ_WITHOUT_NETWORK = """
import socket, sys

def refuse(*arguments, **keywords):
    raise AssertionError("a DAG file opened a connection while it was read")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
import runpy
runpy.run_path(sys.argv[1])
"""


def test_every_dag_file_is_read_without_errors(dag_bag: DagBag) -> None:
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == {
        "audit_drift",
        "hold_or_reject",
        "promote_nightly",
        "promote_pushed",
        "promote_pushed_on_push",
        "promote_on_demand",
        "retag_backfill",
        "retention",
        "rollback",
        "service_catalog_check",
        "stop_the_line",
    }


def test_every_dag_survives_serialization(dag_bag: DagBag) -> None:
    for dag in dag_bag.dags.values():
        document = DagSerialization.serialize_dag(dag)
        assert DagSerialization.deserialize_dag(document).task_ids == dag.task_ids


@pytest.mark.parametrize("file", sorted((PROJECT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_no_dag_file_opens_a_connection_while_it_is_read(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_WITHOUT_NETWORK, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", sorted((PROJECT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_no_dag_file_loads_the_http_libraries_while_it_is_read(file: Path) -> None:
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); print(sorted({'aiohttp', 'requests'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_dag_says_what_it_is_for_under_a_name_for_people_and_whose_it_is(dag_bag: DagBag) -> None:
    for dag in dag_bag.dags.values():
        assert dag.doc_md
        assert dag.tags
        assert dag.dag_display_name != dag.dag_id
        owner = "storefront" if dag.dag_id.startswith("promote_pushed") else "platform"
        assert {task.owner for task in dag.tasks} == {owner}


def test_the_demo_calls_the_dags_as_airflow_shows_them(dag_bag: DagBag) -> None:
    for dag in dag_bag.dags.values():
        assert f"'{dag.dag_display_name.partition(':')[0]}' ({dag.dag_id})" in " ".join(WHAT_TO_TRY.split())
