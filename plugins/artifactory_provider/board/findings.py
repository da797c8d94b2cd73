"""What the board says of an image: a cell for each stage, a gate between each two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.board.states import WORDS, CellState, GateState

if TYPE_CHECKING:
    import datetime

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.board.stock import StoredTag
    from artifactory_provider.pipelines.model import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFinding:
    """What a stage shows of an image.

    :param shown: the tag that stands for the image there; None where there is none.
    :param state: how it stands.
    :param reason: why.
    :param behind: how many newer versions the stages before have.
    :param tags: how many tags there are.
    """

    shown: StoredTag | None
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
    :param target: what it would become.
    """

    state: GateState
    reason: str = ""
    until: datetime.datetime | None = None
    since: datetime.datetime | None = None
    source: ImageReference | None = None
    target: ImageReference | None = None

    @property
    def word(self) -> str:
        """What people read."""
        return WORDS[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFinding:
    """One image on one ladder.

    :param pipeline: the ladder.
    :param image: the image name.
    :param cells: one for each stage.
    :param gates: one between each two.
    """

    pipeline: Pipeline
    image: str
    cells: tuple[CellFinding, ...]
    gates: tuple[GateFinding, ...]

    @property
    def states(self) -> frozenset[str]:
        """All states that its cells and gates are in."""
        return frozenset([*(str(cell.state) for cell in self.cells), *(str(gate.state) for gate in self.gates)])
