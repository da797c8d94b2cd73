"""Giving and lifting orders to stop: changes of one Airflow Variable that others may change at the same time."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.sdk import Variable

from artifactory_provider.policy import read_stop
from artifactory_provider.promotion.errors import NothingToLift, RulesUnreadable
from artifactory_provider.tasks.variables import read_variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from artifactory_provider.policy import Stop, StopOrder

_TRIES = 5
_SETTLED_AFTER = 1.0
"""Seconds after which whoever had read the Variable before it was written has written, too: Airflow has no compare and
set."""
_DESCRIPTION = "What is stopped: see the DAG stop_the_line."


def give_order(variable: str, order: StopOrder) -> Stop:
    """Stop the line, and return what is stopped now.

    :param variable: the Variable of the stops.
    :param order: what is stopped, and why.
    :raises InvalidPolicy: when the Variable holds something else, or would hold what nobody can read: it is left as it
        is.
    :raises RulesUnreadable: when the order did not stay there, or nobody can tell.
    """

    def add(stop: Stop) -> Stop:
        if order in stop.orders:
            return stop
        # Those that are over go, so that the document never becomes too long to be read.
        standing = [one for one in stop.orders if one.until is None or one.until > order.since]
        return replace(stop, orders=(*standing, order))

    return _change(variable, add)


def lift_orders(variable: str, is_meant: Callable[[StopOrder], bool]) -> tuple[StopOrder, ...]:
    """Let the line go on, and return the orders that are lifted.

    :param variable: the Variable of the stops.
    :param is_meant: returns whether an order is lifted.
    :raises NothingToLift: when none is.
    :raises InvalidPolicy: when the Variable holds something else: it is left as it is.
    :raises RulesUnreadable: when the orders did not go, or nobody can tell.
    """
    lifted: dict[StopOrder, None] = {}

    def remove(stop: Stop) -> Stop:
        lifted.update(dict.fromkeys(order for order in stop.orders if is_meant(order)))
        return replace(stop, orders=tuple(order for order in stop.orders if not is_meant(order)))

    left = _change(variable, remove)
    if not lifted:
        given = "; ".join(f"{order.reason} (by {order.by})" for order in left.orders) or "none"
        raise NothingToLift(f"No order to stop is meant by this: nothing was changed. There are: {given}.")
    return tuple(lifted)


def _change(variable: str, change: Callable[[Stop], Stop]) -> Stop:
    for _ in range(_TRIES):
        now = read_stop(read_variable(variable), name=variable)
        wanted = change(now)
        if wanted == now:
            return now
        text = wanted.to_text()
        # What nobody could read would stop everything, and nobody could lift it.
        read_stop(text, name="The order to stop")
        Variable.set(variable, text, description=_DESCRIPTION)
        time.sleep(random.uniform(_SETTLED_AFTER, 2 * _SETTLED_AFTER))  # noqa: S311 - keeps writers out of step
        if change(settled := read_stop(read_variable(variable), name=variable)) == settled:
            return settled
    raise RulesUnreadable(f"Others have changed the Variable {variable!r} each time: run this again at once.")
