"""A folder of pipeline files becomes DAGs; what is wrong with a file shows as an import error, and harms no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, get_parsing_context

from artifactory_provider.dags.building import promotion_dag, pushed_dag
from artifactory_provider.dags.watching import watching_dag
from artifactory_provider.pipelines import read_folder
from artifactory_provider.pipelines.model import ON_PUSH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from artifactory_provider.pipelines import InvalidPipeline

BROKEN = "broken_pipelines"


class BrokenPipelines(DAG):
    """Stands for the files that no DAG could be made of: Airflow shows what is wrong with them, and makes no DAG of it.

    Airflow asks each DAG of a file whether it is valid, and takes those that are.
    """

    errors: Mapping[str, InvalidPipeline]

    def validate(self) -> None:
        """Refuse to be one.

        :raises ValueError: with all that is wrong, by file.
        """
        raise ValueError("\n\n".join(str(error) for error in self.errors.values()))


def load_pipelines(folder: Path | str) -> list[DAG]:
    """Make a DAG of each pipeline file of a folder; they stand in the file that calls this, as any DAG does.

    :param folder: where the files are.
    :return: the DAGs; where a task runs, that of the task alone.
    :raises InvalidPipeline: when there is no such folder.
    """
    read = read_folder(folder)
    wanted = get_parsing_context().dag_id
    dags = [promotion_dag(one) for one in read.pipelines.values() if wanted in {None, one.name}]
    started = [one for one in read.pipelines.values() if wanted in {None, f"{one.name}{ON_PUSH}"}]
    dags += [dag for one in started if (dag := pushed_dag(one)) is not None]
    watched = {one.stages[0].repository: one for one in read.pipelines.values() if one.starts.on_push == "watcher"}
    dags += [
        watching_dag(
            repository,
            artifactory_conn_id=one.connection,
            poke_interval=one.poke_interval.total_seconds(),
        )
        for repository, one in watched.items()
        if wanted in {None, f"watch_{repository}"}
    ]
    if read.errors and wanted is None:
        with BrokenPipelines(BROKEN, schedule=None) as broken:
            broken.errors = read.errors
        dags.append(broken)
    return dags
