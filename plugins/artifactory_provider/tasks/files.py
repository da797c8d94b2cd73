"""Files that tasks leave for people, wherever Airflow's object storage leads: a folder, a bucket."""

from __future__ import annotations

import errno
import os
from typing import IO, TYPE_CHECKING, cast

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowException

from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_PROVIDERS = {
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
    "adl": "apache-airflow-providers-microsoft-azure",
    "gcs": "apache-airflow-providers-google",
    "gs": "apache-airflow-providers-google",
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "s3a": "apache-airflow-providers-amazon[s3fs]",
    "s3n": "apache-airflow-providers-amazon[s3fs]",
}

_LOCAL = {"", "file", "local"}
_LASTING = {errno.EACCES, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM, errno.EROFS}


def prepare_folder(path: str, *, name: str) -> None:
    """Make the folder that a file will stand in, so that a place of no use is known before anything is promoted.

    :param path: where the file will be, as ``write_file`` takes it.
    :param name: the argument's name, for the message.
    :raises InvalidPromotion: when nothing can be written there, and what is missing.
    """
    try:
        folder = ObjectStoragePath(path).parent
        # Airflow looks for the library and the connection when the file system is first asked for.
        folder.fs  # noqa: B018
        folder.mkdir(parents=True, exist_ok=True)
        if folder.protocol in _LOCAL and not os.access(folder.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (AirflowException, ImportError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in _LASTING:
            raise
        raise InvalidPromotion(f"{name} cannot be used: {_explain(path, error)} Nothing was promoted.") from error


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


def _explain(path: str, error: Exception) -> str:
    """Say what is missing, without the path: a URL may hold a password."""
    scheme = path.partition("://")[0] if "://" in path else "file"
    if isinstance(error, OSError):
        return f"{error.strerror or error}. Give a folder that the workers may write to."
    if provider := _PROVIDERS.get(scheme):
        return f"{scheme}:// needs {provider} and its connection on the workers ({type(error).__name__})."
    return f"nothing here writes to {scheme}://. Give a folder, or a bucket such as s3://aws_default@bucket/reports."
