"""Blobs in and out of the sandbox: how fast beside docker-registry, and in how little memory."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.registries import STEP, Registry, digest_of, docker_registry, has_docker_registry, sandbox
from benchmarks.result import Result, at_least, at_most, missing, told

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROUNDS = 5
_SPEED_SIZE = 512
_MEMORY_SIZE = 2048
_AT_ONCE = 4


def measure() -> Iterator[Result]:
    """Measure memory first, then speed; sizes are in MiB."""
    with tempfile.TemporaryDirectory() as root, sandbox(Path(root, "memory")) as server:
        _transfer(server, "warm-up", 16)
        yield at_most("sandbox_memory_2_gib", _moved(server, 1), 64, "MiB")
        yield at_most("sandbox_memory_2_gib_four_at_once", _moved(server, _AT_ONCE), 128, "MiB")
    with tempfile.TemporaryDirectory() as root:
        yield from _speed(Path(root))


def _moved(server: Registry, at_once: int) -> float:
    """Return by how much the server's memory rises while blobs are pushed and pulled, in MiB."""
    before = server.resident()
    server.forget_peak()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(lambda number: _transfer(server, f"app-{number}", _MEMORY_SIZE), range(at_once)))
    return (server.peak() - before) / STEP


def _speed(root: Path) -> Iterator[Result]:
    names = ("push", "pull")
    if not has_docker_registry():
        for name in names:
            yield missing(f"sandbox_{name}_vs_docker_registry", "docker-registry is not installed", ">= 0.5")
        return
    with sandbox(root / "sandbox") as ours, docker_registry(root / "registry") as theirs:
        for server in (ours, theirs):
            _transfer(server, "warm-up", 16)
        rounds = [[_transfer(server, "app", _SPEED_SIZE) for server in (ours, theirs)] for _ in range(_ROUNDS)]
        for kind, name in enumerate(names):
            speed = statistics.median(_SPEED_SIZE / our[kind] for our, _ in rounds)
            yield told(f"sandbox_{name}", speed, "MiB/s")
            ratio = statistics.median(their[kind] / our[kind] for our, their in rounds)
            yield at_least(f"sandbox_{name}_vs_docker_registry", ratio, 0.5)


def _transfer(server: Registry, image: str, size: int) -> tuple[float, float]:
    """Push a blob that is new and pull it; return the seconds of each."""
    chunk, buffer = os.urandom(STEP), bytearray(STEP)
    digest = digest_of(chunk, size)
    with closing(server.connect()) as connection:
        begun = time.perf_counter()
        connection.push_blob(image, digest, chunk, size)
        pushed = time.perf_counter()
        if connection.pull_blob(image, digest, buffer) != size * STEP:
            raise RuntimeError("the blob that came back has another size")
        return pushed - begun, time.perf_counter() - pushed
