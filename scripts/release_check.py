"""Check what would be released: the files in dist/, and an Airflow that has them installed and knows no checkout.

`make release-check` builds them anew and then runs this.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.distributions import (
    DISTRIBUTIONS,
    PROVIDER,
    ROOT,
    SANDBOX,
    find_faults_of_files,
    find_faults_of_version,
    modules_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# What decides how pip and uv reach their index comes along; what else is in the environment does not.
_PASSED_ON = ("PIP_", "UV_", "SSL_", "XDG_", "http", "HTTP", "no_proxy", "NO_PROXY", "LANG")
_IMPORT_ALL = """
import importlib, json, sys
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
print(json.dumps(failed))
"""


class Installation:
    """A virtual environment with what is locked and the wheels, and an Airflow home of its own.

    :param folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._venv = folder / "venv"
        self._environment = {
            "PATH": f"{self._venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", str(folder)),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **{name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)},
        }

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment, outside the checkout, and return what it prints.

        :raises subprocess.CalledProcessError: when it fails.
        """
        return self._run(str(self._venv / "bin" / program), *arguments)

    def install(self, wheels: Iterable[Path]) -> None:
        """Install what is locked, then the wheels alone, and check that it fits: with uv if it is there, else with pip.

        :param wheels: their absolute paths.
        :raises subprocess.CalledProcessError: when something cannot be installed, or does not fit.
        """
        python = str(self._venv / "bin" / "python")
        if uv := shutil.which("uv"):
            self._run(uv, "venv", "--quiet", "--python", sys.executable, str(self._venv))
            pip, to = [uv, "pip"], ["--python", python]
        else:
            self._run(sys.executable, "-m", "venv", str(self._venv))
            pip, to = [python, "-m", "pip"], []
        self._run(*pip, "install", "--quiet", *to, "--require-hashes", "--requirement", str(ROOT / "requirements.txt"))
        self._run(*pip, "install", "--quiet", *to, "--no-deps", *(str(wheel) for wheel in wheels))
        self._run(*pip, "check", *to)

    def _run(self, *command: str) -> str:
        return subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=True
        ).stdout


def find_faults_of_installation(installation: Installation, modules: Sequence[str]) -> Iterator[str]:
    """Yield what an Airflow with the wheels installed does not find.

    :param installation: where they are installed.
    :param modules: the names of all modules that can be imported.
    """
    shown = {(one["package_name"], one["version"]) for one in _ask_airflow(installation, "providers", "list")}
    if (PROVIDER.name, str(PROVIDER.version)) not in shown:
        yield f"'airflow providers list' does not show {PROVIDER.name} {PROVIDER.version}."
    hooks = {one["connection_type"]: one["class"] for one in _ask_airflow(installation, "providers", "hooks")}
    if hooks.get("artifactory") != "artifactory_provider.hooks.artifactory.ArtifactoryHook":
        yield "'airflow providers hooks' does not show the connection type artifactory."
    if "artifactory" not in {one["name"] for one in _ask_airflow(installation, "plugins")}:
        yield "'airflow plugins' does not show the plugin artifactory."
    if installation.run("artifactory-sandbox", "--version").split() != [SANDBOX.name, str(SANDBOX.version)]:
        yield f"'artifactory-sandbox --version' does not say {SANDBOX.version}."
    failed = json.loads(installation.run("python", "-c", _IMPORT_ALL, *modules).splitlines()[-1])
    yield from (f"{name} cannot be imported: {error}" for name, error in failed.items())


def _ask_airflow(installation: Installation, *command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(installation.run("airflow", *command, "--output", "json"))
    return found


def find_uncommitted(root: Path) -> Iterator[str]:
    """Yield what a checkout has that no commit has: a release that holds it could not be built again.

    :param root: the root of the checkout.
    """
    git = ["git", "status", "--porcelain", "--untracked-files=all"]
    done = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True)
    yield from (f"{line[3:]} is not committed." for line in done.stdout.splitlines())


def find_faults(dist: Path) -> Iterator[str]:
    """Yield all that keeps the files in a folder from being released, and say how long each part took.

    :param dist: the folder with both wheels and both source distributions, and nothing else.
    """
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {what}", flush=True)

    yield from find_faults_of_version(PROVIDER.version, sandbox=SANDBOX.version, changelog=changelog)
    if not PROVIDER.version.is_devrelease:
        yield from find_uncommitted(ROOT)
    faults = list(find_faults_of_files(dist))
    say(f"Read the files of {' and '.join(f'{one.name} {one.version}' for one in DISTRIBUTIONS)}.")
    yield from faults
    if faults:
        return
    wheels = [(dist / one.wheel).absolute() for one in DISTRIBUTIONS]
    modules = [name for wheel in wheels for name in modules_of(wheel)]
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder))
        installation.install(wheels)
        say("Installed what is locked and both wheels; all of it fits.")
        yield from find_faults_of_installation(installation, modules)
        say(f"Asked Airflow for the provider, its connection type and its plugin; imported {len(modules)} modules.")


def main() -> int:
    """Print what is wrong, and return 1 if anything is."""
    parser = argparse.ArgumentParser(description="Check what would be released.")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="folder of the files")
    arguments = parser.parse_args()
    try:
        faults = list(find_faults(arguments.dist))
    except subprocess.CalledProcessError as error:
        faults = [f"{' '.join(error.cmd)[:300]} failed:\n{error.stdout}{error.stderr}"]
    for fault in faults:
        print(fault, file=sys.stderr)
    print("Not fit for a release." if faults else "Fit for a release.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
