"""Where one instance keeps its files, its ports and its secrets, and the environment that its processes see."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import socket
import sqlite3
import sys
from base64 import urlsafe_b64encode
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from demo.errors import DemoError

PROJECT = Path(__file__).resolve().parent.parent
HOMES = Path(os.environ.get("DEMO_HOME") or PROJECT / ".demo").resolve()
_HOST = "127.0.0.1"
_NEEDED_BYTES = 200 * 1024 * 1024
_CLAIMS: list[socket.socket] = []


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of one instance, all on loopback."""

    airflow: int
    sandbox: int
    worker_logs: int
    triggerer_logs: int
    scheduler_health: int
    metrics: int


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The secrets of one instance, made at random and kept in its home, readable by its owner alone."""

    airflow_password: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    jwt: str = field(default_factory=lambda: secrets.token_hex(48), repr=False)
    api: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    webhook: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    fernet: str = field(default_factory=lambda: urlsafe_b64encode(secrets.token_bytes(32)).decode(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Home:
    """One instance's folder, ports and secrets.

    :param path: the folder; everything that the instance writes is below it.
    """

    path: Path
    ports: Ports
    secrets: Secrets

    @classmethod
    def create(cls, name: str, *, fresh: bool) -> Home:
        """Make or reopen an instance's folder and choose its ports.

        :param name: the folder's name below ``.demo``, or below ``DEMO_HOME``.
        :param fresh: whether what an earlier run left there is removed.
        :raises DemoError: when a port that was asked for is taken, or the disk is full.
        """
        path = HOMES / name
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path).free < _NEEDED_BYTES:
            raise DemoError(f"The disk of {path} is almost full: about 200 MB are needed.")
        ports = _choose_ports()
        (path / "ports.json").write_text(json.dumps(asdict(ports)))
        kept = _keep_secrets(path / "secrets.json")
        _write_private(path / "passwords.json", json.dumps({"admin": kept.airflow_password}))
        home = cls(path=path, ports=ports, secrets=kept)
        home._keep_write_ahead_log()
        return home

    @classmethod
    def running(cls, name: str) -> Home:
        """Reopen the folder of an instance that was started before.

        :raises DemoError: when there is none.
        """
        path = HOMES / name
        try:
            ports = Ports(**json.loads((path / "ports.json").read_text()))
        except FileNotFoundError:
            raise DemoError(f"Nothing was started yet: run 'make {name}' first.") from None
        return cls(path=path, ports=ports, secrets=_keep_secrets(path / "secrets.json"))

    @property
    def airflow_url(self) -> str:
        """Where Airflow's UI and API are."""
        return f"http://{_HOST}:{self.ports.airflow}"

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox is, as Artifactory's base URL."""
        return f"http://{_HOST}:{self.ports.sandbox}/artifactory"

    @property
    def sandbox_data(self) -> Path:
        """The sandbox's data directory."""
        return self.path / "sandbox"

    @property
    def catalog_database(self) -> Path:
        """The SQLite file of the service catalogue."""
        return self.path / "service_catalog.db"

    @property
    def airflow_database(self) -> Path:
        """The SQLite file of Airflow."""
        return self.path.resolve() / "airflow" / "airflow.db"

    @property
    def shown_path(self) -> Path:
        """The folder as a person in the current folder would write it."""
        return Path(os.path.relpath(self.path))

    def log(self, name: str) -> Path:
        """Return the file that a process writes its output to."""
        return self.path / f"{name}.log"

    def environment(self) -> dict[str, str]:
        """Return the environment of all processes: nothing of the caller's own Airflow leaks in."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON"))}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "NO_PROXY": ",".join(filter(None, [inherited.get("NO_PROXY"), _HOST, "localhost"])),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(PROJECT),
            "AIRFLOW_HOME": str(self.path / "airflow"),
            **{f"AIRFLOW__{key}": value for key, value in self._airflow_options().items()},
        }

    def write_environment(self) -> None:
        """Write what a shell has to read before commands find this Airflow: ``. <home>/environment``."""
        own = {key: value for key, value in self.environment().items() if key.startswith(("AIRFLOW", "PYTHONPATH"))}
        text = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in own.items())
        _write_private(self.path / "environment", text)

    def _keep_write_ahead_log(self) -> None:
        """Have SQLite let the parts of Airflow read while one of them writes; the file itself remembers it."""
        self.airflow_database.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(self.airflow_database)) as database:
            database.execute("PRAGMA journal_mode=WAL")

    def _airflow_options(self) -> dict[str, str]:
        return {
            "CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__TEST_CONNECTION": "Enabled",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.airflow_database}",
            "DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "demo.airflow_database.CONNECT_ARGS",
            "DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC": "demo.airflow_database.CONNECT_ARGS",
            "CORE__FERNET_KEY": self.secrets.fernet,
            "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.path / "passwords.json"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "API__HOST": _HOST,
            "API__PORT": str(self.ports.airflow),
            "API__BASE_URL": self.airflow_url,
            "API__SECRET_KEY": self.secrets.api,
            "API_AUTH__JWT_SECRET": self.secrets.jwt,
            "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # until then, the slot of a task that has ended stays taken
            "LOGGING__WORKER_LOG_SERVER_PORT": str(self.ports.worker_logs),
            "LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.ports.triggerer_logs),
            "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports.scheduler_health),
            "METRICS__STATSD_ON": "True",
            "METRICS__STATSD_HOST": _HOST,
            "METRICS__STATSD_PORT": str(self.ports.metrics),
            "METRICS__STATSD_INFLUXDB_ENABLED": "True",  # with tags
        }


def _keep_secrets(path: Path) -> Secrets:
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets()
    _write_private(path, json.dumps(asdict(made)))
    return made


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)


def _choose_ports() -> Ports:
    """Choose the ports that ``AIRFLOW_PORT`` and ``SANDBOX_PORT`` name, or usual ones, or any that are free."""
    airflow = _asked_for("AIRFLOW_PORT") or _usual_or_free(8080)
    sandbox = _asked_for("SANDBOX_PORT") or _usual_or_free(8082)
    if airflow == sandbox:
        raise DemoError(f"AIRFLOW_PORT and SANDBOX_PORT are both {airflow}: name two different ports.")
    return Ports(
        airflow=airflow,
        sandbox=sandbox,
        worker_logs=_any_free(),
        triggerer_logs=_any_free(),
        scheduler_health=_any_free(),
        metrics=_any_free(),
    )


def _asked_for(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"{variable} is {text!r}: a port is a number from 1 to 65535.")
    if not is_free(int(text)):
        raise DemoError(f"Port {text} ({variable}) is taken: name another one, or leave it out for any free port.")
    return int(text)


def _usual_or_free(usual: int) -> int:
    return (_free_port(usual) if _claim(usual) else None) or _any_free()


def _any_free() -> int:
    port = _free_port(0)
    if port is None:
        raise DemoError("This machine has no free port.")
    return port


def _claim(port: int) -> bool:
    """Keep this port for this command: Airflow binds it only seconds later, when another demo may have begun."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0artifactory-demo-port-{port}")  # no file, and gone with the process
    except OSError:
        claim.close()
        return False
    _CLAIMS.append(claim)
    return True


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of loopback."""
    return _free_port(port) is not None


def _free_port(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
