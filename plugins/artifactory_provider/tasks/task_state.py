"""What the tries of one task share: the name of their run, and the digest that the first of them has pinned."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.promotion.errors import SourceMoved
from artifactory_provider.promotion.tags import name_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import Context

    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.request import Promotion

_KEY = "artifactory_pinned_digest"


def identify_run(context: Context) -> str:
    """Return what names a task's run, the same for all its tries.

    :param context: the task's context.
    """
    ti = context["ti"]
    return name_run(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)


class PinnedDigest:
    """The digest that the first try has pinned: a later one may find the tag gone, or showing what it has done.

    It is kept in Airflow's task state store until it is forgotten, so that a run that somebody starts anew pins anew.

    :param context: the task's context.
    """

    def __init__(self, context: Context) -> None:
        self._store = context["task_state_store"]

    def get(self) -> str | None:
        """Return the digest, or None before the first try has pinned one."""
        digest = self._store.get(_KEY)
        return str(digest) if digest else None

    def keep(self, digest: str) -> None:
        """Keep a digest for the next tries."""
        self._store.set(_KEY, digest)

    def forget(self) -> None:
        """Forget it: the work is done, or has to begin anew."""
        self._store.delete(_KEY)


@contextmanager
def pin_for_all_tries(
    promotion: Promotion, context: Context, pin: Callable[[ImageReference], str]
) -> Iterator[Promotion]:
    """Give a move the digest that its first try has pinned, as the next may find the source gone; others need none.

    :param promotion: what is promoted.
    :param context: the task's context.
    :param pin: what returns the digest that a tag shows now.
    """
    if promotion.options.copy or promotion.source.digest or promotion.is_whole_image:
        yield promotion
        return
    pinned = PinnedDigest(context)
    digest = pinned.get() or pin(promotion.source)
    pinned.keep(digest)
    try:
        yield replace(promotion, source=promotion.source.pinned(digest))
    except SourceMoved:
        pinned.forget()
        raise
    pinned.forget()
