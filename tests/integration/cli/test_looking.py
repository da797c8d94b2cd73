"""``status``, ``verify`` and ``diff``: they look, and change nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sqlalchemy.exc

from artifactory_provider.tasks.variables import write_variable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Run

    from artifactory_sandbox.pytest_plugin import RunningSandbox

STAGES = """
stages:
  - {name: dev, repository: docker-dev, checks: [{property: unit.status}]}
  - {name: qa, repository: docker-qa}
"""


@pytest.fixture
def folder(tmp_path: Path, image: str) -> Path:
    (tmp_path / "mine.yaml").write_text(f"image: {image}{STAGES}")
    return tmp_path


def test_status_shows_what_stands_in_each_stage_of_the_images_pipeline(
    run: Run, sandbox: RunningSandbox, image: str, folder: Path
) -> None:
    digests = {tag: sandbox.push_image(f"docker-dev/{image}:{tag}") for tag in ("1.0", "1.10")}
    ended = run(f"status {image} --folder {folder} --output json")
    assert ended.code == 0
    assert {(row["stage"], row["tag"], row["digest"]) for row in ended.rows} == {
        ("dev", "1.0", digests["1.0"]),
        ("dev", "1.10", digests["1.10"]),
        ("qa", None, None),
    }
    table = run(f"status {image}:1.10 --folder {folder} --output plain")
    assert [line.split()[:4] for line in table.out.splitlines()[1:2]] == [
        ["dev", "docker-dev", "1.10", digests["1.10"].removeprefix("sha256:")[:12]]
    ]


def test_a_pipelines_own_connection_is_asked_unless_another_is_named(run: Run, image: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"image: {image}\nconnection: another_one{STAGES}")
    for line in (f"status {image}", f"verify docker-dev/{image}:1.0"):
        ended = run(f"{line} --folder {tmp_path}")
        assert ended.code == 1
        assert ended.err.startswith(
            "The conn_id `another_one` isn't defined. Name another one with --conn-id, or add it"
        )
    assert run(f"status {image} --folder {tmp_path} --conn-id artifactory_default").code == 0


def test_status_says_how_many_tags_it_does_not_show(run: Run, sandbox: RunningSandbox, image: str) -> None:
    for number in range(12):
        sandbox.push_image(f"docker-dev/{image}:{number}")
    ended = run(f"status {image} --repository docker-dev --output json")
    assert (len(ended.rows), ended.err) == (10, "2 older tags are not shown: --limit 0 shows all.\n")
    assert len(run(f"status {image} --repository docker-dev --output json --limit 0").rows) == 12


@pytest.mark.parametrize(
    "line", ["status {image} --repository", "diff docker-dev", "promote {other}/{image} docker-qa #"]
)
def test_a_repository_that_is_not_there_is_no_empty_one(
    run: Run, sandbox: RunningSandbox, image: str, line: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    for other, said in (("docker-dve", "There is no repository 'docker-dve'"), ("docker-virtual", "is a virtual")):
        ended = run(f"{line.format(image=image, other=other)} {other}".partition(" #")[0])
        assert (ended.code, ended.out) == (1, "")
        assert said in ended.err


def test_an_image_of_no_pipeline_or_of_two_is_told(run: Run, image: str, folder: Path) -> None:
    ended = run(f"status other --folder {folder}")
    assert ended.code == 2
    assert "No pipeline in" in ended.err
    (folder / "twin.yaml").write_text(f"image: {image}{STAGES.replace('docker-qa', 'docker-prod')}")
    ended = run(f"status {image} --folder {folder}")
    assert ended.code == 2
    assert "mine, twin are for" in ended.err
    assert run(f"status {image} --folder {folder} --pipeline twin").code == 0
    ended = run(f"status {image} --folder {folder} --pipeline none")
    assert ended.code == 2
    assert "There is no pipeline 'none'" in ended.err


@pytest.mark.parametrize(
    ("status", "code", "state"), [("passed", 0, "PASSED"), ("", 4, "PENDING"), ("failed", 3, "FAILED")]
)
def test_verify_asks_the_checks_of_the_stage_and_tells_their_verdict(
    run: Run, sandbox: RunningSandbox, image: str, folder: Path, status: str, code: int, state: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    if status:
        sandbox.set_properties(f"docker-dev/{image}:1.0", {"unit.status": status})
    for asked in (f"--folder {folder}", "--property unit.status"):
        ended = run(f"verify docker-dev/{image}:1.0 {asked} --output json")
        assert (ended.code, [row["state"].upper() for row in ended.rows]) == (code, [state])
        assert "unit.status" in ended.rows[0]["reason"]


def test_verify_asks_what_the_policy_wants_of_a_target(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    rule = {"target": {"repositories": ["docker-qa"]}, "require": [{"property": "qa.status"}]}
    write_variable("artifactory_policy", json.dumps({"version": 1, "rules": [rule]}), description="")
    ended = run(f"verify docker-dev/{image}:1.0 --to docker-qa --property unit.status=good --output json")
    assert (ended.code, len(ended.rows)) == (4, 2)
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"qa.status": "passed", "unit.status": "good"})
    assert run(f"verify docker-dev/{image}:1.0 --to docker-qa --property unit.status=good").code == 0


def test_verify_without_a_question_is_no_pass(run: Run, sandbox: RunningSandbox, image: str, folder: Path) -> None:
    sandbox.push_image(f"docker-qa/{image}:1.0")
    ended = run(f"verify docker-qa/{image}:1.0 --folder {folder}")
    assert ended.code == 2
    assert "Nothing is asked of" in ended.err
    assert run(f"verify docker-qa/{image}:1.0 --property ''").code == 2
    ended = run(f"verify docker-qa/{image}:2.0 --property unit.status")
    assert ended.code == 1
    assert "There is no" in ended.err


def test_a_hostile_property_stays_text(run: Run, sandbox: RunningSandbox, image: str) -> None:
    sandbox.push_image(f"docker-dev/{image}:1.0")
    sandbox.set_properties(f"docker-dev/{image}:1.0", {"unit.status": "\x1b]0;owned\x07[red]\u202e"})
    for output in ("table", "plain", "json", "yaml"):
        ended = run(f"verify docker-dev/{image}:1.0 --property unit.status --output {output}")
        assert "[red]" in ended.out
        assert ended.out.replace("\n", "").isprintable()
        assert ended.err.replace("\n", "").isprintable()


def test_diff_shows_the_tags_that_differ_and_no_others(run: Run, sandbox: RunningSandbox, image: str) -> None:
    same = sandbox.push_image(f"docker-dev/{image}:1.0", content=f"{image} is the same")
    assert sandbox.push_image(f"docker-qa/{image}:1.0", content=f"{image} is the same") == same
    new = sandbox.push_image(f"docker-dev/{image}:1.1")
    here, there = sandbox.push_image(f"docker-dev/{image}:edge"), sandbox.push_image(f"docker-qa/{image}:edge")
    old = sandbox.push_image(f"docker-qa/{image}:0.9")
    ended = run(f"diff docker-dev docker-qa --image {image} --output json")
    assert (ended.code, ended.err) == (0, "3 of 4 tags differ.\n")
    assert [tuple(row.values())[1:] for row in ended.rows] == [
        ("0.9", None, old, "only in docker-qa"),
        ("1.1", new, None, "only in docker-dev"),
        ("edge", here, there, "differs"),
    ]
    assert run("diff docker-dev docker-dev").code == 2


def test_a_pipeline_file_that_is_broken_is_told_where_no_pipeline_is_found(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text("image: [")
    ended = run(f"status app --folder {tmp_path}")
    assert ended.code == 2
    assert ended.err.startswith(
        f"No pipeline in {tmp_path} is for app: name a --pipeline, or its repositories. app.yaml"
    )


def test_a_database_that_does_not_answer_is_told_where_a_connection_is_not_found(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow import settings

    def refuse() -> None:
        raise sqlalchemy.exc.OperationalError("select", {}, Exception("server closed the connection"))

    with monkeypatch.context() as broken:
        broken.setattr(settings, "Session", refuse)
        ended = run("status app --repository docker-dev --conn-id another_one")
    assert (ended.code, ended.out) == (1, "")
    assert "Airflow's database could not be asked for it (OperationalError)" in ended.err
