"""The deployment as Compose and its containers see it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from dotenv import dotenv_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parents[3]

Services = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One program that a container's shell started."""

    argv: list[str]
    environment: dict[str, str]
    stdin: str
    files: dict[str, str]


@dataclass(frozen=True)
class Deployment:
    """docker-compose.yaml, before and after its variables are filled in."""

    text: str
    raw: dict[str, Any]
    services: Services

    @property
    def airflow(self) -> Services:
        """The services that run Airflow through its image's entrypoint."""
        return {
            name: service
            for name, service in self.services.items()
            if "build" in service and "entrypoint" not in service
        }

    @property
    def long_running(self) -> Services:
        """The services that never end by themselves."""
        return {name: service for name, service in self.services.items() if name != "init"}

    def fill_in(self, variables: Mapping[str, str]) -> Services:
        """Return the services with these variables, as Compose would with this environment."""
        services: Services = _fill_in(self.raw["services"], variables)
        return services


def _interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill in variables as the Compose specification says: `$$`, `${A}`, `${A:-b}`, `${A:?b}`, nested.

    :raises LookupError: when a variable with `:?` is unset or empty, in the words of Compose.
    """
    result, rest = "", text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        result += before
        if rest.startswith("$"):
            result, rest = result + "$", rest[1:]
            continue
        if not rest.startswith("{"):
            raise ValueError(f"a lone dollar sign in {text!r}")
        depths = itertools.accumulate((one == "{") - (one == "}") for one in rest)
        end = list(depths).index(0)
        expression, rest = rest[1:end], rest[end + 1 :]
        name, separator, word = expression, "", ""
        for separator in (":-", ":?"):
            if separator in expression:
                name, _, word = expression.partition(separator)
                break
        if variables.get(name):
            result += variables[name]
        elif separator == ":?" and name != expression:
            raise LookupError(f"required variable {name} is missing a value: {word}")
        else:
            result += _interpolate(word, variables)
    return result + rest


def _fill_in(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill variables into every string of a parsed YAML document."""
    if isinstance(value, str):
        return _interpolate(value, variables)
    if isinstance(value, dict):
        return {key: _fill_in(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill_in(one, variables) for one in value]
    return value


def _make_secrets(directory: Path) -> Path:
    """Run the script that writes the secrets in a copy of its own, and return the file that it writes."""
    script = directory / "deploy" / "make-secrets.sh"
    script.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", script)
    subprocess.run(["sh", script], check=True, cwd="/", capture_output=True)
    return directory / ".env"


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def make_secrets() -> Callable[[Path], Path]:
    """The one documented command, run in a directory of its own; returns the file that it wrote."""
    return _make_secrets


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the one documented command writes into .env."""
    found = dotenv_values(_make_secrets(tmp_path_factory.mktemp("checkout")), interpolate=False)
    return {name: value or "" for name, value in found.items()}


@pytest.fixture(scope="session")
def deployment(secrets: dict[str, str]) -> Deployment:
    """docker-compose.yaml with fresh secrets."""
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    return Deployment(text, raw, _fill_in(raw["services"], secrets))


@pytest.fixture(scope="session")
def provider_interface() -> dict[str, Any]:
    """What the Celery and FAB providers offer: see record_provider_interface.py."""
    path = Path(__file__).with_name("provider_interface.json")
    recorded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return recorded


@pytest.fixture
def run_in_shell(tmp_path: Path) -> Callable[[Sequence[str], Mapping[str, str], Sequence[str]], list[Call]]:
    """Run a container's shell command for real, with stand-ins that write down how they were started."""

    def run(command: Sequence[str], environment: Mapping[str, str], programs: Sequence[str]) -> list[Call]:
        programs_directory, record = tmp_path / "bin", tmp_path / "calls"
        programs_directory.mkdir(exist_ok=True)
        record.unlink(missing_ok=True)
        for program in programs:
            stand_in = programs_directory / program
            stand_in.write_text(
                f"#!{sys.executable}\n"
                "import json, os, pathlib, sys\n"
                "files = {word: pathlib.Path(word).read_text() for word in sys.argv[1:] if os.path.isfile(word)}\n"
                "call = {'argv': [os.path.basename(sys.argv[0]), *sys.argv[1:]], 'environment': dict(os.environ),"
                " 'stdin': sys.stdin.read(), 'files': files}\n"
                f"print(json.dumps(call), file=open({str(record)!r}, 'a'))\n",
                encoding="utf-8",
            )
            stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
        own_tmp = [
            word if word.startswith(str(ROOT)) else word.replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - the container's
            for word in command
        ]
        path = f"{programs_directory}{os.pathsep}/usr/bin{os.pathsep}/bin"
        subprocess.run(own_tmp, env={**environment, "PATH": path}, check=True, stdin=subprocess.DEVNULL, timeout=30)
        return [Call(**json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]

    return run
