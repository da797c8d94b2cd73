"""The Pythons that are claimed are the same everywhere, and what is locked can be installed on each of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
CLASSIFIER = "Programming Language :: Python :: "


def read_project(folder: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def claimed(project: dict[str, Any]) -> list[str]:
    return [one.removeprefix(CLASSIFIER) for one in project["classifiers"] if one.startswith(CLASSIFIER)]


PROJECTS = [read_project("."), read_project("sandbox")]
PYTHONS = claimed(PROJECTS[0])


def locked(name: str, python: str) -> dict[str, Version]:
    """Return what a lock installs on Linux with one Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    found: dict[str, Version] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if not re.match(r"[a-z0-9]", line):
            continue
        entry = Requirement(line.removesuffix("\\"))
        if entry.marker is None or entry.marker.evaluate(environment):
            [pin] = entry.specifier
            assert found.setdefault(canonicalize_name(entry.name), Version(pin.version)) == Version(pin.version)
    return found


def wanted(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-c "))]


def test_both_distributions_claim_the_same_pythons_and_refuse_older_ones() -> None:
    assert claimed(PROJECTS[1]) == PYTHONS
    for project in PROJECTS:
        allowed = SpecifierSet(project["requires-python"])
        assert all(python in allowed for python in PYTHONS)
        assert f"3.{int(PYTHONS[0].partition('.')[2]) - 1}" not in allowed


def test_the_workflow_runs_on_every_python_that_is_claimed() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"] == {"python": PYTHONS}


@pytest.mark.parametrize(
    ("python", "is_taken"),
    [*((python, True) for python in PYTHONS), ("2.7", False), ("3.10", False), ("3.14", False), ("4.0", False)],
)
def test_the_installation_takes_exactly_the_pythons_that_are_claimed(
    tmp_path: Path, python: str, is_taken: bool
) -> None:
    """The script asks whatever is called python for its version, and goes on, or says which ones would do."""
    script = (ROOT / "scripts" / "install.sh").read_text(encoding="utf-8")
    [asked] = re.findall(r"-c 'import sys; (sys\.exit\(.+\))' 2>", script)
    major, minor = map(int, python.split("."))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.version_info = ({major}, {minor}, 0); {asked}"],
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode == 0) is is_taken
    assert all(f" {one}" in script for one in PYTHONS), "what it says names them"


@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_is_needed_is_locked_for_every_python_that_is_claimed(python: str) -> None:
    runtime, development = locked("requirements.txt", python), locked("requirements-dev.txt", python)
    for entry in [*wanted("requirements.in"), *(Requirement(one) for two in PROJECTS for one in two["dependencies"])]:
        assert runtime[canonicalize_name(entry.name)] in entry.specifier, entry
    for entry in wanted("requirements-dev.in"):
        assert (runtime | development)[canonicalize_name(entry.name)] in entry.specifier, entry
    both = runtime.keys() & development.keys()
    assert {name: runtime[name] for name in both} == {name: development[name] for name in both}
