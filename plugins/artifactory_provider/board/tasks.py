"""What tasks are at with images: waiting for a verdict, asking people, promoting, or failed; of any scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import datetime

    from artifactory_provider.artifactory.references import ImageReference

Deed = Literal["verify", "approve", "override", "promote"]
"""What a task does with an image; ``promote`` stands for a rollback's own task, too."""
Stand = Literal["waits", "runs", "failed"]

GateKey = tuple[str, str, str]
"""Connection, target repository and image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinding:
    """What a task is at with one image.

    :param image: the image name.
    :param target: the repository that the image is to come to.
    :param tag: the tag that it has below, or there; None for any; of a rollback, the tag that goes back.
    :param digest: how its digest begins, in hex; empty for any.
    :param deed: what the task does.
    :param stand: how far it is.
    :param reason: why, as the task has said; empty where it has not.
    :param since: since when.
    :param until: when it gives up, or looks again.
    :param may_answer: who may answer, of a question; none where anybody may; None where that is not told.
    :param covers: how many promotions one answer to its question is about; 0 where it asks none.
    :param is_rollback: whether the tag is given back what it showed before, which nothing below has a part in.
    :param dag_id: the DAG.
    :param run_id: its run.
    :param task_id: the task.
    :param map_index: which of a mapped task's instances, -1 where it is not mapped.
    """

    image: str
    target: str
    tag: str | None
    deed: Deed
    stand: Stand
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    digest: str = ""
    reason: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    may_answer: tuple[str, ...] | None = ()
    covers: int = 0
    is_rollback: bool = False

    def is_about(self, source: ImageReference, target: ImageReference | None) -> bool:
        """Tell whether it is about what would be promoted now, and not about another tag.

        :param source: what would be promoted, pinned.
        :param target: what it would become.
        """
        digest = str(source.digest).removeprefix("sha256:")
        return self.tag in {None, source.tag, target.tag if target else None} and digest.startswith(self.digest)
