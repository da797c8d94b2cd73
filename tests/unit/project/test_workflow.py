"""The forge's CI is valid, does what .ci/run does, may do little, and runs nothing that can be moved."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILE = ROOT / ".github" / "workflows" / "ci.yml"
TEXT = FILE.read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]


def check(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (FILE, "vendor.github-workflows"),
        (FILE, "custom.github-workflows-require-timeout"),
        (ROOT / ".github" / "dependabot.yml", "vendor.dependabot"),
    ],
)
def test_the_files_for_the_forge_are_valid_by_their_schemas(path: Path, schema: str) -> None:
    done = check(path, schema)
    assert done.returncode == 0, done.stdout


def test_a_workflow_that_is_not_valid_is_found(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text(TEXT.replace("runs-on:", "run-on:"), encoding="utf-8")
    assert check(tmp_path / "ci.yml", "vendor.github-workflows").returncode == 1


def test_the_workflow_runs_what_a_change_must_pass() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    must = re.findall(r"^make .+", script, re.MULTILINE)
    assert [step["run"] for step in JOBS["test"]["steps"] if "run" in step] == ["make install", *must]
    assert [step["run"] for step in JOBS["release"]["steps"] if "run" in step] == ["make install", "make release-check"]


@pytest.mark.parametrize("job", JOBS)
def test_what_is_installed_is_for_the_python_that_was_asked_for(job: str) -> None:
    """Else the installation takes the first Python that it finds, and every job of the matrix tests the same one."""
    [install] = [step for step in JOBS[job]["steps"] if step.get("run") == "make install"]
    [python] = [step for step in JOBS[job]["steps"] if step.get("uses", "").startswith("actions/setup-python@")]
    assert install["env"] == {"PYTHON": f"${{{{ steps.{python['id']}.outputs.python-path }}}}"}


def test_the_workflow_may_only_read_and_keeps_no_credentials() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS.values())
    assert "secrets." not in TEXT
    assert "pull_request_target" not in TEXT
    checkouts = [
        step for job in JOBS.values() for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert len(checkouts) == len(JOBS)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_action_is_pinned_to_a_commit_beside_its_version() -> None:
    lines = [line.strip().removeprefix("- ") for line in TEXT.splitlines() if "uses:" in line]
    assert lines
    pinned = re.compile(r"uses: actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in lines if not pinned.fullmatch(line)] == []
    versions = {tuple(line.split("@")) for line in lines}
    assert len({action for action, _ in versions}) == len(versions), "one action in two versions"


def test_no_text_of_a_pull_request_becomes_a_command() -> None:
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert [command for command in commands if "${{" in command] == []
