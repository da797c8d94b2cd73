"""``audit`` and ``accept``: what was found, as rows, CSV and an exit code, until somebody accepts it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Run

    from artifactory_sandbox.pytest_plugin import RunningSandbox


def test_what_is_found_ends_with_3_until_a_person_accepts_it(
    run: Run, sandbox: RunningSandbox, image: str, tmp_path: Path
) -> None:
    digest = sandbox.push_image(f"docker-qa/{image}:1")
    line = f"audit --repository docker-qa --image {image} --output json"
    ended = run(line, "--csv", str(tmp_path / "drift.csv"))
    assert ended.code == 3
    [row] = ended.rows
    assert row["finding"] == f"unexplained:docker-qa/{image}:1@{digest[7:19]}"
    assert (row["severity"], row["by"], row["digest"]) == ("high", "admin", digest)
    assert "1 open finding among 1 tags of docker-qa; 0 accepted." in ended.err
    with (tmp_path / "drift.csv").open() as file:
        assert [one["finding"] for one in csv.DictReader(file)] == [row["finding"]]

    accepted = run(
        f"accept {row['finding']} --until 2099-01-01 --output json", "--reason", "=by hand\x1b[2J in the outage"
    )
    assert accepted.code == 2
    accepted = run(f"accept {row['finding']} --until 2099-01-01 --output json", "--reason", "by hand in the outage")
    assert accepted.code == 0
    ended = run(line)
    assert (ended.code, ended.rows) == (0, [])
    [row] = run(f"{line} --accepted").rows
    assert row["accepted_reason"] == "by hand in the outage"
    assert row["accepted_by"].endswith("from the command line")


@pytest.mark.parametrize(
    "line",
    [
        "accept docker-qa/app:1 --reason x --until 2099-01-01",
        "accept unexplained:docker-qa/app:1@abababababab --reason x --until 2020-01-01",
        "accept unexplained:docker-qa/app:1@abababababab --reason ' ' --until 2099-01-01",
    ],
)
def test_what_makes_no_sense_is_not_accepted(run: Run, line: str) -> None:
    assert run(line).code == 2
    from airflow.models.variable import Variable

    assert Variable.get("artifactory_accepted_findings", default_var=None) is None


def test_a_repository_that_is_not_there_is_an_error_and_no_clean_bill(run: Run) -> None:
    ended = run("audit --repository docker-prd")
    assert ended.code == 1
    assert "docker-prd" in ended.err


def test_what_others_have_written_steers_no_terminal(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-qa/{image}:1")
    sandbox.set_properties(f"docker-qa/{image}:1", {"promotion.rejected": "\x1b[2J\x1b]0;evil\x07"})
    for output in ("table", "plain"):
        ended = run(f"audit --repository docker-qa --image {image} --output {output}")
        assert ended.code == 3
        assert "\x1b" not in ended.out + ended.err
