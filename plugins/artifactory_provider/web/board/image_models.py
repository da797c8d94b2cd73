"""What the JSON API answers of one image."""

from __future__ import annotations

from pydantic import AwareDatetime  # noqa: TC002 - pydantic reads annotations

from artifactory_provider.board.details import Kind  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.board.history import What  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.board.states import CellState  # noqa: TC001 - pydantic reads annotations
from artifactory_provider.web.board.models import BoardAnswer, By, ShownRow


class ShownAttachment(BoardAnswer):
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


class Platform(BoardAnswer):
    """One platform of an image.

    :param name: such as ``linux/arm64/v8``.
    :param digest: the digest of its manifest.
    :param size: bytes of config and layers; None where that is not known.
    """

    name: str
    digest: str
    size: int | None


class ImageTag(BoardAnswer):
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
    attachments: list[ShownAttachment] | None
    labels: dict[str, str]
    url: str


class ImageStage(BoardAnswer):
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


class Happening(BoardAnswer):
    """Something that happened to a tag.

    :param time: when; None where the image's record of it has a time that is none.
    :param what: what.
    :param stage: the stage's name.
    :param repository: its repository key.
    :param tag: the tag.
    :param digest: what it showed from then on.
    :param replaced: the digest that it showed before.
    :param source: where it came from, as ``repository/image:tag``.
    :param by: the task, and who started its run; None where Airflow knows none.
    :param who: who did it: who started the run, or whom the image names; empty where nobody did.
    :param run: what names the run in records of promotions.
    :param reason: why, of a hold, a rejection or a rollback.
    :param verdicts: what it was promoted on.
    :param approvals: who has approved it.
    :param override: who has set a refusal aside, and why.
    :param disagreement: where Airflow's event and the image's record of a promotion contradict each other, in words.
    :param remark: why only one of the two tells of it, in words.
    """

    time: AwareDatetime | None
    what: What
    stage: str
    repository: str
    tag: str
    digest: str
    replaced: str
    source: str
    by: By | None
    who: str
    run: str
    reason: str
    verdicts: list[str]
    approvals: str
    override: str
    disagreement: str
    remark: str


class Image(BoardAnswer):
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
    row: ShownRow | None
    stages: list[ImageStage]
    history: list[Happening]
