"""Starting and stopping what runs in the background: each in a process group of its own, none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE = 15.0


@dataclass(frozen=True)
class Process:
    """A process group's leader, recognisable after its number has been given to another one.

    :param name: what it is.
    :param pid: its process number, which is its group's too.
    :param started: when it started, in seconds since the epoch.
    """

    name: str
    pid: int
    started: float

    @classmethod
    def start(cls, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Process:
        """Start a command, its output going to a log file.

        :raises DemoError: when the command does not exist.
        """
        with log.open("ab") as output:
            try:
                child = subprocess.Popen(
                    command,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise DemoError(f"{name} cannot be started ({error}): run 'make install' again.") from error
        return cls(name, child.pid, psutil.Process(child.pid).create_time())

    @property
    def is_running(self) -> bool:
        """Whether the leader still runs."""
        try:
            leader = psutil.Process(self.pid)
            return bool(leader.create_time() == self.started and leader.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def members(self) -> list[psutil.Process]:
        """Return what runs in the session that it leads, its leader's own end notwithstanding."""
        return [process for process in psutil.process_iter() if _session_of(process) == self.pid and _runs(process)]

    def listens_on(self, port: int) -> bool:
        """Whether a process of the session listens on a port: an answer from there may be another one's else."""
        return any(port in _listening(member) for member in self.members())

    def stop(self) -> None:
        """End the whole session: politely, then, after a while, for sure."""
        members = self.members() if self.is_running or self._is_ours() else []
        for member in members:
            _send(member, signal.SIGTERM)
        _, alive = psutil.wait_procs(members, timeout=_PATIENCE)
        for member in alive + self.members() if members else []:
            _send(member, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=_PATIENCE)

    def _is_ours(self) -> bool:
        """Whether a session of this number began when the leader did: no other one can have its number then."""
        return any(member.create_time() >= self.started for member in self.members())


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def _runs(process: psutil.Process) -> bool:
    """Whether a process has not ended: one that nobody has asked about yet still has its number and its session."""
    try:
        return bool(process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
    except psutil.NoSuchProcess:
        return False


def _listening(process: psutil.Process) -> set[int]:
    try:
        return {one.laddr.port for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return set()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and a polite end wait until the block is done."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


class Register:
    """The file that says which processes an instance has started, so that any later command can stop them.

    :param path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Process]:
        """Return what was started and not yet stopped."""
        if not self._path.exists():
            return []
        return [Process(**entry) for entry in json.loads(self._path.read_text())]

    def add(self, process: Process) -> None:
        """Note a process that was started."""
        self._write([*self.read(), process])

    def stop(self, name: str) -> None:
        """Stop one of what was started, and forget it."""
        processes = self.read()
        for process in processes:
            if process.name == name:
                process.stop()
        self._write([process for process in processes if process.name != name])

    def stop_all(self) -> bool:
        """Stop everything, last started first; return whether there was anything."""
        processes = self.read()
        for process in reversed(processes):
            process.stop()
        self._path.unlink(missing_ok=True)
        return bool(processes)

    @property
    def is_running(self) -> bool:
        """Whether anything that was started still runs."""
        return any(process.is_running for process in self.read())

    def _write(self, processes: Sequence[Process]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps([asdict(process) for process in processes]))
        draft.replace(self._path)


def wait_until(what: str, is_so: Callable[[], bool], *, seconds: float, process: Process, log: Path) -> None:
    """Wait for a condition while a process runs.

    :param what: the condition in words, for the message.
    :param is_so: a function without arguments that says whether it holds.
    :param seconds: the longest wait.
    :param process: the process that makes it true.
    :param log: its log, whose end is shown when it fails.
    :raises DemoError: when the process ends first, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if not process.is_running:
            raise DemoError(f"{process.name} has ended before {what}. The end of {log}:\n{end_of(log)}")
        if time.monotonic() > deadline:
            raise DemoError(f"{what} did not come within {seconds:.0f} s. The end of {log}:\n{end_of(log)}")
        time.sleep(0.3)


def end_of(log: Path) -> str:
    """Return the last lines of a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-15:])
