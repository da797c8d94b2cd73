"""What all routes of the board share: the snapshots, who may know what, and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from fastapi import Depends, HTTPException, Query

from artifactory_provider.web.airflow_internals import (
    MayReadRunsDep,
    MayReadTasksDep,
    ReadableDagsDep,
    find_dags_folder,
)
from artifactory_provider.web.board.snapshots import Snapshots
from artifactory_provider.web.board.views import Rights, View

Text: TypeAlias = Annotated[str, Query(max_length=400)]
Name: TypeAlias = Annotated[str, Query(max_length=250)]
Start: TypeAlias = Annotated[int, Query(ge=0, le=1_000_000)]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=500)]
_MOST_WORDS = 8
ANSWER_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}

snapshots = Snapshots(lambda: Path(find_dags_folder(), "pipelines"))


def find_rights(dags: ReadableDagsDep, runs: MayReadRunsDep, tasks: MayReadTasksDep) -> Rights:
    """Return what the user may know."""
    return Rights(dags, runs, tasks)


RightsDep: TypeAlias = Annotated[Rights, Depends(find_rights)]


def view_board(rights: Rights, *, refresh: bool = False) -> tuple[View, bool]:
    """Return the board as the user may see it, and whether a newer one is being taken.

    :param rights: what they may know.
    :param refresh: whether a newer one is wanted.
    """
    return snapshots.view(rights, refresh=refresh)


def check_stage(view: View, *repositories: str) -> None:
    """Refuse a repository that is no stage of a ladder which the user may see.

    :param view: the board.
    :param repositories: the repository keys.
    :raises HTTPException: when one is none; as long as nothing is known, none is refused.
    """
    for repository in repositories:
        if view.snapshot.pipelines and not view.may_read(repository):
            raise HTTPException(404, "There is no such stage of a ladder whose DAG you may read.")


def split_words(text: str) -> list[str]:
    """Return the words that are searched for, the first eight.

    :param text: what was asked for.
    """
    return text.casefold().split()[:_MOST_WORDS]
