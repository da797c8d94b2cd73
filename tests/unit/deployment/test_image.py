"""The Dockerfile: our two packages on top of the official image, and nothing of it replaced."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from artifactory_sandbox import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from tests.unit.deployment.conftest import Call, Deployment

    Shell = Callable[[Sequence[str], Mapping[str, str], Sequence[str]], list[Call]]


@pytest.fixture(scope="module")
def instructions(root: Path) -> list[str]:
    """The instructions of the Dockerfile, each in one line."""
    lines = (root / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def install_locked(root: Path) -> ModuleType:
    """The script that installs what the image lacks."""
    spec = importlib.util.spec_from_file_location("install_locked", root / "deploy" / "install_locked.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def lock(root: Path, install_locked: ModuleType) -> dict[str, str]:
    """The entries of the lock, by distribution."""
    entries: dict[str, str] = install_locked.read_lock((root / "requirements.txt").read_text(encoding="utf-8"))
    return entries


def projects(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for directory in (root, root / "sandbox"):
        yield directory, tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))


def copied(instructions: Sequence[str]) -> list[str]:
    sources = []
    for line in instructions:
        if line.startswith(("COPY ", "ADD ")) and "--from=" not in line:
            *words, _ = [word for word in shlex.split(line)[1:] if not word.startswith("--")]
            sources += words
    return sources


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether .dockerignore keeps a path out: the last pattern wins that fits it or a folder above it."""
    above = [*map(str, reversed(PurePosixPath(path).parents[:-1])), path]
    ignored = False
    for pattern in patterns:
        wanted = pattern.lstrip("!")
        tails = [wanted] if not wanted.startswith("**/") else [wanted, wanted[3:]]
        if any(_fits(one, tail) for one in above for tail in tails):
            ignored = not pattern.startswith("!")
    return ignored


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return _fits(PurePosixPath(path).name, pattern[3:])
    names, patterns = path.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


