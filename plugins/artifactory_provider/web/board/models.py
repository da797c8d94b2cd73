"""What the board's JSON API answers. Every text may come from the registry or from event extras: it stays text."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from artifactory_provider.board.comparison import Difference as HowDifferent  # noqa: TC001 - as below
from artifactory_provider.board.details import Kind  # noqa: TC001 - as below
from artifactory_provider.board.history import What  # noqa: TC001 - as below
from artifactory_provider.board.states import CellState, GateState  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.web.texts import make_sendable


class Answer(BaseModel):
    """What is sent: whatever text others have written, it can be."""

    @model_validator(mode="before")
    @classmethod
    def _make_sendable(cls, values: Any) -> Any:
        return make_sendable(values)


class TaskLink(Answer):
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


class Cell(Answer):
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


class Gate(Answer):
    """What stands between an image in one stage and the next stage.

    :param from_stage: the name of the stage before; ``from`` in JSON.
    :param to: the name of the stage after.
    :param state: what stands there.
    :param word: what people read for the state.
    :param reason: why, in a sentence, such as "test.status is not set."
    :param since: since when it is waited for.
    :param until: when it ends by itself, or the waiting ends.
    :param link: the task that waits, promotes or has failed, where the user may know.
    :param may_answer: who may approve; none where anybody with the right to may.
    :param covers: how many images one answer to the question is about; 0 where nobody is asked.
    :param tag: the tag that would be promoted.
    :param target_tag: what it would become.
    :param digest: the digest that would be promoted.
    """

    from_stage: str = Field(serialization_alias="from")
    to: str
    state: GateState
    word: str
    reason: str
    since: AwareDatetime | None
    until: AwareDatetime | None
    link: TaskLink | None
    may_answer: list[str]
    covers: int = 0
    tag: str | None
    target_tag: str | None
    digest: str | None


class Row(Answer):
    """One image on one ladder.

    :param image: the image name.
    :param ladder: the ladder's name: the pipeline's, and so its DAG's.
    :param owner: whose it is.
    :param cells: one for each stage, in the ladder's order.
    :param gates: one between each two stages.
    """

    image: str
    ladder: str
    owner: str
    cells: list[Cell]
    gates: list[Gate]


class LadderStage(Answer):
    """A stage of a ladder.

    :param name: what it is called.
    :param repository: its repository key.
    :param connection: the Airflow connection of its server.
    """

    name: str
    repository: str
    connection: str


class Ladder(Answer):
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


class StopOrder(Answer):
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


class Board(Answer):
    """A page of the board.

    :param as_of: when the server was looked at that was not for the longest time; None where none was yet.
    :param is_refreshing: whether it is being looked at now, or soon: ask again in a second or two.
    :param trouble: why the snapshot is not newer, or not whole; None where all is well.
    :param ladders: all ladders that the user may see, whatever is filtered.
    :param owners: all owners of these.
    :param counts: state → how many rows have a cell or gate in it, of those that meet all filters but ``state``.
    :param stops: what is stopped.
    :param found: how many rows meet all filters.
    :param start: how many of them stand before those of this page.
    :param rows: those of this page: favourites first, then by owner, ladder and image.
    """

    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    ladders: list[Ladder]
    owners: list[str]
    counts: dict[str, int]
    stops: list[StopOrder]
    found: int
    start: int
    rows: list[Row]


class Attachment(Answer):
    """What belongs to a digest but stands elsewhere.

    :param kind: what it is.
    :param tag: the tag that it stands under; None for a referrer.
    :param digest: its own digest.
    :param media_type: the type that it says it has; empty where that is not known.
    """

    kind: Kind
    tag: str | None
    digest: str
    media_type: str


class Platform(Answer):
    """One platform of an image.

    :param name: such as ``linux/arm64/v8``.
    :param digest: the digest of its manifest.
    :param size: bytes of config and layers; None where that is not known.
    """

    name: str
    digest: str
    size: int | None


class ImageTag(Answer):
    """A tag of an image in one stage.

    :param tag: the tag.
    :param digest: what it shows.
    :param updated: when it came there.
    :param created: when the image was created.
    :param state: ``held``, ``rejected``, ``drift`` or ``current``, as a cell's.
    :param word: what people read for it.
    :param reason: why.
    :param by: which run promoted it.
    :param pushed_by: who has pushed it, where the registry says it.
    :param is_backup: whether it keeps what a promotion has replaced: a rollback can go back to it.
    :param platforms: its platforms; none where they were not asked for, or are not known yet.
    :param size: bytes of all platforms together; None where that is not known.
    :param attachments: what belongs to its digest; None where that was not asked for, or is not known (yet).
    :param labels: such as ``org.opencontainers.image.revision``.
    :param url: its page in Artifactory.
    """

    tag: str
    digest: str
    updated: AwareDatetime | None
    created: AwareDatetime | None
    state: CellState
    word: str
    reason: str
    by: By | None
    pushed_by: str | None
    is_backup: bool
    platforms: list[Platform]
    size: int | None
    attachments: list[Attachment] | None
    labels: dict[str, str]
    url: str


class ImageStage(Answer):
    """An image in one stage.

    :param stage: the stage's name.
    :param repository: its repository key.
    :param found: how many tags it has there.
    :param tags: those of this page, the newest first.
    """

    stage: str
    repository: str
    found: int
    tags: list[ImageTag]


class Happening(Answer):
    """Something that happened to a tag.

    :param time: when.
    :param what: what.
    :param stage: the stage's name.
    :param repository: its repository key.
    :param tag: the tag.
    :param digest: what it showed from then on.
    :param replaced: the digest that it showed before.
    :param source: where it came from, as ``repository/image:tag``.
    :param by: the run, and who started it; None where no run of Airflow tells of it.
    :param who: who did it, as it stands on the image.
    :param reason: why, of a hold, a rejection or a rollback.
    :param verdicts: what it was promoted on.
    :param approvals: who has approved it.
    """

    time: AwareDatetime
    what: What
    stage: str
    repository: str
    tag: str
    digest: str
    replaced: str
    source: str
    by: By | None
    who: str
    reason: str
    verdicts: list[str]
    approvals: str


class Image(Answer):
    """The page of an image.

    :param image: its name.
    :param ladder: the ladder.
    :param owner: whose it is.
    :param as_of: when the registry was looked at.
    :param is_refreshing: whether something is being asked still: ask again in a second or two.
    :param trouble: what could not be asked; None where all could.
    :param row: where it stands, as on the board; None where the board does not have it.
    :param stages: one for each stage of the ladder.
    :param history: what happened to its tags, the newest first.
    """

    image: str
    ladder: str
    owner: str
    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    row: Row | None
    stages: list[ImageStage]
    history: list[Happening]


class StageRow(Answer):
    """A tag that stands in a stage.

    :param image: the image name.
    :param tag: the tag.
    :param digest: what it shows.
    :param updated: when it came there.
    :param is_shown: whether it is the tag that stands for the image on the board.
    :param state: how it stands there; of other tags than that: ``current``, ``held``, ``rejected`` or ``drift``.
    :param word: what people read for it.
    :param reason: why.
    :param by: which run promoted it.
    :param pushed_by: who has pushed it, where the registry says it.
    """

    image: str
    tag: str
    digest: str
    updated: AwareDatetime | None
    is_shown: bool
    state: CellState
    word: str
    reason: str
    by: By | None
    pushed_by: str | None


class Stage(Answer):
    """All that stands in a stage.

    :param repository: its repository key.
    :param as_of: when the registry was looked at.
    :param is_refreshing: whether it is being looked at now.
    :param trouble: why that is not newer.
    :param found: how many tags meet the filters.
    :param start: how many of them stand before those of this page.
    :param rows: those of this page, by image and tag.
    """

    repository: str
    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    found: int
    start: int
    rows: list[StageRow]


class Side(Answer):
    """What one of two stages shows.

    :param tag: the tag.
    :param digest: what it shows.
    :param updated: when it came there.
    :param revision: the source revision that its label names; empty where there is none.
    :param source: the address of the source that its label names; empty where there is none, or it is no web address.
    """

    tag: str
    digest: str
    updated: AwareDatetime | None
    revision: str
    source: str


class DifferenceRow(Answer):
    """An image in two stages.

    :param image: the image name.
    :param difference: how they differ.
    :param before: what the first stage shows; None where it has none.
    :param after: what the second stage shows.
    :param compare: a link to what changed between the two revisions, where the source says where it stands.
    """

    image: str
    difference: HowDifferent
    before: Side | None
    after: Side | None
    compare: str


class Difference(Answer):
    """Two stages side by side.

    :param from_repository: the first stage's repository key; ``from`` in JSON.
    :param to: the second's.
    :param as_of: when the registry was looked at.
    :param is_refreshing: whether it is being looked at now.
    :param trouble: why that is not newer.
    :param counts: difference → how many images, of those that meet all other filters.
    :param found: how many images meet the filters.
    :param start: how many of them stand before those of this page.
    :param rows: those of this page, by image.
    """

    from_repository: str = Field(serialization_alias="from")
    to: str
    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    counts: dict[str, int]
    found: int
    start: int
    rows: list[DifferenceRow]


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


class Action(Answer):
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


class Actions(Answer):
    """What the user may do; what is not there, or not allowed, is left out.

    :param actions: the actions.
    :param user: the user's name, for questions that name who may answer.
    """

    actions: list[Action]
    user: str
