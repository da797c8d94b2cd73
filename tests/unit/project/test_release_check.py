"""The checks of an installation find what Airflow does not show; `make release-check` asks a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.distributions import PROVIDER, SANDBOX
from scripts.release_check import Installation, find_faults_of_installation, find_uncommitted

SHOWN: dict[str, list[dict[str, str]]] = {
    "providers list": [{"package_name": PROVIDER.name, "version": str(PROVIDER.version)}],
    "providers hooks": [
        {"connection_type": "artifactory", "class": "artifactory_provider.hooks.artifactory.ArtifactoryHook"}
    ],
    "plugins": [{"name": "artifactory"}],
}
PROGRAM = """\
#!{python}
import os, sys
answers = {answers!r}
assert os.getcwd() == {folder!r} and "PYTHONPATH" not in os.environ
print(answers[" ".join(sys.argv[1:]).removesuffix(" --output json")])
"""


def install_programs(folder: Path, *, shown: dict[str, Any], sandbox: str) -> Installation:
    """Lay out an environment whose programs answer as they are told, and whose Python is this one."""
    programs = folder / "venv" / "bin"
    programs.mkdir(parents=True)
    answers = {
        "airflow": {command: json.dumps(found) for command, found in shown.items()},
        "artifactory-sandbox": {"--version": f"artifactory-sandbox {sandbox}"},
    }
    for name, said in answers.items():
        text = PROGRAM.format(python=sys.executable, answers=said, folder=str(folder))
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (programs / "python").chmod(0o755)
    return Installation(folder)


def test_an_installation_that_shows_everything_is_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    installation = install_programs(tmp_path, shown=SHOWN, sandbox=str(SANDBOX.version))
    assert list(find_faults_of_installation(installation, ["json", "artifactory_provider.provider_info"])) == []


@pytest.mark.parametrize(
    ("command", "found", "word"),
    [
        ("providers list", [], "'airflow providers list' does not show airflow-provider-artifactory"),
        ("providers list", [{"package_name": PROVIDER.name, "version": "0.0.1"}], "'airflow providers list'"),
        ("providers hooks", [], "'airflow providers hooks' does not show the connection type artifactory"),
        ("providers hooks", [{"connection_type": "artifactory", "class": "Other"}], "'airflow providers hooks'"),
        ("plugins", [{"name": "other"}], "'airflow plugins' does not show the plugin artifactory"),
    ],
)
def test_what_airflow_does_not_show_is_found(tmp_path: Path, command: str, found: list[Any], word: str) -> None:
    installation = install_programs(tmp_path, shown={**SHOWN, command: found}, sandbox=str(SANDBOX.version))
    [fault] = find_faults_of_installation(installation, [])
    assert word in fault


def test_a_module_that_cannot_be_imported_is_found_with_its_reason(tmp_path: Path) -> None:
    installation = install_programs(tmp_path, shown=SHOWN, sandbox=str(SANDBOX.version))
    [fault] = find_faults_of_installation(installation, ["json", "artifactory_provider.no_such_module"])
    assert fault.startswith("artifactory_provider.no_such_module cannot be imported: ModuleNotFoundError")


def test_what_is_not_committed_is_found(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert list(find_uncommitted(tmp_path)) == []
    (tmp_path / ".gitignore").write_text("dist\n", encoding="utf-8")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "built").touch()
    (tmp_path / "new.py").touch()
    assert list(find_uncommitted(tmp_path)) == [".gitignore is not committed.", "new.py is not committed."]


def test_a_sandbox_of_another_version_is_found(tmp_path: Path) -> None:
    [fault] = find_faults_of_installation(install_programs(tmp_path, shown=SHOWN, sandbox="0.0.1"), [])
    assert f"does not say {SANDBOX.version}" in fault
