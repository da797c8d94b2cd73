"""``validate``: all errors of pipeline files and a policy, with file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from tests.integration.cli.conftest import Run


def test_files_without_errors_are_counted(run: Run) -> None:
    ended = run("validate dags/pipelines")
    assert (ended.code, ended.out, ended.err) == (0, "", "Without errors: 2 pipelines.\n")
    assert run("validate dags/pipelines --output json").rows == []


def test_all_errors_are_told_with_file_and_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("image: payments/api\ntag: 1.10\nstage: []\n")
    (tmp_path / "worse.yaml").write_text("image: [\n\x1b")
    policy = tmp_path / "policy"
    policy.write_text("version: 2\nrules: []\n")
    ended = run(f"validate {tmp_path} --policy {policy} --output json")
    assert ended.code == 1
    found = [(row["file"], row["line"], row["field"]) for row in ended.rows]
    bad = str(tmp_path / "bad.yaml")
    assert found[:3] == [(bad, "1", ""), (bad, "2", "tag"), (bad, "3", "stage")]
    assert {file for file, _, _ in found} == {bad, str(tmp_path / "worse.yaml"), str(policy)}
    for output in ("table", "plain"):
        assert run(f"validate {tmp_path} --output {output}").out.replace("\n", "").isprintable()


def test_a_folder_or_policy_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    for line in (f"validate {tmp_path / 'none'}", f"validate --policy {tmp_path / 'none'}"):
        ended = run(line)
        assert ended.code == 1
        assert "none" in ended.err


def test_a_folder_without_a_pipeline_file_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "_defaults.yaml").write_text("owner: platform\n")
    (tmp_path / "promote.yaml.j2").write_text("image: payments/api\n")
    ended = run(f"validate {tmp_path} --output json")
    assert (ended.code, [row["file"] for row in ended.rows]) == (1, [str(tmp_path)])
    assert "No pipeline file is in this folder" in ended.rows[0]["error"]


def test_a_policy_is_checked_with_the_usual_folder_where_that_is_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\nrules: [{target: {repositories: [docker-qa]}, require: [{property: unit.status}]}]\n"
    )
    alone = run(f"validate --policy {policy}")
    assert (alone.code, alone.err) == (0, "Without errors: a policy of 1 rule.\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "bad.yaml").write_text("image: [")
    ended = run(f"validate --policy {policy} --output json")
    assert (ended.code, {row["file"] for row in ended.rows}) == (1, {str(tmp_path / "pipelines" / "bad.yaml")})
