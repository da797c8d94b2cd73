"""What the board's JSON API answers. Every text may come from the registry or from event extras: it stays text."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from artifactory_provider.board.changes import What  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.board.states import CellState, GateState  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.web.texts import make_sendable


class BoardAnswer(BaseModel):
    """What is sent: whatever text others have written, it can be."""

    @model_validator(mode="before")
    @classmethod
    def _make_sendable(cls, values: Any) -> Any:
        return make_sendable(values)


class TaskLink(BoardAnswer):
    """A task instance of Airflow, for links to its page and log.

    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: its task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str | None
    map_index: int = -1


class By(TaskLink):
    """Which run promoted an image, and who started it.

    :param user: who started the run, where somebody did and the asking user may know.
    :param started: how the run was started: ``manual``, ``scheduled``, ``backfill``, …
    """

    user: str | None
    started: str | None


class Cell(BoardAnswer):
    """What a stage shows of an image.

    :param stage: the stage's name.
    :param repository: its repository key.
    :param tag: the tag that is shown; None where the stage has none.
    :param digest: the whole digest; the UI shortens it.
    :param updated: when it came there.
    :param state: how it stands.
    :param word: what people read for the state, such as ``behind by 2``.
    :param reason: why it is so, in a sentence; empty where there is nothing to say.
    :param behind: how many newer versions the stages before have.
    :param by: which run promoted it, where that is known and the user may know.
    :param pushed_by: who has pushed it, where no record says that it was promoted and the registry says who.
    :param tags: how many tags the stage has of this image.
    :param url: its page in Artifactory.
    """

    stage: str
    repository: str
    tag: str | None
    digest: str | None
    updated: AwareDatetime | None
    state: CellState
    word: str
    reason: str
    behind: int
    by: By | None
    pushed_by: str | None
    tags: int
    url: str


class Gate(BoardAnswer):
    """What stands between an image in one stage and the next stage.

    :param from_stage: the name of the stage before; ``from`` in JSON.
    :param to: the name of the stage after.
    :param state: what stands there.
    :param word: what people read for the state.
    :param reason: why, in a sentence, such as "test.status is not set."
    :param since: since when it is waited for.
    :param until: when it ends by itself, or the waiting ends.
    :param link: the task that waits, promotes or has failed, where the user may know.
    :param may_answer: who may approve; none where anybody with the right to may; null where the user may not know.
    :param covers: how many promotions one answer to the question is about; 0 where nobody is asked.
    :param is_rollback: whether this is about a rollback in the stage after: then both tags are the one that goes back.
    :param tag: the tag that would be promoted.
    :param target_tag: what it would become.
    :param digest: the digest that would be promoted; None of a rollback.
    """

    from_stage: str = Field(serialization_alias="from")
    to: str
    state: GateState
    word: str
    reason: str
    since: AwareDatetime | None
    until: AwareDatetime | None
    link: TaskLink | None
    may_answer: list[str] | None
    covers: int = 0
    is_rollback: bool = False
    tag: str | None
    target_tag: str | None
    digest: str | None


class RowChange(BoardAnswer):
    """Something that has changed of an image.

    :param time: when.
    :param what: what.
    :param stage: the name of the stage.
    :param tag: the tag.
    :param digest: what it shows now.
    :param by: which run did it, where that is known and the user may know.
    :param who: who did it, as the registry says; empty where it does not.
    :param reason: why, of what people have decided.
    """

    time: AwareDatetime
    what: What
    stage: str
    tag: str
    digest: str
    by: By | None
    who: str
    reason: str


class MetTag(BoardAnswer):
    """A tag that was searched for and that no cell shows.

    :param tag: the tag.
    :param stages: the names of the stages in which it stands.
    :param word: where it stands, and why it does not move on, in a sentence.
    """

    tag: str
    stages: list[str]
    word: str


