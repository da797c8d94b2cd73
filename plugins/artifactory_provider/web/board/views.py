"""A snapshot as one user may see it: made once for all who may see the same, and searched by each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from artifactory_provider.board.states import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

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
    """

    dags: frozenset[str]
    runs: bool
    tasks: bool

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
        """What is searched: image, tags, digests, runs, people."""
        shown = [cell.shown for cell in self.finding.cells if cell.shown]
        parts = [self.finding.image, *(f"{one.name} {one.digest} {one.digest[7:]}" for one in shown)]
        parts += [f"{one.run_id} {one.dag_id} {one.user or ''}" for one in self.promoted if one]
        parts += [f"{task.run_id} {task.dag_id} {' '.join(task.may_answer)}" for _, task in self.gates if task]
        return "\n".join(parts).casefold()


class View:
    """A snapshot as some users may see it.

    :param snapshot: the snapshot.
    :param rights: what they may know.
    """

    def __init__(self, snapshot: Snapshot, rights: Rights) -> None:
        self.snapshot, self.rights = snapshot, rights
        self._answers: dict[Hashable, bytes] = {}
        self._answering = threading.Lock()
        self._tags: dict[str, list[StandingTag]] = {}
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
        """Make what everybody needs of it."""
        self.counts  # noqa: B018 - it is kept

    @cached_property
    def texts(self) -> list[str]:
        """What is searched of each row."""
        return [row.text for row in self.rows]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows have a cell or gate in each state."""
        return count(self.rows)

    def may_read(self, repository: str) -> bool:
        """Tell whether a repository is a stage of a ladder that they may see.

        :param repository: the repository key.
        """
        return any(stage.repository == repository for one in self.pipelines for stage in one.stages)

    def list_tags(self, repository: str) -> list[StandingTag]:
        """Return all tags of a stage, of the images of the ladders that they may see, by image and tag.

        :param repository: the repository key.
        """
        if repository not in self._tags:
            stock = self.snapshot.find_stock(repository)
            meant = [one.images for one in self.pipelines if repository in {stage.repository for stage in one.stages}]
            images = {image for patterns in meant for image in stock.find_images(repository, patterns)} if stock else ()
            self._tags[repository] = [
                tag for image in sorted(images) if stock for _, tag in sorted(stock.tags(repository, image).items())
            ]
        return self._tags[repository]

    def list_shown(self, repository: str) -> dict[str, CellFinding]:
        """Return what stands for each image in a stage: image → its cell.

        :param repository: the repository key.
        """
        found: dict[str, CellFinding] = {}
        for row in self.rows:
            for stage, cell in zip(row.finding.pipeline.stages, row.finding.cells, strict=True):
                if stage.repository == repository and cell.shown is not None:
                    found.setdefault(row.finding.image, cell)
        return found

    def is_first(self, repository: str) -> bool:
        """Tell whether a stage is the first of a ladder, to which no promotion brings images.

        :param repository: the repository key.
        """
        return any(one.stages[0].repository == repository for one in self.pipelines)

    def find_promotion(self, row: RowFinding, level: int, cell: CellFinding) -> RecordedPromotion | None:
        """Return who has promoted what a cell shows, as far as they may know.

        :param row: the row.
        :param level: which stage, from 0.
        :param cell: its cell.
        """
        if cell.shown is None or level == 0:
            return None
        return self.find_promotion_of(str(cell.shown.place.unpinned()), cell.shown.digest)

    def find_promotion_of(self, target: str, digest: str) -> RecordedPromotion | None:
        """Return who has promoted a digest to a tag, as far as they may know.

        :param target: ``repository/image:tag``.
        :param digest: the digest.
        """
        found = self.snapshot.promotions.find(target, digest)
        return found if found is not None and found.dag_id in self.rights.dags and self.rights.runs else None

    def _see(self, row: RowFinding, tasks: frozenset[str]) -> SeenRow:
        gates = row.join_tasks(tasks)
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
