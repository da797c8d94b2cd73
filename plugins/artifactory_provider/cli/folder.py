"""The folder of the pipeline files, as commands find it, and what its pipelines ask of their own images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.cli.airflow_internals import find_dags_folder
from artifactory_provider.pipelines import read_folder

if TYPE_CHECKING:
    from artifactory_provider.policy.rules import Rule


def find_folder(given: str | None) -> Path:
    """Return the folder of the pipeline files.

    :param given: what was given; None for ``pipelines`` in Airflow's DAGs folder.
    """
    return Path(given) if given else Path(find_dags_folder(), "pipelines")


def read_rules(given: str | None) -> tuple[Rule, ...]:
    """Return what the stages of the pipelines ask of their own images, whoever promotes them.

    :param given: the folder that was given; None for the usual one, which need not be there.
    :raises InvalidPipeline: when there is no such folder, or one of its files cannot be read.
    """
    folder = find_folder(given)
    return read_folder(folder).rules() if given or folder.exists() else ()
