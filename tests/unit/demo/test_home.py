from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import demo.__main__
import demo.home
import pytest
from demo.errors import DemoError
from demo.home import Home
from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo.home, "HOMES", tmp_path)
    monkeypatch.delenv("AIRFLOW_PORT", raising=False)
    monkeypatch.delenv("SANDBOX_PORT", raising=False)
    return tmp_path


def test_a_port_that_is_taken_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("AIRFLOW_PORT", str(port))
        with pytest.raises(DemoError, match=rf"Port {port} \(AIRFLOW_PORT\) is taken"):
            Home.create("up", fresh=False)


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1", "80 80"])
def test_a_port_that_is_no_port_is_said_in_a_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_PORT", value)
    with pytest.raises(DemoError, match="a port is a number"):
        Home.create("up", fresh=False)


def test_one_port_for_both_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    monkeypatch.setenv("AIRFLOW_PORT", port)
    monkeypatch.setenv("SANDBOX_PORT", port)
    with pytest.raises(DemoError, match="two different ports"):
        Home.create("up", fresh=False)


def test_secrets_are_kept_for_the_next_start_and_readable_by_their_owner_alone(homes: Path) -> None:
    first = Home.create("up", fresh=False)
    assert Home.create("up", fresh=False).secrets == first.secrets
    assert Home.running("up").secrets == first.secrets
    for name in ("secrets.json", "passwords.json"):
        assert (homes / "up" / name).stat().st_mode & 0o077 == 0
    assert first.secrets.jwt not in repr(first)


def test_two_homes_share_no_secret_and_no_port() -> None:
    one, other = Home.create("run", fresh=True), Home.create("up", fresh=False)
    assert one.secrets != other.secrets
    assert one.ports.worker_logs != other.ports.worker_logs


def test_nothing_of_the_callers_own_airflow_leaks_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTORY_DEFAULT", "https://production.example.com")
    monkeypatch.setenv("NO_PROXY", "example.com")
    environment = Home.create("run", fresh=True).environment()
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW_CONN_ARTIFACTORY_DEFAULT" not in environment
    assert environment["NO_PROXY"] == "example.com,127.0.0.1,localhost"


def test_airflows_parts_read_its_database_while_one_of_them_writes() -> None:
    home = Home.create("run", fresh=True)
    address = home.environment()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    reader, writer = create_engine(address), create_engine(address)
    with writer.begin() as writes:
        writes.execute(text("CREATE TABLE dag (name TEXT)"))
    with writer.begin() as writes:
        writes.execute(text("INSERT INTO dag VALUES ('nightly')"))
        with reader.connect() as reads:
            assert reads.execute(text("SELECT count(*) FROM dag")).scalar_one() == 0
    with reader.connect() as reads:
        assert reads.execute(text("SELECT count(*) FROM dag")).scalar_one() == 1


@pytest.mark.parametrize(("part", "milliseconds"), [("scheduler", 60_000), ("api-server", 5_000)])
def test_airflows_parts_hold_its_database_for_no_longer_than_a_write_takes(part: str, milliseconds: int) -> None:
    """Each opens it as told, with commits that do not wait for the disk, and all but one have time to wait."""
    home = Home.create("run", fresh=True)
    ask = """
from airflow import settings
from sqlalchemy import text
with settings.engine.connect() as database:
    print([database.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("synchronous", "busy_timeout")])
"""
    asked = subprocess.run(
        [sys.executable, "-c", ask, part], env=home.environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(asked.stdout.splitlines()[-1]) == [1, milliseconds]


def test_asking_for_an_instance_that_was_never_started_is_said_in_a_sentence() -> None:
    with pytest.raises(DemoError, match="make up"):
        Home.running("up")


def test_two_that_start_at_once_choose_different_ports() -> None:
    one, other = Home.create("run", fresh=True), Home.create("up", fresh=False)
    assert {one.ports.airflow, one.ports.sandbox}.isdisjoint({other.ports.airflow, other.ports.sandbox})


def test_a_folder_that_cannot_be_written_to_is_said_in_a_sentence(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (homes / "file").touch()
    monkeypatch.setattr("demo.__main__.HOMES", homes / "file" / "demo")
    with pytest.raises(DemoError, match=r"cannot be written to \(Not a directory\)"):
        demo.__main__.run()


def test_a_shell_that_reads_the_environment_finds_this_airflow() -> None:
    home = Home.create("up", fresh=False)
    home.write_environment()
    file = home.path / "environment"
    assert file.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["sh", "-c", f". {shlex.quote(str(file))} && env"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    expected = {f"{key}={value}" for key, value in home.environment().items() if key.startswith("AIRFLOW")}
    assert expected <= set(shown)
