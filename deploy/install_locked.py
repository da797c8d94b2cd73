"""Install what distributions need and the environment lacks, as locked, changing nothing that is there.

Airflow's image pins its own dependencies, and `pip install` would be free to replace them. This follows the
requirements of the named distributions through what is installed, and installs only what is missing, at the
version and with the hashes of the lock. Whether the versions that are there fit is for `pip check` to say.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def read_lock(text: str) -> dict[str, str]:
    """Split a lock into its entries, by canonical distribution name.

    :param text: a requirements file with one pinned entry and its hashes a paragraph, as pip and uv write it.
    """
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if pinned := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*])?==", line):
            current = entries.setdefault(canonicalize_name(pinned[1]), [])
        current.append(line)
    return {name: "\n".join(lines) for name, lines in entries.items()}


def missing(roots: Iterable[str], requires: Callable[[str], Iterable[str] | None] = requires) -> set[str]:
    """Name what the roots need, directly or through what is installed, and what is not installed.

    :param roots: requirements, such as `hatchling` or `uvicorn[standard]`.
    :param requires: the requirements of an installed distribution; raises PackageNotFoundError for others.
    """
    absent: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            name = canonicalize_name(wanted.name)
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                needs = requires(name) or ()
            except PackageNotFoundError:
                absent.add(name)
                continue
            found = [Requirement(need) for need in needs]
            waiting += [need for need in found if not need.marker or need.marker.evaluate({"extra": extra})]
    return absent


def install(names: Iterable[str], lock: Mapping[str, str]) -> None:
    """Install the locked entries of the names, without their dependencies.

    :param names: canonical distribution names.
    :param lock: what `read_lock` returned.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as entries:
        entries.write("\n".join(lock[name] for name in sorted(names)) + "\n")
        entries.flush()
        pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--requirement", entries.name], check=True)  # noqa: S603 - our own words


def main() -> int:
    """Install round by round, because only an installed distribution tells what it needs in turn."""
    parser = argparse.ArgumentParser(description="Install what is missing, as locked, and nothing else.")
    parser.add_argument("--lock", type=Path, required=True, help="requirements with versions and hashes")
    parser.add_argument("distributions", nargs="+", help="what shall be usable, with extras if any")
    arguments = parser.parse_args()
    lock = read_lock(arguments.lock.read_text(encoding="utf-8"))
    while absent := missing(arguments.distributions):
        if unknown := sorted(absent - lock.keys()):
            print(f"{arguments.lock} has no entry for {', '.join(unknown)}: lock again", file=sys.stderr)
            return 1
        install(absent, lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
