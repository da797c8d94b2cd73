"""Files that tasks leave for people, wherever Airflow's object storage leads: a folder, a bucket."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, cast

from airflow.sdk import ObjectStoragePath

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


def write_file(path: str, write: Callable[[TextIO], object]) -> str:
    """Write a text file, with the folders that lead to it, and return its path.

    :param path: where, as ``ObjectStoragePath`` takes it: ``file:///reports/plan.csv``,
        ``s3://aws_default@bucket/reports/plan.csv``.
    :param write: writes to the open file.
    """
    place = ObjectStoragePath(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    file = cast("IO[str]", place.open("w", encoding="utf-8", newline=""))
    with file:
        write(cast("TextIO", file))
    return str(place)
