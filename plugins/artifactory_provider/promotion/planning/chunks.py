"""A plan in chunks: parts of it that are promoted on their own, each small enough to hand on, each with a name."""

from __future__ import annotations

import math
import os.path
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artifactory_provider.promotion.errors import InvalidPromotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.promotion.planning.plan import Plan, PlannedPromotion

MOST_CHUNKS = 1000
"""Airflow maps a task over 1,024 values at most, unless its configuration says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Neighbouring promotions of a plan.

    :param key: what it is stored under, such as ``chunk_0001``.
    :param name: what a person reads, such as ``payments/*`` and two numbers, which count through the plan.
    :param promotions: the promotions, all of them left to make.
    """

    key: str
    name: str
    promotions: tuple[PlannedPromotion, ...]

    def descriptor(self, task_id: str) -> dict[str, Any]:
        """Return the small JSON object that a task is mapped over.

        :param task_id: the task that keeps the promotions, under the chunk's key.
        """
        return {"key": self.key, "task_id": task_id, "name": self.name, "promotions": len(self.promotions)}

    def as_list(self) -> list[dict[str, str]]:
        """Return the promotions as JSON objects with source and target, which is all that making them needs."""
        return [{"source": str(each.source), "target": str(each.target)} for each in self.promotions]


def split(plan: Plan, *, size: int) -> list[Chunk]:
    """Return what a plan leaves to promote in chunks, ordered by target, so that each holds neighbours of one image.

    :param plan: the plan.
    :param size: how many promotions a chunk holds; more when there would be more than 1,000 chunks.
    :raises InvalidPromotion: when the size is less than 1.
    """
    if size < 1:
        raise InvalidPromotion(f"chunk_size is a number of promotions, 1 or more, not {size!r}.")
    promotions = sorted(plan.to_promote(), key=lambda each: (each.target.repository, each.target.image))
    size = max(size, math.ceil(len(promotions) / MOST_CHUNKS))
    return [
        Chunk(
            key=f"chunk_{number:04}",
            name=_name(promotions[start : start + size], first=start + 1),
            promotions=tuple(promotions[start : start + size]),
        )
        for number, start in enumerate(range(0, len(promotions), size), start=1)
    ]


def _name(promotions: Sequence[PlannedPromotion], *, first: int) -> str:
    images = sorted({each.source.image for each in promotions})
    if len(images) == 1:
        what = images[0]
    elif folder := os.path.commonpath(images):
        what = f"{folder}/*"
    else:
        what = f"{images[0]} … {images[-1]}"
    last = first + len(promotions) - 1
    return f"{what} {first}–{last}" if last > first else f"{what} {first}"
