"""What the board's JSON API answers about promotions on demand."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import AwareDatetime, Field

from artifactory_provider.board.states import GateState  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.promotion.request import OnConflict  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.web.board.models import BoardAnswer

TagChange: TypeAlias = Literal["new", "replaces", "unchanged", "none"]


class PlannedImage(BoardAnswer):
    """What a run that the asking user starts would do with one image under one target tag.

    :param image: the image name.
    :param tag: the tag that would be promoted; None where there is none.
    :param digest: what it shows.
    :param target_tag: what it would become.
    :param replaces: the digest that the target tag shows; None where it shows nothing.
    :param change: what would become of the target tag; ``none`` where there is nothing to promote.
    :param on_conflict: what it means to the run where the target tag shows another digest.
    :param state: what stands in the way: ``ready`` where nothing that is known does.
    :param word: what people read for the state.
    :param reason: why, in a sentence; empty where there is nothing to say.
    :param until: when what refuses it ends by itself.
    :param is_refused: whether the run would be refused for certain, as things stand, and nobody may override that.
    :param override: who may set aside what refuses it; empty where nobody may, or nothing does.
    :param approvals: what approvals the run asks for; empty where none.
    :param left: the names of the checks that only the run asks.
    """

    image: str
    tag: str | None = None
    digest: str | None = None
    target_tag: str | None = None
    replaces: str | None = None
    change: TagChange = "none"
    on_conflict: OnConflict = "fail"
    state: GateState
    word: str
    reason: str = ""
    until: AwareDatetime | None = None
    is_refused: bool = False
    override: str = ""
    approvals: str = ""
    left: list[str] = Field(default_factory=list)


class DemandPlan(BoardAnswer):
    """What runs on demand would do with some images.

    :param as_of: when the server was looked at; None where it never was.
    :param is_refreshing: whether it is being looked at now, or soon: ask again in a second or two.
    :param trouble: why what the rules say is not known; None where it is.
    :param ladder: the ladder's name.
    :param from_stage: the name of the stage that is promoted from; ``from`` in JSON.
    :param to: the name of the stage that is promoted to.
    :param on_conflict: what was asked for; None for what the stage says of each target tag.
    :param images: the images, in the order in which they were asked for, and of each the stage's target tags in theirs.
    """

    as_of: AwareDatetime | None
    is_refreshing: bool
    trouble: str | None
    ladder: str
    from_stage: str = Field(serialization_alias="from")
    to: str
    on_conflict: OnConflict | None
    images: list[PlannedImage]
