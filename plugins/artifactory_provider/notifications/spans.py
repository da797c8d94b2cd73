"""How long telling people may take: Airflow kills a process that goes on for too long after its task has ended."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

_LONGEST = 10.0
"""Seconds for all who are told of one task's end, where Airflow gives its process twice as much or more."""


def find_seconds(context: Mapping[str, Any] | Context) -> float:
    """Return how many seconds one notifier may take: half of what is left, so that something is left for the next.

    Callbacks run once the task has ended, while Airflow's supervisor counts towards ``[core] task_success_overtime``.
    It counts for no task that has not ended, and not in the DAG processor, where no end is known.

    :param context: the context that the notifier is called with.
    """
    overtime: float = conf.getfloat("core", "task_success_overtime")
    whole = max(0.0, min(_LONGEST, overtime / 2))
    ended = getattr(context.get("ti"), "end_date", None)
    if ended is None:
        return whole / 2
    since_then: float = (datetime.datetime.now(datetime.UTC) - ended).total_seconds()
    return min(whole, max(0.0, whole - since_then)) / 2
