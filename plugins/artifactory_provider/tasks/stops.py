"""Orders to stop: one Airflow Variable, read anew for each question, which several may change at the same time."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from artifactory_provider.policy import ORIGINS, InvalidPolicy, Stop, StopOrder, TargetPatterns, read_stop
from artifactory_provider.promotion.errors import InvalidPromotion, NothingToLift
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.rules import Refusal
from artifactory_provider.tasks.variables import change_variable
from artifactory_provider.verification.verdicts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EVERYTHING = ("*",)
_LONGEST_NAME = 200
_DESCRIPTION = "What is stopped: see the DAG stop_the_line."


def make_order(
    *,
    reason: str,
    by: str,
    repositories: Sequence[str] = (),
    images: Sequence[str] = (),
    until: datetime.datetime | None = None,
    also_rollbacks: bool = False,
) -> StopOrder:
    """Return an order to stop that begins now.

    :param reason: why, in one line of up to 500 characters.
    :param by: who gives it.
    :param repositories: patterns of the repositories whose tags stay as they are; all where none are given.
    :param images: patterns of the images; all where none are given.
    :param until: when it ends by itself, with a time zone; None for never.
    :param also_rollbacks: whether rollbacks are stopped, too.
    :raises InvalidPromotion: when the reason is none, or the end has passed.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    if until is not None and until <= now:
        raise InvalidPromotion(f"until is {until}, which has passed: nothing was stopped.")
    return StopOrder(
        reason=check_reason(reason),
        by=printable(by, longest=_LONGEST_NAME),
        since=now,
        targets=TargetPatterns(
            repositories=Patterns(tuple(repositories) or _EVERYTHING), images=Patterns(tuple(images) or _EVERYTHING)
        ),
        until=until,
        applies_to=frozenset(ORIGINS if also_rollbacks else set(ORIGINS) - {"rollback"}),
    )


def naming_any(repositories: Sequence[str]) -> Callable[[StopOrder], bool]:
    """Return what tells whether an order names one of some patterns of repositories, written in the same way.

    :param repositories: the patterns; every order is meant where none are given.
    """
    meant = set(repositories)
    return lambda order: not meant or bool(meant & set(order.targets.repositories.include))


def given_at(
    since: datetime.datetime, *, repositories: Sequence[str], images: Sequence[str]
) -> Callable[[StopOrder], bool]:
    """Return what tells whether an order is one that somebody has seen, and no other.

    :param since: when it was given, with a time zone.
    :param repositories: its patterns of repositories.
    :param images: its patterns of images.
    """
    seen = (since, set(repositories), set(images))
    return lambda one: (one.since, set(one.targets.repositories.include), set(one.targets.images.include)) == seen


def give_order(variable: str, order: StopOrder) -> Stop:
    """Stop the line, and return what is stopped now. One that stands there already, but for its time, is not added.

    :param variable: the Variable of the stops.
    :param order: what is stopped, and why.
    :raises InvalidPolicy: when the Variable holds something else, or would hold what nobody can read: it is left as it
        is.
    :raises RulesUnreadable: when the order did not stay there, or nobody can tell.
    """

    def add(stop: Stop) -> Stop:
        if any(replace(one, since=order.since) == order for one in stop.orders):
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
    meant: dict[StopOrder, None] | None = None

    def remove(stop: Stop) -> Stop:
        nonlocal meant
        if meant is None:
            # What is ordered while this one is carried out was not meant by whoever lifts.
            meant = dict.fromkeys(order for order in stop.orders if is_meant(order))
        return replace(stop, orders=tuple(order for order in stop.orders if order not in meant))

    left = _change(variable, remove)
    if not meant:
        given = "; ".join(f"{order.reason} (by {order.by})" for order in left.orders) or "none"
        raise NothingToLift(f"No order to stop is meant by this: nothing was changed. There are: {given}.")
    return tuple(meant)


def _change(variable: str, change: Callable[[Stop], Stop]) -> Stop:
    return change_variable(
        variable,
        change,
        read=lambda text, name: read_stop(text, name=name),
        write=Stop.to_text,
        what="The order to stop",
        description=_DESCRIPTION,
    )


class CurrentStops:
    """The stops as they are now, for all who ask at the same time by one read that begins after they have asked.

    :param variable: the Variable of the stops.
    :param read: returns a Variable's text, or None where there is no such one.
    """

    def __init__(self, variable: str, read: Callable[[str], str | None]) -> None:
        self._variable, self._read_variable = variable, read
        self._waiting: list[asyncio.Future[str | None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._known: tuple[str | None, Stop | Refusal] = (None, read_stop("", name=variable))

    async def read(self) -> Stop | Refusal:
        """Return the stops, or the refusal of everything where nobody can tell what they are.

        :raises RulesUnreadable: when the Variable cannot be read now.
        """
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        if self._reading is None or self._reading.done():  # at its end, or with an event loop that has stopped
            self._reading = asyncio.create_task(self._answer_all())
        text = await answer
        if text != self._known[0]:
            self._known = (text, self._understand(text))
        return self._known[1]

    async def _answer_all(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                text = await asyncio.to_thread(self._read_variable, self._variable)
            except Exception as error:  # noqa: BLE001 - whoever has asked gets it
                for one in waiting:
                    if not one.done():
                        one.set_exception(error)
            else:
                for one in waiting:
                    if not one.done():
                        one.set_result(text)

    def _understand(self, text: str | None) -> Stop | Refusal:
        try:
            return read_stop(text or "", name=self._variable)
        except InvalidPolicy as error:
            return Refusal(
                f"Nothing is promoted, as nobody can tell what is stopped: {error}",
                lifted_by=f"Whoever may edit Variables can mend {self._variable}.",
                rule="stop",
            )
