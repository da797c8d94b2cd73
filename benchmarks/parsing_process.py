"""`python -m benchmarks.parsing_process FOLDER together|apart [COUNT]`: the DAG files of a folder, read by Airflow.

Each is parsed, and its DAGs are serialised, by what Airflow's DAG processor calls in its processes: together in this
one, where everything that they import is there already; or apart, each in a process of its own that is forked from one
which has imported Airflow alone, as the DAG processor does it. It prints how many files, DAGs and tasks there were, and
the CPU time that they took, in seconds.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import structlog
from airflow.dag_processing.processor import DagFileParseRequest, _parse_file, _pre_import_airflow_modules

LOG = structlog.get_logger()


def main() -> None:
    """Parse what was asked for."""
    folder, way = Path(sys.argv[1]), sys.argv[2]
    files = sorted(folder.glob("*.py"))[: int(sys.argv[3]) if len(sys.argv) > 3 else None]
    _pre_import_airflow_modules(str(files[0]), LOG)
    if way == "together":
        _parse(files[0], folder)
        begun = time.process_time()
        counts = [_parse(file, folder) for file in files]
        cpu = time.process_time() - begun
    else:
        counts = [_parse_apart(file, folder) for file in files]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime
    dags, tasks = (sum(numbers) for numbers in zip(*counts, strict=True))
    print(json.dumps({"files": len(files), "dags": dags, "tasks": tasks, "cpu": cpu}))


def _parse(file: Path, folder: Path) -> tuple[int, int]:
    """Return how many DAGs and tasks a file has."""
    result = _parse_file(DagFileParseRequest(file=str(file), bundle_path=folder, bundle_name="bench"), LOG)
    if result is None or result.import_errors:
        raise RuntimeError(f"{file} cannot be parsed: {result and result.import_errors}")
    return len(result.serialized_dags), sum(len(one.data["dag"]["tasks"]) for one in result.serialized_dags)


def _parse_apart(file: Path, folder: Path) -> tuple[int, int]:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writing, json.dumps(_parse(file, folder)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        dags, tasks = json.loads(answer.read())
    os.waitpid(child, 0)
    return dags, tasks


if __name__ == "__main__":
    main()
