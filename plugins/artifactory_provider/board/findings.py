"""What the board says of an image: a cell for each stage, a gate between each two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor
from artifactory_provider.board.states import WORDS, CellState, GateState
from artifactory_provider.verification.evidence import Subject

if TYPE_CHECKING:
    import datetime
    from collections.abc import Container, Iterable, Mapping

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.audit import StandingTag
    from artifactory_provider.board.tasks import GateKey, TaskFinding
    from artifactory_provider.pipelines.model import Pipeline


_SETTLED = frozenset({GateState.REJECTED, GateState.HELD, GateState.CONFLICT, GateState.UNKNOWN})
"""What stands on the image itself: no task changes it."""
_OVERRIDE = "A rule refuses it, and whoever may set that aside is asked."


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFinding:
    """What a stage shows of an image.

    :param shown: the tag that stands for the image there; None where there is none.
    :param state: how it stands.
    :param reason: why.
    :param behind: how many newer versions the stages before have.
    :param tags: how many tags there are.
    """

    shown: StandingTag | None
    state: CellState
    reason: str = ""
    behind: int = 0
    tags: int = 0

    @property
    def word(self) -> str:
        """What people read."""
        return f"behind by {self.behind}" if self.state is CellState.BEHIND and self.behind else WORDS[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinding:
    """What stands between an image and the next stage.

    :param state: what it is.
    :param reason: why.
    :param until: when it ends by itself, or the waiting ends.
    :param since: since when it is waited for.
    :param source: what would be promoted, pinned.
    :param target: what it would become; of several tags, the one of which this is said.
    :param further: what else it would become.
    """

    state: GateState
    reason: str = ""
    until: datetime.datetime | None = None
    since: datetime.datetime | None = None
    source: ImageReference | None = None
    target: ImageReference | None = None
    further: tuple[ImageReference, ...] = ()

    @property
    def word(self) -> str:
        """What people read."""
        return WORDS[self.state]

    def joined(self, task: TaskFinding | None) -> GateFinding:
        """Return what stands there with what a task is at.

        :param task: what it is at; None where none is.
        """
        if task is not None and task.is_rollback:
            return self._rolled_back(task)
        if task is None or self.state in _SETTLED:
            return self
        if task.stand == "failed":
            reason = task.reason or f"The task {task.task_id} has failed; its log says why. {self.reason}".strip()
            return self if self.state is GateState.FAILED else replace(self, state=GateState.FAILED, reason=reason)
        timed = replace(self, since=task.since or self.since, until=task.until or self.until)
        if self.state is GateState.FAILED:
            return timed
        return timed._at_work(task)

    def _at_work(self, task: TaskFinding) -> GateFinding:
        """Return what stands there while a task waits or works."""
        if task.deed == "approve" and task.stand == "waits":
            return replace(self, state=GateState.APPROVAL, reason=f"The promotion is to be approved{_name(task)}.")
        if task.deed == "override":
            # To set a refusal aside is another question than to approve: it is answered where it is asked.
            return replace(self, state=GateState.REFUSED, reason=self.reason or _OVERRIDE)
        if task.deed == "verify":
            return replace(self, state=GateState.VERIFYING, reason=self.reason or task.reason)
        if task.stand == "waits":
            # A promotion waits for nothing but rules to end.
            return replace(self, state=GateState.REFUSED, reason=self.reason or task.reason)
        return replace(self, state=GateState.PROMOTING)

    def _rolled_back(self, task: TaskFinding) -> GateFinding:
        """Return what stands there while the tag of the stage after goes back, whatever the stage before shows."""
        what = f"The rollback of {task.tag}"
        if task.stand == "failed":
            state, reason = GateState.FAILED, f"{what} has failed in the task {task.task_id}; its log says why."
        elif task.deed == "approve" and task.stand == "waits":
            state, reason = GateState.APPROVAL, f"{what} is to be approved{_name(task)}."
        elif task.deed == "override":
            state, reason = GateState.REFUSED, f"{what} is refused by a rule, and whoever may set that aside is asked."
        else:
            state, reason = GateState.PROMOTING, f"{what} is under way."
        return replace(self, state=state, reason=reason, since=task.since, until=task.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFinding:
    """One image on one ladder.

    :param pipeline: the ladder.
    :param image: the image name.
    :param cells: one for each stage.
    :param gates: one between each two, as the registry and the rules say.
    :param tasks: what a task is at with each gate.
    :param changed: when something of it has changed the last time; None where nothing says when.
    """

    pipeline: Pipeline
    image: str
    cells: tuple[CellFinding, ...]
    gates: tuple[GateFinding, ...]
    tasks: tuple[TaskFinding | None, ...] = ()
    changed: datetime.datetime | None = None

    def subject(self, level: int) -> Subject:
        """Return what checks are asked about of what a stage shows.

        :param level: which stage, from 0; it shows something.
        """
        shown = self.cells[level].shown
        if shown is None:
            raise ValueError(f"{self.image} is not in stage {level}.")
        return make_subject(shown)

    def with_tasks(self, tasks: Mapping[GateKey, Iterable[TaskFinding]]) -> RowFinding:
        """Return it with what tasks are at with each gate, the newest of several.

        :param tasks: connection, target repository and image → what tasks are at, the newest last.
        """
        found: list[TaskFinding | None] = []
        for level, gate in enumerate(self.gates):
            key = (self.pipeline.connection, self.pipeline.stages[level + 1].repository, self.image)
            meant = [task for task in tasks.get(key, ()) if _is_about(task, gate, *self.cells[level : level + 2])]
            found.append(meant[-1] if meant else None)
        return replace(self, tasks=tuple(found)) if any(found) else self

    def join_tasks(
        self, readable: Container[str], *, names_people: bool
    ) -> tuple[tuple[GateFinding, TaskFinding | None], ...]:
        """Return its gates with what tasks are at there, as far as somebody may know.

        :param readable: the ids of the DAGs whose tasks may be known.
        :param names_people: whether it may be known whom they ask.
        """
        tasks = self.tasks or (None,) * len(self.gates)
        seen = [task if task is not None and task.dag_id in readable else None for task in tasks]
        if not names_people:
            seen = [replace(task, may_answer=None) if task is not None else None for task in seen]
        return tuple((gate.joined(task), task) for gate, task in zip(self.gates, seen, strict=True))


def make_subject(shown: StandingTag) -> Subject:
    """Return what checks are asked about of what stands under a tag, with all that the look has brought.

    :param shown: what stands there.
    """
    descriptor = Descriptor(shown.digest, OCI_INDEX if shown.is_index else OCI_MANIFEST)
    return Subject(shown.place, descriptor, shown.updated, shown.properties)


def _name(task: TaskFinding) -> str:
    """Return who may answer a question, as a part of a sentence; nothing where anybody may, or it is not told."""
    return f" by {', '.join(task.may_answer)}" if task.may_answer else ""


def _is_about(task: TaskFinding, gate: GateFinding, cell: CellFinding, above: CellFinding) -> bool:
    """Tell whether a task is at what would be promoted now; one that failed before that came is not.

    A rollback is about the stage after: whichever of its tags goes back, until what it shows has changed.
    """
    if task.is_rollback:
        return task.stand != "failed" or _has_stayed(above, task)
    if gate.source is None or gate.target is None or cell.shown is None:
        return False
    came = cell.shown.updated
    is_older = came is not None and task.since is not None and task.since < came
    # One that names the digest is about that, whenever it was.
    return task.is_about(gate.source, gate.target) and not (task.stand == "failed" and is_older and not task.digest)


def _has_stayed(cell: CellFinding, task: TaskFinding) -> bool:
    """Tell whether a cell shows a task's tag, and nothing has come there since the task began."""
    shown = cell.shown
    if shown is None or shown.name != task.tag:
        return False
    return shown.updated is None or task.since is None or shown.updated <= task.since
