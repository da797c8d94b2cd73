"""PostgreSQL and Redis as Debian has them, for as long as a test takes: on loopback only, in folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.home import PROJECT
from demo.processes import Process, end_of
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST = "127.0.0.1"


@contextmanager
def postgres(passwords: Mapping[str, str], log: Path) -> Iterator[int]:
    """Run PostgreSQL with the databases that ``deploy/`` makes, and return its port.

    :param passwords: those of the service's environment, by the names of their variables.
    :param log: the file that it writes its output to.
    """
    programs = _find_postgres()
    # It refuses to run as root, and its own user cannot look into the tests' folders.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
    data, port = folder / "data", free_port()
    try:
        # Who may enter the folder may enter the database; over the network it asks for a password.
        access = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]
        run(*as_user, f"{programs}/initdb", *access, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", f"{data}")
        command = [*as_user, f"{programs}/postgres", "-D", f"{data}", "-k", f"{folder}", "-p", f"{port}"]
        # Nothing of this has to survive the machine.
        command += ["-c", f"listen_addresses={HOST}", "-c", "fsync=off", "-c", "full_page_writes=off"]
        process = Process.start("postgres", command, environment=os.environ, log=log)
        try:
            ready = [f"{programs}/pg_isready", "--quiet", f"--host={HOST}", f"--port={port}"]
            until(lambda: subprocess.run(ready, check=False).returncode == 0, seconds=30, otherwise=lambda: end_of(log))
            environment = _script_environment(folder, port, passwords)
            run("bash", f"{PROJECT}/deploy/postgres/databases.sh", environment=environment)
            yield port
        finally:
            process.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _script_environment(folder: Path, port: int, passwords: Mapping[str, str]) -> dict[str, str]:
    """Return what the image of PostgreSQL gives to the script that makes the databases."""
    place = {"PGHOST": str(folder), "PGPORT": str(port), "POSTGRES_USER": "postgres", "POSTGRES_DB": "postgres"}
    return {**os.environ, **place, **passwords}


def _find_postgres() -> Path:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: float(one.parts[-3]))
    on_path = shutil.which("initdb")
    assert found or on_path, "PostgreSQL is not installed: scripts/install-tools.sh 'the tests' postgres:postgresql"
    return found[-1].parent if found else Path(str(on_path)).parent


@contextmanager
def redis(folder: Path, password: str, log: Path) -> Iterator[int]:
    """Run Redis as docker-compose.yaml runs Valkey, and return its port.

    :param folder: where it keeps its data; made here.
    :param password: its password.
    :param log: the file that it writes its output to.
    """
    assert shutil.which("redis-server"), "Redis is not installed: scripts/install-tools.sh 'the tests' redis-server"
    port = free_port()
    folder.mkdir()
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    settings.write_text(f"bind {HOST}\nport {port}\nrequirepass {password}\ndir {folder}\nappendonly yes\n")
    process = Process.start("redis", ["redis-server", str(settings)], environment=os.environ, log=log)
    try:
        until(lambda: process.listens_on(port), seconds=30, otherwise=lambda: end_of(log))
        yield port
    finally:
        process.stop()


def run(*command: str, environment: Mapping[str, str] = os.environ, given: str = "") -> None:
    """Run a command to its end, which must be a good one.

    :param given: its standard input.
    """
    done = subprocess.run(
        command, env=dict(environment), input=given, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
