"""``trail``: who promoted what where and when, out of what runs of Airflow and commands have really left."""

from __future__ import annotations

import csv
import datetime
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from tests.integration.cli.conftest import Run

    from artifactory_sandbox.pytest_plugin import RunningSandbox

Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def dag(migrated_database: None) -> DAG:
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir(exist_ok=True)
    bag = DagBag(shutil.copy(Path(__file__).with_name("trail_dags.py"), folder))
    assert bag.import_errors == {}
    return bag.dags["trailed"]


def by_task(rows: list[dict[str, Any]]) -> Rows:
    return {(row["target"].rpartition(":")[2], row["task"]): row for row in rows}


def test_the_trail_of_a_stage_joins_records_with_events_and_says_where_they_differ(
    run: Run, sandbox: RunningSandbox, dag: DAG, image: str, tmp_path: Path
) -> None:
    one, two = (sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image} {tag}") for tag in "12")
    begun = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    assert dag.test(run_conf={"image": image}).state == "success"
    assert run(f"promote docker-dev/{image}:1 docker-qa/{image}:by-hand").code == 0
    # What people do past all rules: a record that claims another source, and a tag that is pushed over.
    sandbox.set_properties(f"docker-qa/{image}:live", {"promotion.source": "docker-dev/other:9"})
    pushed = sandbox.push_image(f"docker-qa/{image}:1", content="a hotfix")

    ended = run(f"trail --repository docker-qa --image {image} --from {begun.isoformat()} --output json")
    assert ended.code == 0
    ended_rows = ended.rows
    rows = by_task(ended_rows)
    assert {place: row["told_by"] for place, row in rows.items()} == {
        ("live", "first"): "both",
        ("live", "second"): "both",
        ("live", "back"): "both",
        ("1", "gone"): "event",
        ("2", "silent"): "record",
        ("by-hand", ""): "record",
    }
    assert [row["time"] for row in ended_rows] == sorted(row["time"] for row in ended_rows)
    assert {row["dag"] for row in rows.values()} == {"trailed", ""}
    assert all(begun <= datetime.datetime.fromisoformat(row["time"]) for row in rows.values())
    # Backups keep the records of what was replaced.
    first, second, back = rows["live", "first"], rows["live", "second"], rows["live", "back"]
    assert (first["digest"], second["digest"], second["replaced"]) == (one, two, one)
    assert (second["disagreement"], back["kind"], back["replaced"]) == ("", "rollback", two)
    assert "came from docker-dev/other:9 says the record" in back["disagreement"]
    gone = rows["1", "gone"]
    assert (gone["verdicts"], gone["remark"]) == (
        "test.status: passed",
        f"The tag shows {pushed} by now, and the record went with what it showed.",
    )
    assert rows["2", "silent"]["dag_run"] == gone["dag_run"]
    assert rows["by-hand", ""]["by"].endswith(" from the command line")
    assert ended.err == (
        "6 promotions: 3 told by records and events, 2 by records alone, 1 by events alone; of 1, they contradict each "
        "other.\n"
    )

    file = tmp_path / "trail.csv"
    ended = run(f"trail --repository docker-qa --image {image} --csv {file}")
    assert f"All is in {file}" in ended.err
    with file.open(encoding="utf-8") as opened:
        written = list(csv.DictReader(opened))
    assert [(row["target"], row["digest"], row["told_by"]) for row in written] == [
        (row["target"], row["digest"], row["told_by"]) for row in ended_rows
    ]


def test_an_audit_at_a_terminal_knows_what_tasks_have_told(
    run: Run, sandbox: RunningSandbox, dag: DAG, image: str
) -> None:
    for tag in "12":
        sandbox.push_image(f"docker-dev/{image}:{tag}", content=f"{image} {tag}")
    assert dag.test(run_conf={"image": image}).state == "success"
    sandbox.push_image(f"docker-qa/{image}:1", content="a hotfix")
    ended = run(f"audit --repository docker-qa --image {image} --output json")
    assert ended.code == 3
    [finding] = ended.rows
    assert finding["finding"].startswith(f"unexplained:docker-qa/{image}:1@")
    assert "of the DAG trailed has promoted sha256:" in finding["what"]


def test_a_time_that_was_over_before_has_nothing(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    assert run(f"promote docker-dev/{image}:1 docker-qa").code == 0
    assert run(f"trail --repository docker-qa --image {image} --before 2026-01-01 --output json").rows == []
    assert len(run(f"trail --repository docker-qa --image {image} --output json").rows) == 1


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("--repository docker-qa --from soon", 2, "--from is a moment such as '2026-11-01'"),
        ("--repository docker-qa --from 2026-11-02 --before 2026-11-01", 2, "No moment is from 2026-11-02 on"),
        ("--repository docker-none", 1, "There is no repository 'docker-none'"),
        ("--repository a/b", 2, "is not a repository key"),
    ],
)
def test_what_makes_no_sense_is_told(run: Run, line: str, code: int, said: str) -> None:
    ended = run(f"trail {line}")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