@pytest.fixture(scope="module")
def ignore_patterns(root: Path) -> list[str]:
    """The patterns of .dockerignore."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_everything_that_the_image_copies_is_there_and_reaches_the_build(
    root: Path, instructions: list[str], ignore_patterns: list[str]
) -> None:
    sources = copied(instructions)
    assert len(sources) > 5
    for source in sources:
        assert (root / source).exists(), source
        files = [root / source] if (root / source).is_file() else list((root / source).rglob("*"))
        wanted = [one.relative_to(root).as_posix() for one in files if "__pycache__" not in one.parts]
        assert [one for one in wanted if is_ignored(one, ignore_patterns)] == [], source


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        ".demo/airflow/airflow.db",
        "deploy/make-secrets.sh",
        "docker-compose.yaml",
        "tests/conftest.py",
        "plugins/artifactory_provider/__pycache__/x.cpython-311.pyc",
        "sandbox/artifactory_sandbox/__pycache__/x.cpython-311.pyc",
        "dags/__pycache__/x.cpython-311.pyc",
    ],
)
def test_nothing_else_reaches_the_build(path: str, ignore_patterns: list[str]) -> None:
    assert is_ignored(path, ignore_patterns)


def test_the_build_has_every_file_that_the_wheels_are_made_of(root: Path, instructions: list[str]) -> None:
    sources = copied(instructions)
    for directory, project in projects(root):
        metadata, hatch = project["project"], project["tool"]["hatch"]
        needed = ["pyproject.toml", metadata["readme"], *metadata.get("license-files", []), hatch["version"]["path"]]
        needed += hatch["build"]["targets"]["wheel"]["packages"]
        for file in needed:
            path = (directory / file).relative_to(root)
            assert (root / path).exists(), path
            assert any(str(one) in sources for one in (path, *path.parents)), f"{path} is not copied"


def test_the_image_has_the_airflow_that_the_lock_pins(
    instructions: list[str], lock: dict[str, str], deployment: Deployment
) -> None:
    [argument] = [line for line in instructions if line.startswith("ARG ")]
    base = argument.removeprefix("ARG AIRFLOW_IMAGE=")
    version = re.match(r"apache-airflow==(\S+)", lock["apache-airflow"])
    assert version
    assert base == f"apache/airflow:{version[1]}-python3.11"
    assert [line for line in instructions if line.startswith("FROM ")] == [
        "FROM ${AIRFLOW_IMAGE} AS wheels",
        "FROM ${AIRFLOW_IMAGE}",
    ]
    for service in deployment.airflow.values():
        assert service["build"]["args"]["AIRFLOW_IMAGE"] == base


def test_the_image_never_becomes_root(instructions: list[str]) -> None:
    assert [line for line in instructions if line.startswith("USER ")] == []


def test_the_image_is_only_added_to_and_then_checked(instructions: list[str]) -> None:
    commands = [part.split() for line in instructions if line.startswith("RUN ") for part in line.split("&&")]
    installs = [words for words in commands if "install" in words]
    assert len(installs) == 1
    assert all("--no-deps" in words and "--no-index" in words for words in installs)
    assert commands[-1] == ["python", "-m", "pip", "check"]


def test_all_that_the_image_may_lack_is_locked_with_hashes(root: Path, lock: dict[str, str]) -> None:
    needed = {
        canonicalize_name(Requirement(one).name)
        for _, project in projects(root)
        for one in project["project"]["dependencies"] + project["build-system"]["requires"]
    }
    assert {"packaging", "hatchling"} <= needed
    assert needed - lock.keys() == set()
    assert [name for name in needed if "--hash=sha256:" not in lock[name]] == []


def test_an_entry_of_the_lock_keeps_its_version_its_marker_and_its_hashes(install_locked: ModuleType) -> None:
    text = (
        "# made by a tool\n"
        'Uvicorn[standard]==1.0 ; python_version < "4" \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\n'
        "zope.interface==2.0 \\\n    --hash=sha256:cc\n"
    )
    assert install_locked.read_lock(text) == {
        "uvicorn": 'Uvicorn[standard]==1.0 ; python_version < "4" \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb',
        "zope-interface": "zope.interface==2.0 \\\n    --hash=sha256:cc",
    }


def test_what_is_missing_is_found_behind_what_is_there_and_behind_extras(install_locked: ModuleType) -> None:
    installed = {
        "ours": ["There[fast]>=1", "Absent_One", 'never; python_version < "3"'],
        "there": ["deeper", 'absent-two; extra == "fast"', 'absent-three; extra == "slow"'],
        "deeper": ["there"],
    }

    def requires(name: str) -> list[str]:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    assert install_locked.missing(["ours"], requires) == {"absent-one", "absent-two"}
    assert install_locked.missing(["deeper"], requires) == set()


def run_install_locked(root: Path, lock: Path, *names: str) -> subprocess.CompletedProcess[str]:
    script = root / "deploy" / "install_locked.py"
    command = [sys.executable, str(script), "--lock", str(lock), *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_there_is_never_installed_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").touch()
    result = run_install_locked(root, tmp_path / "lock.txt", "airflow-provider-artifactory", "artifactory-sandbox")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_what_is_missing_and_not_locked_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").touch()
    result = run_install_locked(root, tmp_path / "lock.txt", "no-such-distribution")
    assert result.returncode == 1
    assert "no entry for no-such-distribution" in result.stderr


def test_the_sandbox_understands_how_it_is_started(
    deployment: Deployment, run_in_shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = deployment.services["sandbox"]
    [call] = run_in_shell(
        [*sandbox["entrypoint"], *sandbox["command"]], sandbox["environment"], ["artifactory-sandbox"]
    )
    options = cli._parser().parse_args(call.argv[1:])
    assert options.run is cli._serve
    assert options.host == "0.0.0.0", "nobody outside its container would reach it"  # noqa: S104
    assert sandbox["volumes"] == [f"sandbox-data:{options.data}"]
    [published] = sandbox["ports"]
    assert published.endswith(f":{options.port}")
    assert f":{options.port}/artifactory/api/system/ping" in sandbox["healthcheck"]["test"][-1]


def test_the_image_makes_the_folder_of_the_sandbox_for_its_user(
    deployment: Deployment, instructions: list[str]
) -> None:
    [volume] = deployment.services["sandbox"]["volumes"]
    folder = volume.split(":")[1].replace("/opt/airflow", "${AIRFLOW_HOME}")
    assert any(line.startswith("RUN ") and f'mkdir "{folder}"' in line for line in instructions)
