"""What the JSON API answers of one stage, and of two side by side."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from artifactory_provider.board.comparison import Difference as HowDifferent  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.board.states import CellState  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.web.board.models import BoardAnswer, By


class StageRow(BoardAnswer):
    """A tag that stands in a stage.

    :param image: the image name.
    :param tag: the tag.
    :param digest: what it shows.
    :param updated: when it came there.
    :param is_shown: whether it is the tag that stands for the image on the board.
    :param state: how it stands there; of other tags than that: ``current``, ``held``, ``rejected`` or ``drift``.
    :param word: what people read for it; empty of other tags that nothing is said against.
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


class ShownStage(BoardAnswer):
    """All that stands in a stage.

    :param repository: its repository key.
    :param as_of: when the registry was looked at.
    :param is_refreshing: whether it is being looked at now.
    :param trouble: why that is not newer.
    :param found: how many tags meet the filters.
    :param start: how many of them stand before those of this page.
    :param rows: those of this page, by image, the newest tag of each first.
    """

    repository: str
    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    found: int
    start: int
    rows: list[StageRow]


class Side(BoardAnswer):
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


class DifferenceRow(BoardAnswer):
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


class Difference(BoardAnswer):
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
