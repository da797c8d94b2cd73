"""What 500 pipeline files cost Airflow's DAG processor, beside as many DAG files that are written by hand.

The loader's file makes all DAGs in one process; a file by hand has a process of its own, which imports this package
anew. So two things are measured: what the DAG processor does, processes and all; and the mere work, in one process
that has imported everything. Nothing outlives a process, so that a changed pipeline is read with all others, at the
next turn of the loader's file; of files by hand, Airflow parses the changed one at once, and each at its next turn.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.home import PROJECT

from benchmarks.result import Result, at_most, told

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = 500
_APART = 100
"""Of the files by hand, how many are parsed in processes of their own: they are alike, and take long."""
_BY_HAND = PROJECT / "benchmarks" / "dags" / "chain_by_hand.py"
_PIPELINE = """\
image: team/{name}
start: {{nightly: "0 2 * * *", timezone: Europe/Berlin}}
mode: chain
"""


@dataclass(frozen=True)
class _Parsed:
    """What the DAG processor found in a folder, and the CPU time that it took, in seconds."""

    files: int
    dags: int
    tasks: int
    cpu: float


def measure() -> Iterator[Result]:
    """Parse folders of pipelines and of DAG files, each in a new process; then change a file, and parse once more."""
    with tempfile.TemporaryDirectory() as root:
        pipelines, by_hand, bare = (Path(root, name) for name in ("pipelines", "by_hand", "bare"))
        _write_pipelines(pipelines)
        for folder in (by_hand, bare):
            folder.mkdir()
            for number in range(_FILES):
                shutil.copy(_BY_HAND, folder / f"{folder.name}_{number:03}.py")

        ours, theirs, simple = (_parse(folder, "together") for folder in (pipelines, by_hand, bare))
        if not ours.tasks == theirs.tasks == simple.tasks or ours.dags != _FILES:
            raise RuntimeError(f"the folders do not hold the same: {ours}, {theirs}, {simple}")
        yield at_most("parse_500_in_one_process", ours.cpu / theirs.cpu, 1.3)
        yield told("parse_500_in_one_process_formless", ours.cpu / simple.cpu, "ratio, to files without a form")
        ours, theirs = _parse(pipelines, "apart"), _parse(by_hand, "apart", _APART)
        one = theirs.cpu / theirs.files
        yield told("parse_500_cpu", ours.cpu, "s of CPU")
        yield at_most("parse_500", ours.cpu / (one * _FILES), 1.3)
        changed = pipelines / "pipelines" / "app_250.yaml"
        changed.write_text(changed.read_text() + "title: Changed\n")
        yield at_most("parse_500_one_changed", _parse(pipelines, "apart").cpu / (one * (_FILES + 1)), 1.1)


def _write_pipelines(folder: Path) -> None:
    (folder / "pipelines").mkdir(parents=True)
    shutil.copy(PROJECT / "dags" / "promotion_pipelines.py", folder)
    shutil.copy(PROJECT / "dags" / "pipelines" / "_defaults.yaml", folder / "pipelines")
    for number in range(_FILES):
        name = f"app_{number:03}"
        (folder / "pipelines" / f"{name}.yaml").write_text(_PIPELINE.format(name=name))


def _parse(folder: Path, way: str, count: int = _FILES) -> _Parsed:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    environment |= {
        "AIRFLOW_HOME": str(folder.parent / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    line = [sys.executable, "-m", "benchmarks.parsing_process", str(folder), way, str(count)]
    done = subprocess.run(line, env=environment, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return _Parsed(**json.loads(done.stdout.splitlines()[-1]))
