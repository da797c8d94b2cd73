from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from demo.errors import DemoError
from demo.processes import Process, Register, uninterrupted, wait_until

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN_PARENT = """
import subprocess, sys
child = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
process.stdout.readline()
print("ready", flush=True)
process.wait()
"""


def start(tmp_path: Path, *command: str) -> Process:
    return Process.start("thing", command, environment=os.environ, log=tmp_path / "thing.log")


def start_stubborn(tmp_path: Path) -> Process:
    process = start(tmp_path, sys.executable, "-c", STUBBORN_PARENT)
    log = tmp_path / "thing.log"
    wait_until("it is ready", lambda: "ready" in log.read_text(), seconds=20, process=process, log=log)
    return process


def test_a_child_that_ignores_the_polite_signal_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes._PATIENCE", 0.5)
    process = start_stubborn(tmp_path)
    members = process.members()
    assert len(members) == 2
    process.stop()
    assert not psutil.wait_procs(members, timeout=5)[1]


def test_children_are_ended_when_their_leader_was_killed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.processes._PATIENCE", 0.5)
    process = start_stubborn(tmp_path)
    members = process.members()
    psutil.Process(process.pid).kill()
    psutil.wait_procs([psutil.Process(process.pid)], timeout=5)
    process.stop()
    assert not psutil.wait_procs(members, timeout=5)[1]


def test_a_process_that_has_got_the_number_of_an_ended_one_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep", "600")
    stranger = Process("thing", process.pid, started=process.started + 60)
    assert not stranger.is_running
    stranger.stop()
    assert process.is_running
    process.stop()
    assert not process.is_running


def test_a_later_command_finds_and_stops_what_an_earlier_one_has_started(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    Register(path).add(start(tmp_path, "sleep", "600"))
    Register(path).add(start(tmp_path, "sleep", "601"))
    later = Register(path)
    processes = later.read()
    assert later.is_running
    assert later.stop_all()
    assert not any(process.is_running for process in processes)
    assert not later.stop_all()


def test_waiting_ends_with_the_log_when_the_process_ends(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "echo cannot bind; exit 1")
    with pytest.raises(DemoError, match=r"(?s)thing has ended before it answers.*cannot bind"):
        wait_until("it answers", lambda: False, seconds=20, process=process, log=tmp_path / "thing.log")


def test_waiting_is_bounded(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep", "600")
    try:
        with pytest.raises(DemoError, match="did not come within"):
            wait_until("it answers", lambda: False, seconds=0.1, process=process, log=tmp_path / "thing.log")
    finally:
        process.stop()


def test_a_command_that_does_not_exist_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="cannot be started"):
        start(tmp_path, "no-such-command-here")


def test_an_answer_from_somebody_elses_port_is_not_taken_for_its_own(tmp_path: Path) -> None:
    server = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); s.accept()"
    )
    process, log = start(tmp_path, sys.executable, "-c", server), tmp_path / "thing.log"
    with socket.create_server(("127.0.0.1", 0)) as another:
        try:
            wait_until("it listens", lambda: log.read_text().endswith("\n"), seconds=20, process=process, log=log)
            assert process.listens_on(int(log.read_text()))
            assert not process.listens_on(another.getsockname()[1])
        finally:
            process.stop()


def test_a_second_interruption_does_not_cut_the_stopping_short(request: pytest.FixtureRequest) -> None:
    # A shell that has started the tests in its background ignores interruptions for them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_process_that_has_ended_unseen_is_no_member(tmp_path: Path) -> None:
    forgetful = "import subprocess, time; child = subprocess.Popen(['true']); time.sleep(600)"
    process = start(tmp_path, sys.executable, "-c", forgetful)
    leader = psutil.Process(process.pid)
    deadline = time.monotonic() + 20
    while not any(child.status() == psutil.STATUS_ZOMBIE for child in leader.children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert process.members() == [leader]
    process.stop()
