"""What all routes of the board share: the snapshots, who may know what, and pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from fastapi import Depends, HTTPException, Query

from artifactory_provider.tasks.forms import as_moment
from artifactory_provider.web.airflow_internals import (
    MayReadQuestionsDep,
    MayReadRunsDep,
    MayReadTasksDep,
    ReadableDagsDep,
    find_dags_folder,
)
from artifactory_provider.web.board.looking import StagePlace
from artifactory_provider.web.board.snapshots import Snapshots
from artifactory_provider.web.board.views import Rights, View

if TYPE_CHECKING:
    import datetime

Text: TypeAlias = Annotated[str, Query(max_length=400)]
Name: TypeAlias = Annotated[str, Query(max_length=250)]
Moment: TypeAlias = Annotated[str, Query(max_length=60)]
Start: TypeAlias = Annotated[int, Query(ge=0, le=1_000_000)]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=500)]
_MOST_WORDS = 8
ANSWER_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}

snapshots = Snapshots(lambda: Path(find_dags_folder(), "pipelines"))


def find_rights(
    dags: ReadableDagsDep, runs: MayReadRunsDep, tasks: MayReadTasksDep, questions: MayReadQuestionsDep
) -> Rights:
    """Return what the user may know."""
    return Rights(dags, runs, tasks, questions)


RightsDep: TypeAlias = Annotated[Rights, Depends(find_rights)]


def view_board(rights: Rights, *, refresh: bool = False) -> tuple[View, bool]:
    """Return the board as the user may see it, and whether a newer one is being taken.

    :param rights: what they may know.
    :param refresh: whether a newer one is wanted.
    """
    return snapshots.view(rights, refresh=refresh)


def find_stage(view: View, repository: str, conn_id: str = "") -> StagePlace:
    """Return where a stage stands.

    :param view: the board.
    :param repository: its repository key.
    :param conn_id: the connection of its server, where two servers have a repository of that key; empty for any.
    :raises HTTPException: when it is no stage of a ladder which the user may see; as long as nothing is known, none is
        refused.
    """
    place = view.find_place(repository, conn_id)
    if place is None and view.snapshot.pipelines:
        raise HTTPException(404, "There is no such stage of a ladder whose DAG you may read.")
    return place or StagePlace(conn_id, repository)


def split_words(text: str) -> list[str]:
    """Return the words that are searched for, the first eight.

    :param text: what was asked for.
    """
    return text.casefold().split()[:_MOST_WORDS]


def read_moment(text: str, name: str) -> datetime.datetime | None:
    """Return a moment that was asked for, or None where none was.

    :param text: what was asked for; without a zone, in UTC.
    :param name: the parameter's name.
    :raises HTTPException: when it is no moment.
    """
    try:
        return as_moment(text, name=name)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
