"""What the JSON API answers about one task instance. Every text may be anybody's: it stays text."""

from __future__ import annotations

from pydantic import AwareDatetime  # noqa: TC002 - pydantic reads annotations

from artifactory_provider.web.board.models import BoardAnswer, Gate


class WaitingImage(BoardAnswer):
    """An image that a task instance waits with.

    :param image: the image name.
    :param ladder: a ladder that the user may see and that has it, for its page; empty where none is known.
    :param gate: what it waits for: in the board's words where this is a step of a ladder, and as the task says it
        elsewhere. Its stages are called by their repositories where they are none of a ladder; one is empty that nobody
        has named.
    """

    image: str
    ladder: str
    gate: Gate


class WaitingTask(BoardAnswer):
    """What one task instance waits for.

    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: the task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    :param state: its state, as Airflow calls it; empty before it has one.
    :param is_waiting: whether it waits.
    :param told: for what, or why it does not, in a sentence.
    :param subject: what its question asks; empty where it asks none, or the user may not know.
    :param may_answer: who may answer it; none where anybody with the right to may; null where the user may not know.
    :param since: since when.
    :param until: when it ends by itself, or the task looks again.
    :param found: how many images wait in it.
    :param start: how many of them stand before those of this page.
    :param images: those of this page.
    :param is_refreshing: whether the board is being looked at now, or soon: what it says of the images may change.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str
    is_waiting: bool
    told: str
    subject: str
    may_answer: list[str] | None
    since: AwareDatetime | None
    until: AwareDatetime | None
    found: int
    start: int
    images: list[WaitingImage]
    is_refreshing: bool
