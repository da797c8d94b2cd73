"""The folder of the pipeline files, as commands find it, and what its pipelines ask of their own images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from artifactory_provider.cli.airflow_internals import find_dags_folder
from artifactory_provider.cli.output import printed
from artifactory_provider.cli.running import Usage
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from artifactory_provider.pipelines.model import Pipeline
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
    from artifactory_provider.pipelines.folder import read_folder

    folder = find_folder(given)
    return read_folder(folder).rules() if given or folder.exists() else ()


def find_pipeline(args: Namespace, image: str, repository: str | None = None) -> Pipeline:
    """Return the pipeline that is named, or the one that means an image.

    :param args: the command's arguments: ``folder`` and ``pipeline``.
    :param image: the image.
    :param repository: the repository of one of its stages.
    """
    # Here, as a command that is told its repositories needs no pipelines.
    from artifactory_provider.pipelines.folder import read_folder

    folder = find_folder(args.folder)
    found = read_folder(folder)
    broken = "".join(f" {printed(str(error))}" for error in found.errors.values())
    if args.pipeline:
        if args.pipeline not in found.pipelines:
            raise Usage(f"There is no pipeline {args.pipeline!r:.120} in {folder}.{broken}")
        pipelines = [found.pipelines[args.pipeline]]
    else:
        pipelines = [one for one in found.pipelines.values() if one.images.match(image)]
    meant = [one for one in pipelines if repository is None or repository in _repositories(one)]
    if len(meant) == 1:
        return meant[0]
    what = f"{image} in {repository}" if repository else image
    names = ", ".join(one.name for one in meant)
    raise Usage(
        f"{names} are for {what}: name one of them, with --pipeline."
        if meant
        else f"No pipeline in {folder} is for {what}: name a --pipeline, or its repositories.{broken}"
    )


def _repositories(pipeline: Pipeline) -> Sequence[str]:
    return [stage.repository for stage in pipeline.stages]


def find_connection(args: Namespace, pipeline: Pipeline | None) -> str:
    """Return the connection that is named, or else the pipeline's.

    :param args: the command's arguments: ``conn_id``.
    :param pipeline: the pipeline that is meant, if there is one.
    """
    return str(args.conn_id) if args.conn_id else pipeline.connection if pipeline else DEFAULT_CONNECTION