class ShownRow(BoardAnswer):
    """One image on one ladder.

    :param image: the image name.
    :param ladder: the ladder's name: the pipeline's, and so its DAG's.
    :param owner: whose it is.
    :param connection: the connection of the server that has its stages.
    :param cells: one for each stage, in the ladder's order.
    :param gates: one between each two stages.
    :param met: where a search has met other tags than those that the cells show: these, the first few.
    :param changes: where changes are asked for: these, the newest first.
    """

    image: str
    ladder: str
    owner: str
    connection: str
    cells: list[Cell]
    gates: list[Gate]
    met: list[MetTag] = []
    changes: list[RowChange] = []


class LadderStage(BoardAnswer):
    """A stage of a ladder.

    :param name: what it is called.
    :param repository: its repository key.
    :param connection: the Airflow connection of its server.
    """

    name: str
    repository: str
    connection: str


class ShownLadder(BoardAnswer):
    """The stages of a pipeline.

    :param name: the pipeline's name, and its DAG's.
    :param title: what people read.
    :param owner: whose it is.
    :param as_of: when its server was looked at; None where that has not happened yet.
    :param stages: from the first to the last.
    """

    name: str
    title: str
    owner: str
    as_of: AwareDatetime | None = None
    stages: list[LadderStage]


class ShownStop(BoardAnswer):
    """An order to stop the line.

    :param repositories: patterns of the repositories that stop.
    :param images: patterns of the images.
    :param reason: why.
    :param by: who gave it.
    :param since: when.
    :param until: when it ends by itself; None until somebody lifts it.
    """

    repositories: list[str]
    images: list[str]
    reason: str
    by: str
    since: AwareDatetime
    until: AwareDatetime | None


class Board(BoardAnswer):
    """A page of the board.

    :param as_of: when the server was looked at that was not for the longest time; None where none was yet.
    :param is_refreshing: whether it is being looked at now, or soon: ask again in a second or two.
    :param trouble: why the snapshot is not newer, or not whole; None where all is well.
    :param ladders: all ladders that the user may see, whatever is filtered.
    :param owners: all owners of these.
    :param counts: state → how many rows have a cell or gate in it, of those that meet all filters but ``state``.
    :param since: the moment since which changes are counted: the one that is asked for, or a day before ``as_of``.
    :param changed: of how many rows something has changed since then, of those that meet all other filters.
    :param stops: what is stopped.
    :param found: how many rows meet all filters.
    :param start: how many of them stand before those of this page.
    :param rows: those of this page: favourites first, then by owner, ladder and image, or what has changed last where
        changes are asked for.
    """

    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    ladders: list[ShownLadder]
    owners: list[str]
    counts: dict[str, int]
    since: AwareDatetime | None = None
    changed: int = 0
    stops: list[ShownStop]
    found: int
    start: int
    rows: list[ShownRow]


ActionName = Literal[
    "promote",
    "promote_many",
    "roll_back",
    "hold",
    "lift_hold",
    "reject",
    "lift_rejection",
    "stop",
    "resume",
    "run",
    "retry",
    "answer",
]


class Action(BoardAnswer):
    """Something that the user may do, by a request to Airflow's own REST API with the user's own session.

    :param action: what it is. ``retry`` clears the task of a gate's ``link``, ``answer`` answers the question of one;
        all others start a run.
    :param title: what people read.
    :param dag_id: the DAG that does it, or whose tasks are meant.
    :param method: the request's method.
    :param path: its path below Airflow's own; ``{run_id}``, ``{task_id}`` and ``{map_index}`` stand for the link's.
    :param conf: what never differs of the run's ``conf``.
    :param fields: what the action needs to know → the name of its field in ``conf``.
    :param lists: the fields of ``conf`` that are lists.
    :param is_paused: whether the DAG is paused: its runs wait until somebody unpauses it.
    :param connection: the connection of the one server on which it acts; null for any.
    """

    action: ActionName
    title: str
    dag_id: str
    method: Literal["POST", "PATCH"]
    path: str
    conf: dict[str, str | bool]
    fields: dict[str, str]
    lists: list[str]
    is_paused: bool
    connection: str | None = None


class Actions(BoardAnswer):
    """What the user may do; what is not there, or not allowed, is left out.

    :param actions: the actions.
    :param user: the user's name, for questions that name who may answer.
    """

    actions: list[Action]
    user: str
