"""A snapshot as one user may see it: made once for all who may see the same, and searched by each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.audit import by_age
from artifactory_provider.board.states import COUNTED
from artifactory_provider.web.board.looking import StagePlace

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from artifactory_provider.audit import StandingTag
    from artifactory_provider.board.findings import CellFinding, GateFinding, RowFinding
    from artifactory_provider.board.tasks import TaskFinding
    from artifactory_provider.pipelines.model import Pipeline
    from artifactory_provider.web.board.looking import Snapshot
    from artifactory_provider.web.history import RecordedPromotion


_MOST_ANSWERS = 20


@dataclass(frozen=True)
class Rights:
    """What a user may know.

    :param dags: the ids of the DAGs that they may read.
    :param runs: whether they may know of their runs, and so who started them.
    :param tasks: whether they may know of their tasks.
    :param questions: whether they may know whom these ask.
    """

    dags: frozenset[str]
    runs: bool
    tasks: bool
    questions: bool

    @property
    def dags_with_tasks(self) -> frozenset[str]:
        """The ids of the DAGs whose tasks they may know of."""
        return self.dags if self.tasks else frozenset()


class SeenRow(NamedTuple):
    """A row as a user may see it.

    :param finding: what was found.
    :param gates: each gate with what a task is at there.
    :param promoted: who has promoted what each cell shows.
    :param states: all states that its cells and gates are in.
    """

    finding: RowFinding
    gates: Sequence[tuple[GateFinding, TaskFinding | None]]
    promoted: Sequence[RecordedPromotion | None]
    states: frozenset[str]

    @property
    def text(self) -> str:
        """What is searched of what it shows: image, tags, digests, runs, people."""
        shown = [cell.shown for cell in self.finding.cells if cell.shown]
        parts = [self.finding.image, *(name_tag(one) for one in shown)]
        parts += [f"{one.run_id} {one.dag_id} {one.user or ''}" for one in self.promoted if one]
        parts += [f"{task.run_id} {task.dag_id} {' '.join(task.may_answer or ())}" for _, task in self.gates if task]
        return "\n".join(parts).casefold()


def sort_by_age(tags: Iterable[StandingTag]) -> list[StandingTag]:
    """Return tags, the newest first.

    :param tags: the tags.
    """
    return sorted(tags, key=by_age, reverse=True)


def name_tag(tag: StandingTag) -> str:
    """Return what is searched of a tag.

    :param tag: the tag.
    """
    return f"{tag.name} {tag.digest}"


class View:
    """A snapshot as some users may see it.

    :param snapshot: the snapshot.
    :param rights: what they may know.
    """

    def __init__(self, snapshot: Snapshot, rights: Rights) -> None:
        self.snapshot, self.rights = snapshot, rights
        self._answers: dict[Hashable, bytes] = {}
        self._answering = threading.Lock()
        self._tags: dict[StagePlace, list[StandingTag]] = {}
        self.pipelines: list[Pipeline] = [one for one in snapshot.pipelines if one.name in rights.dags]

    @cached_property
    def rows(self) -> list[SeenRow]:
        """The rows of the ladders whose DAG they may read."""
        tasks = self.rights.dags_with_tasks
        return [self._see(row, tasks) for row in self.snapshot.rows if row.pipeline.name in self.rights.dags]

    def remember(self, asked: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the answer to a question, made once for all who ask the same.

        :param asked: what is asked.
        :param make: makes the answer.
        """
        with self._answering:
            answer = self._answers.pop(asked, None)
            if answer is None:
                answer = make()
            self._answers[asked] = answer
            while len(self._answers) > _MOST_ANSWERS:
                del self._answers[next(iter(self._answers))]
        return answer

    def prepare(self) -> None:
        """Make what everybody needs of it, once for all who come at the same time."""
        with self._answering:
            self.counts  # noqa: B018 - it is kept

    @cached_property
    def texts(self) -> list[str]:
        """What is searched of each row: what it shows, and all other tags of its image."""
        return [f"{row.text}\n{self._name_tags(row)}" for row in self.rows]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows have a cell or gate in each state."""
        return count(self.rows)

    def find_tags(self, row: SeenRow) -> list[list[StandingTag]]:
        """Return all tags of a row's image, those of each stage.

        :param row: the row.
        """
        pipeline = row.finding.pipeline
        stock = self.snapshot.stocks.get(pipeline.connection)
        if stock is None:
            return [[] for _ in pipeline.stages]
        return [list(stock.tags(stage.repository, row.finding.image).values()) for stage in pipeline.stages]

    def find_place(self, repository: str, conn_id: str = "") -> StagePlace | None:
        """Return where a stage stands that they may see; of several servers', the first ladder's.

        :param repository: the repository key.
        :param conn_id: the connection of its server; empty for any.
        """
        found = (
            StagePlace(one.connection, repository)
            for one in self.pipelines
            if conn_id in {"", one.connection} and repository in {stage.repository for stage in one.stages}
        )
        return next(found, None)

    def list_tags(self, place: StagePlace) -> list[StandingTag]:
        """Return all tags of a stage, of the images of the ladders that they may see, by image, the newest first.

        :param place: where it stands.
        """
        if place not in self._tags:
            stock = self.snapshot.find_stock(place)
            meant = [one.images for one in self.ladders_at(place)]
            images = (
                {image for patterns in meant for image in stock.find_images(place.repository, patterns)}
                if stock
                else set()
            )
            self._tags[place] = [
                tag
                for image in sorted(images)
                if stock
                for tag in sort_by_age(stock.tags(place.repository, image).values())
            ]
        return self._tags[place]

    def list_shown(self, place: StagePlace) -> dict[str, CellFinding]:
        """Return what stands for each image in a stage: image → its cell.

        :param place: where it stands.
        """
        found: dict[str, CellFinding] = {}
        for row in self.rows:
            pipeline = row.finding.pipeline
            if pipeline.connection != place.connection:
                continue
            for stage, cell in zip(pipeline.stages, row.finding.cells, strict=True):
                if stage.repository == place.repository and cell.shown is not None:
                    found.setdefault(row.finding.image, cell)
        return found

    def is_first(self, place: StagePlace) -> bool:
        """Tell whether a stage is the first of a ladder, to which no promotion brings images.

        :param place: where it stands.
        """
        return any(one.stages[0].repository == place.repository for one in self.ladders_at(place))

    def ladders_at(self, place: StagePlace) -> list[Pipeline]:
        """Return the ladders with a stage that they may see.

        :param place: where the stage stands.
        """
        return [
            one
            for one in self.pipelines
            if one.connection == place.connection and place.repository in {stage.repository for stage in one.stages}
        ]

    def find_promotion(self, row: RowFinding, level: int, cell: CellFinding) -> RecordedPromotion | None:
        """Return who has promoted what a cell shows, as far as they may know.

        :param row: the row.
        :param level: which stage, from 0.
        :param cell: its cell.
        """
        if cell.shown is None or level == 0:
            return None
        return self.find_promotion_of(row.pipeline.connection, cell.shown)

    def find_promotion_of(self, conn_id: str, tag: StandingTag) -> RecordedPromotion | None:
        """Return who has promoted what stands under a tag, as far as they may know.

        :param conn_id: the connection of its server.
        :param tag: what stands there.
        """
        found = self.snapshot.promotions.find(conn_id, str(tag.place.unpinned()), tag.digest)
        return found if found is not None and found.dag_id in self.rights.dags and self.rights.runs else None

    def _name_tags(self, row: SeenRow) -> str:
        # The stages have most tags in common.
        return "\n".join({name_tag(tag): None for tags in self.find_tags(row) for tag in tags}).casefold()

    def _see(self, row: RowFinding, tasks: frozenset[str]) -> SeenRow:
        gates = row.join_tasks(tasks, names_people=self.rights.questions)
        promoted = [self.find_promotion(row, level, cell) for level, cell in enumerate(row.cells)]
        states = frozenset([*(str(cell.state) for cell in row.cells), *(str(gate.state) for gate, _ in gates)])
        return SeenRow(row, gates, promoted, states)


def count(rows: Sequence[SeenRow]) -> dict[str, int]:
    """Return how many rows have a cell or gate in each state.

    :param rows: the rows.
    """
    counts = dict.fromkeys(COUNTED, 0)
    for row in rows:
        for state in row.states:
            counts[state] += 1
    return counts
